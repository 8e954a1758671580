#include "dataplane/program.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

using std::chrono::milliseconds;

TEST(Program, GivesEveryStateOfAFlowTheTimeoutOfTheFile) {
    const tables::FlowTimeouts timeouts = timeouts_of({.per_worker = 1,
                                                       .opening = milliseconds{3'000},
                                                       .established = milliseconds{500'000},
                                                       .closing = milliseconds{7'000},
                                                       .udp = milliseconds{11'000}});
    using tables::FlowState;
    const auto of = [&](FlowState state) {
        return timeouts.idle_s[static_cast<std::size_t>(state)];
    };
    EXPECT_EQ(of(FlowState::kOpening), 3);
    EXPECT_EQ(of(FlowState::kDoubtful), 500);
    EXPECT_EQ(of(FlowState::kEstablished), 500);
    EXPECT_EQ(of(FlowState::kClosing), 7);
    EXPECT_EQ(of(FlowState::kUdpNew), 11);
    EXPECT_EQ(of(FlowState::kUdp), 11);
}

TEST(Program, ForgetsNoFlowBeforeItsTime) {
    const tables::FlowTimeouts timeouts = timeouts_of({.established = milliseconds{1'001}});
    EXPECT_EQ(timeouts.idle_s[static_cast<std::size_t>(tables::FlowState::kEstablished)], 2);
}

TEST(Program, RestsAsTheFileSays) {
    const pipeline::Rest adaptive = rest_of(conf::Poll::kAdaptive);
    const pipeline::Rest relaxed = rest_of(conf::Poll::kRelaxed);
    EXPECT_EQ(rest_of(conf::Poll::kBusy).sleep_max_ns, 0) << "it polls without pause";
    EXPECT_GT(adaptive.sleep_max_ns, 0);
    EXPECT_LE(adaptive.sleep_max_ns, 50'000) << "before a queue of 1024 is full at 10 Gbit/s";
    EXPECT_LE(relaxed.sleep_max_ns, 1'000'000) << "as the example says";
    EXPECT_LT(relaxed.spins, adaptive.spins);
    EXPECT_GT(relaxed.sleep_min_ns, adaptive.sleep_min_ns);
}

}  // namespace
}  // namespace tandem
