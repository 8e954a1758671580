// The check `tcp`: a backend that accepts a connection is alive.
#include <boost/asio/this_coro.hpp>

#include "healthcheck/connect.h"
#include "healthcheck/probe.h"

namespace tandem::health {

namespace asio = boost::asio;
namespace beast = boost::beast;

asio::awaitable<ProbeResult> probe_tcp(TcpProbe probe) {
    const Instant started = Instant::clock::now();
    beast::tcp_stream stream(co_await asio::this_coro::executor);
    stream.expires_at(started + probe.timeout);
    ProbeResult result = co_await connect(stream, probe.target);
    result.latency = Instant::clock::now() - started;
    co_return result;
}

}  // namespace tandem::health
