// The check `http`: a backend that answers a GET as expected is alive.
//
// The whole answer has to come, for a server that hangs after its header serves nobody; but no more
// than kBodyBytesMax of it are read, and none of it is kept.
#include <array>
#include <optional>

#include <boost/asio/buffer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>

#include "healthcheck/connect.h"
#include "healthcheck/probe.h"

namespace tandem::health {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

constexpr std::uint32_t kHeaderBytesMax = 16 * 1024;
constexpr std::size_t kBodyBytesMax = 64 * 1024;
constexpr std::size_t kChunkBytes = 4096;  // of the body at a time

using Parser = http::response_parser<http::buffer_body>;

std::string request_text(const HttpProbe& probe) {
    return "GET " + probe.path + " HTTP/1.1\r\nHost: " + probe.host +
           "\r\nUser-Agent: tandem-healthcheck\r\nAccept: */*\r\nConnection: close\r\n\r\n";
}

/// "HTTP 503 Service Unavailable". The words are ours and not the peer's: they end up in a log.
std::string status_text(unsigned status) {
    const beast::string_view words = http::obsolete_reason(http::int_to_status(status));
    std::string text = "HTTP " + std::to_string(status);
    if (http::int_to_status(status) != http::status::unknown) text.append(" ").append(words);
    return text;
}

/// The answer ended in `error` while we did `what`.
ProbeResult failed(const std::string& what, const boost::system::error_code& error) {
    if (error == beast::error::timeout) {
        return {ProbeCode::kL7Timeout, what + ": no complete answer"};
    }
    if (error == http::error::end_of_stream) {
        return {ProbeCode::kL7Response, what + ": connection closed without an answer"};
    }
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        return {ProbeCode::kL7Response, what + ": header too long"};
    }
    return {ProbeCode::kL7Response, what + ": " + error.message()};
}

/// Reads up to the first header that is not an interim answer (1xx, RFC 9110 section 15.2).
asio::awaitable<boost::system::error_code> read_header(beast::tcp_stream& stream,
                                                       beast::flat_buffer& buffer,
                                                       std::optional<Parser>& parser) {
    do {
        parser.emplace();
        parser->header_limit(kHeaderBytesMax);
        parser->body_limit(boost::none);  // read_body counts, and is content with the beginning
        auto [error, bytes] = co_await http::async_read_header(stream, buffer, *parser, kAwait);
        if (error) co_return error;
    } while (http::to_status_class(parser->get().result_int()) ==
             http::status_class::informational);
    co_return boost::system::error_code{};
}

asio::awaitable<boost::system::error_code> read_body(beast::tcp_stream& stream,
                                                     beast::flat_buffer& buffer, Parser& parser) {
    std::array<char, kChunkBytes> chunk;  // read into, and never looked at
    for (std::size_t read = 0; !parser.is_done() && read < kBodyBytesMax; read += chunk.size()) {
        parser.get().body().data = chunk.data();
        parser.get().body().size = chunk.size();
        auto [error, bytes] = co_await http::async_read(stream, buffer, parser, kAwait);
        if (error && error != http::error::need_buffer) co_return error;
    }
    co_return boost::system::error_code{};
}

asio::awaitable<ProbeResult> exchange(beast::tcp_stream& stream, const HttpProbe& probe) {
    ProbeResult connected = co_await connect(stream, probe.target);
    if (connected.outcome() != Outcome::kPass) co_return connected;

    const std::string request = request_text(probe);
    auto [write_error, bytes] = co_await asio::async_write(stream, asio::buffer(request), kAwait);
    if (write_error) co_return failed("send", write_error);

    beast::flat_buffer buffer(kHeaderBytesMax);
    std::optional<Parser> parser;
    const auto header_error = co_await read_header(stream, buffer, parser);
    if (header_error) co_return failed("receive", header_error);

    const unsigned status = parser->get().result_int();
    std::string text = status_text(status);
    if (status < probe.status_min || status > probe.status_max) {
        text += ", expected " + std::to_string(probe.status_min);
        if (probe.status_max != probe.status_min) text += "-" + std::to_string(probe.status_max);
        co_return ProbeResult{ProbeCode::kL7Status, std::move(text)};
    }
    const auto body_error = co_await read_body(stream, buffer, *parser);
    if (body_error) co_return failed(text + ", body", body_error);
    co_return ProbeResult{ProbeCode::kL7Ok, std::move(text)};
}

}  // namespace

asio::awaitable<ProbeResult> probe_http(HttpProbe probe) {
    const Instant started = Instant::clock::now();
    beast::tcp_stream stream(co_await asio::this_coro::executor);
    stream.expires_at(started + probe.timeout);
    ProbeResult result = co_await exchange(stream, probe);
    result.latency = Instant::clock::now() - started;
    co_return result;
}

}  // namespace tandem::health
