// How the two processes come to share the regions: the dataplane listens on a unix socket, control
// connects, and the descriptors travel as SCM_RIGHTS.
//
// Control speaks first and offers the regions it still holds from an earlier dataplane, if any. A
// dataplane that has none of its own yet takes them over, flows included, or makes new ones; one
// that has some answers with those. The connection then stays open: its end is how each side learns
// that the other is gone. One control at a time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>

#include "dataplane/base/file_descriptor.h"
#include "dataplane/base/result.h"
#include "dataplane/tables/live.h"
#include "dataplane/tables/region.h"

namespace tandem::tables {

inline constexpr std::size_t kRegionCount = 3;  ///< the plan, the live tables, the flows

/// One message; both directions look alike. Always one datagram of a SOCK_SEQPACKET socket.
struct Hello {
    static constexpr std::uint64_t kMagic = 0x4d45444e4154'1001;

    std::uint64_t magic = kMagic;
    std::uint32_t layout_version = kLayoutVersion;
    std::uint32_t region_count = 0;   ///< how many descriptors come along: 0 or kRegionCount
    std::array<char, 240> refusal{};  ///< why not, as one sentence; empty if welcome
};
static_assert(sizeof(Hello) == 256);

struct Received {
    Hello hello;
    std::array<FileDescriptor, kRegionCount>
        regions;  ///< plan, live, flows; open if region_count says so
};

enum class OrderKind : std::uint8_t {
    kHandoff,    ///< let the peer have the group; it stays there until taken back
    kTakeBack,   ///< have it again, as far as priorities say so
    kDrill,      ///< hand off, measure the gap, take back
    kHardDrill,  ///< fall silent without a word, measure the gap, take back
};

/// What control asks of the dataplane on behalf of an operator, in one datagram.
struct Order {
    static constexpr std::uint64_t kMagic = 0x4d45444e4154'2001;

    std::uint64_t magic = kMagic;
    std::uint64_t id = 0;  ///< the report's
    OrderKind kind = OrderKind::kHandoff;
    Name group;  ///< empty: all groups
};

/// How it ended, in one datagram; comes once for each order, when it is done.
struct OrderReport {
    static constexpr std::uint64_t kMagic = 0x4d45444e4154'2002;

    std::uint64_t magic = kMagic;
    std::uint64_t id = 0;
    std::int64_t gap_us = -1;  ///< of a drill: the longest time without an answer; -1: not measured
    Flag is_done = 0;          ///< as asked for
    std::array<char, 240> said{};  ///< one sentence
};
static_assert(std::is_trivially_copyable_v<Order> && std::is_trivially_copyable_v<OrderReport>);

/// Errors: the other side left, or does not take it.
Status send_order(int socket, const Order& order);
Status send_report(int socket, const OrderReport& report);
/// Never block. nullopt: there is none, or it is not one.
std::optional<Order> receive_order(int socket);
std::optional<OrderReport> receive_report(int socket);

/// Binds and listens, replacing a stale socket file of a dead process. Errors: another process
/// listens there, or the directory cannot be made.
Result<FileDescriptor> listen_at(const std::string& path);

/// Connects without blocking. Errors: nobody listens.
Result<FileDescriptor> connect_to(const std::string& path);

Status send_hello(int socket, const Hello& hello, const std::array<int, kRegionCount>& regions);
/// Waits up to `timeout_ms` for a message. Errors: the other side left, another magic or version.
Result<Received> receive_hello(int socket, int timeout_ms);
Hello refusal(const std::string& why);

/// The process at the other end of a unix socket.
std::optional<pid_t> peer_pid(int socket);

/// True once the other side has closed the connection.
bool is_closed(int socket);

}  // namespace tandem::tables
