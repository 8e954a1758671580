// One who looks up flows of the other instance while they come and go. To be run under
// ThreadSanitizer too.
#include <atomic>
#include <chrono>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dataplane/tables/peer_flows.h"

namespace tandem::tables {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kChangesMin = 300'000;
#else
constexpr std::uint64_t kChangesMin = 10'000'000;
#endif
constexpr std::uint64_t kFoundMin = 10'000;
constexpr std::size_t kFlowsInUse = 16;  // of which each bucket has room for four
constexpr std::size_t kRoomForFlows = 9;

/// Flows that all want to be in the same bucket, and move on from it to make room.
std::vector<FlowIdentity> crowded_flows() {
    PeerFlows flows(kRoomForFlows);
    std::mt19937_64 random(3);
    std::vector<FlowIdentity> crowded;
    while (crowded.size() < kFlowsInUse) {
        const FlowIdentity identity = flow_identity(random(), 7);
        flows.put(identity, {.backend = 1, .peers = 1});
        flows.walk(0, 1, [&](FlowIdentity each, const PeerFlows::Flow&) {
            crowded.push_back(each);
            return true;
        });
        flows.remove(identity);
    }
    return crowded;
}

struct SeenFlows {
    std::atomic<std::uint64_t> found{0};
    std::atomic<std::uint64_t> mistaken{0};
    std::atomic<std::uint64_t> missed{0};
    std::atomic<bool> done{false};
};

/// The first flow is always there.
void look_up(const PeerFlows& flows, const std::vector<FlowIdentity>& crowded, SeenFlows& seen) {
    std::mt19937_64 random(1);
    while (!seen.done.load(std::memory_order_relaxed)) {
        const std::size_t number = random() % kFlowsInUse;
        const auto flow = flows.find(crowded[number]);
        if (number == 0 && !flow) ++seen.missed;
        if (!flow) continue;
        ++seen.found;
        if (flow->backend != number + 1 || flow->peers != number + 101) ++seen.mistaken;
    }
}

TEST(PeerFlowsThreads, NoFlowIsSeenWithTheBackendOfAnotherNorMissedWhileItMoves) {
    const std::vector<FlowIdentity> crowded = crowded_flows();
    std::mt19937_64 random(2);
    SeenFlows seen;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    std::uint64_t changes = 0;
    while (changes < kChangesMin || seen.found < kFoundMin) {
        PeerFlows flows(kRoomForFlows);
        const auto put = [&](std::size_t number) {
            return flows.put(crowded[number], {.backend = static_cast<BackendIndex>(number + 1),
                                               .peers = static_cast<BackendIndex>(number + 101),
                                               .state = FlowState::kEstablished,
                                               .serial = static_cast<std::uint8_t>(changes)});
        };
        ASSERT_TRUE(put(0));
        seen.done = false;
        std::jthread reader([&] { look_up(flows, crowded, seen); });
        for (std::uint64_t i = 0; i < kChangesMin / 50; ++i, ++changes) {
            const std::size_t number = random() % kFlowsInUse;
            const bool goes = number != 0 && random() % 2 == 0;
            if (goes || flows.count() == kRoomForFlows) {
                if (number != 0) flows.remove(crowded[number]);
            } else {
                put(number);
            }
        }
        seen.done = true;
        if (std::chrono::steady_clock::now() > deadline) break;
    }
    EXPECT_GE(seen.found, kFoundMin);
    EXPECT_EQ(seen.mistaken, 0U);
    EXPECT_EQ(seen.missed, 0U);
}

}  // namespace
}  // namespace tandem::tables
