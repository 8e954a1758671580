// What every probe over TCP begins with.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include "healthcheck/result.h"

namespace tandem::health {

/// Errors come back as values, never as exceptions.
inline constexpr auto kAwait = boost::asio::as_tuple(boost::asio::use_awaitable);

/// Opens and connects `stream` by the deadline set in it, and makes sure that it ends by a reset.
/// kL4Ok, or the result of the probe.
boost::asio::awaitable<ProbeResult> connect(boost::beast::tcp_stream& stream,
                                            boost::asio::ip::tcp::endpoint target);

}  // namespace tandem::health
