// The two processes that the kill test kills: a control that publishes as fast as it can, and a
// dataplane whose main thread merges and whose workers check every version they adopt. They share
// tables as the real ones do, and a page with the test in which they say how far they are.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

namespace tandem::tables {

struct Progress {
    // The memory that each side holds, by the plan's instance id; 0: none yet.
    std::atomic<std::uint64_t> control_holds{0};
    std::atomic<std::uint64_t> dataplane_holds{0};

    // The newest generations that are known to be published, and in which memory.
    std::atomic<std::uint64_t> instance{0};
    std::atomic<std::uint64_t> plan_generation{0};
    std::atomic<std::uint64_t> live_generation{0};

    std::atomic<std::uint64_t> published{0};    ///< plans
    std::atomic<std::uint64_t> verified{0};     ///< live versions, by workers
    std::atomic<std::uint64_t> stale{0};        ///< versions that a reader knew it read too late
    std::atomic<std::uint64_t> left_out{0};     ///< times that a reader counted as stopped
    std::atomic<std::uint64_t> read_back{0};    ///< plans that a new control found
    std::atomic<std::uint64_t> handed_back{0};  ///< live tables that a new dataplane found

    std::atomic<bool> failed{false};
    std::array<char, 256> complaint{};
};

[[noreturn]] void be_control(Progress& progress, const std::string& socket, std::uint64_t seed);
[[noreturn]] void be_dataplane(Progress& progress, const std::string& socket, std::uint64_t seed);

/// Ends the calling process; the test reports why.
[[noreturn]] void complain(Progress& progress, const std::string& what);

}  // namespace tandem::tables
