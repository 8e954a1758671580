// What one schedule is drawn from: sizes, times and limits of the pair, of its pools and of the
// streams between its instances. Coarse seconds are short here, so that what takes a quarter of an
// hour in production, a flow's silence or a transition, is over in less than one of virtual time.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "dataplane/pair/stream.h"
#include "dataplane/tables/agreement.h"
#include "dataplane/tables/flow_table.h"
#include "perf/survival/random.h"

namespace tandem::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using survival::Random;

inline constexpr std::size_t kInstances = 2;
inline constexpr std::size_t kGroupsMax = 2;
inline constexpr std::size_t kPoolsMax = 2;
inline constexpr std::size_t kBackendsOfPool = 6;
inline constexpr std::size_t kBackends = kPoolsMax * kBackendsOfPool;

/// A backend by what it is, on both instances alike: its pool and its place there.
using BackendId = std::uint8_t;
inline constexpr BackendId kNobody = 0xff;

// Of the product's defaults where it has any, but for seconds.
inline constexpr Duration kHeartbeat = milliseconds(10);
inline constexpr Duration kDeadAfter = milliseconds(50);
inline constexpr Duration kStallLimit = milliseconds(50);
inline constexpr Duration kControlLook = milliseconds(10);
inline constexpr Duration kControlDelayMax = milliseconds(8);
inline constexpr Duration kWireDelayMax = milliseconds(12);

/// What an operator configures of a pool.
struct PoolSetting {
    struct Backend {
        bool is_configured = false;
        bool is_draining = false;
        std::uint16_t weight = 1;

        friend bool operator==(const Backend&, const Backend&) = default;
    };
    std::uint32_t slots = 13;
    std::array<Backend, kBackendsOfPool> backends{};

    friend bool operator==(const PoolSetting&, const PoolSetting&) = default;
};

struct Setting {
    std::vector<PoolSetting> pools;
    CoarseTime hold = 5;

    friend bool operator==(const Setting&, const Setting&) = default;
};

struct Shape {
    Duration second{};  ///< how long a coarse second is
    Duration tick{};    ///< between steps of a main core
    std::size_t groups = 1;
    std::size_t flows = 20;
    std::size_t workers = 1;
    std::size_t buckets = 64;  ///< of a worker's flow table
    std::array<std::array<std::uint8_t, kInstances>, kGroupsMax> priorities{};
    Duration advert_interval{};
    bool preempts = true;
    bool hands_off = false;  ///< operators order handoffs, and stops begin with one
    Duration preempt_delay{};
    Duration sync_timeout{};
    tables::Agreement agreement{};
    tables::FlowTimeouts timeouts{};
    CoarseTime remembering = 0;
    pair::StreamLimits stream{};
    bool is_short = false;  ///< streams and journals may overflow
    std::size_t journal_changes = 0;
    Setting setting;
    std::array<CoarseTime, kInstances> clock_begins{};  ///< machines count seconds apart

    /// The instance that a group is by priority.
    [[nodiscard]] std::size_t higher(std::size_t group) const {
        return priorities[group][0] > priorities[group][1] ? 0 : 1;
    }
    [[nodiscard]] std::uint16_t idle_s(bool is_udp) const {
        return timeouts.idle_s[static_cast<std::size_t>(is_udp ? tables::FlowState::kUdp
                                                               : tables::FlowState::kEstablished)];
    }
};

/// `extras` decides about what not all schedules have.
Shape draw_shape(Random& random, Random& extras);
/// One change of an operator's.
void change(Setting& setting, Random& random);

inline Duration draw(Random& random, Duration min, Duration max) {
    return min + microseconds(
                     random.between(0, static_cast<std::uint32_t>((max - min) / microseconds(1))));
}

}  // namespace tandem::sim
