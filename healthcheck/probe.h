// One attempt to reach one backend: a coroutine per type of check, each in its own file.
//
// Failing is a probe's job, so every trouble is a ProbeResult: probes never throw. Each completes
// within its timeout whatever the peer does, and bounds what it reads from it. A probe ends its
// connection by a reset, so that thousands of them a second leave no TIME_WAIT behind.
// Arguments come by value, because a coroutine outlives the expression that started it.
#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "dataplane/base/time.h"
#include "healthcheck/result.h"

namespace tandem::health {

struct TcpProbe {
    boost::asio::ip::tcp::endpoint target;
    Duration timeout{};
};

/// Passes if a connection can be made.
boost::asio::awaitable<ProbeResult> probe_tcp(TcpProbe probe);

struct HttpProbe {
    boost::asio::ip::tcp::endpoint target;
    Duration timeout{};
    std::string path = "/";
    std::string host;  ///< of the Host header
    unsigned status_min = 200;
    unsigned status_max = 399;
};

/// Passes if a GET is answered with an expected status and the answer is complete, or longer than
/// anybody wants to read in a health check. Speaks HTTP/1.1 and understands 1.0.
boost::asio::awaitable<ProbeResult> probe_http(HttpProbe probe);

}  // namespace tandem::health
