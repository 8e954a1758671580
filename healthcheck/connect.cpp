#include "healthcheck/connect.h"

#include <boost/asio/socket_base.hpp>
#include <boost/beast/core/error.hpp>

namespace tandem::health {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;

namespace {

/// Errors of connect(2) that speak about this machine and not about the backend: no memory, no
/// local port left, no address of that family, forbidden by a local filter or route.
bool is_our_fault(const boost::system::error_code& error) {
    switch (error.value()) {
        case ENOBUFS:
        case ENOMEM:
        case EAGAIN:
        case EADDRNOTAVAIL:
        case EAFNOSUPPORT:
        case EPERM:
        case EACCES:
            return error.category() == boost::system::system_category();
        default:
            return false;
    }
}

}  // namespace

asio::awaitable<ProbeResult> connect(beast::tcp_stream& stream, tcp::endpoint target) {
    boost::system::error_code open_error;
    stream.socket().open(target.protocol(), open_error);
    if (open_error)
        co_return ProbeResult{ProbeCode::kSocketError, "socket: " + open_error.message()};

    auto [error] = co_await stream.async_connect(target, kAwait);
    if (!error) {
        // Closing, which the stream's destructor does, is a reset from now on.
        boost::system::error_code ignored;
        stream.socket().set_option(asio::socket_base::linger(true, 0), ignored);
        co_return ProbeResult{ProbeCode::kL4Ok, "connected"};
    }
    if (error == beast::error::timeout) {
        co_return ProbeResult{ProbeCode::kL4Timeout, "connect: no answer"};
    }
    const ProbeCode code = is_our_fault(error) ? ProbeCode::kSocketError : ProbeCode::kL4Connect;
    co_return ProbeResult{code, "connect: " + error.message()};
}

}  // namespace tandem::health
