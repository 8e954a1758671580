#include "dataplane/tables/flow_memory.h"

#include <gtest/gtest.h>

#include "tests/unit/tables/stamped.h"

namespace tandem::tables {
namespace {

constexpr std::uint64_t kFlow = 0x1234'5678'9abc'def0;

FlowMemory memory_of(std::uint32_t workers, std::uint64_t flows = 1000) {
    Result<FlowMemory> memory = FlowMemory::create(workers, flows, Pages::kNormal);
    CHECK(memory.has_value());
    return std::move(memory.value());
}

FlowTable table_of(FlowMemory& memory, std::uint32_t worker = 0) {
    return {memory.buckets(worker), memory.per_backend(worker), memory.statistics(worker), {}};
}

std::uint64_t entries(FlowMemory& memory, FlowState state, std::uint32_t worker = 0) {
    return memory.statistics(worker).entries[static_cast<std::size_t>(state)];
}

TEST(FlowMemory, EachWorkerHasATableAndAKeyOfItsOwn) {
    FlowMemory memory = memory_of(3);
    EXPECT_NE(memory.key(0), memory.key(1));
    EXPECT_NE(memory.key(1), memory.key(2));
    for (std::uint32_t i = 0; i < 3; ++i) {
        ASSERT_TRUE(table_of(memory, i).insert(kFlow, static_cast<BackendIndex>(i + 1),
                                               FlowState::kUdp, 0));
    }
    for (std::uint32_t i = 0; i < 3; ++i) {
        EXPECT_EQ(table_of(memory, i).find(kFlow, 0).backend(), i + 1);
        EXPECT_EQ(memory.per_backend(i).flows[i + 1], 1U);
        EXPECT_EQ(memory.per_backend(i).flows[1 + (i + 1) % 3], 0U);
    }
}

TEST(FlowMemory, ASuccessorFindsTheFlowsByTheSameKey) {
    FlowMemory memory = memory_of(1);
    table_of(memory).insert(kFlow, 7, FlowState::kEstablished, 50);
    Result<FlowMemory> mapped = FlowMemory::map(duplicate(memory.fd()), Access::kReadWrite);
    ASSERT_TRUE(mapped);
    EXPECT_TRUE(mapped.value().fits(1, 1000));
    EXPECT_FALSE(mapped.value().fits(2, 1000));
    EXPECT_FALSE(mapped.value().fits(1, 100'000));
    EXPECT_EQ(mapped.value().key(0), memory.key(0));
    EXPECT_EQ(table_of(mapped.value()).find(kFlow, 51).backend(), 7);
}

TEST(FlowMemory, ClearForgetsEverything) {
    FlowMemory memory = memory_of(1);
    table_of(memory).insert(kFlow, 7, FlowState::kEstablished, 50);
    memory.clear();
    EXPECT_FALSE(table_of(memory).find(kFlow, 50));
    EXPECT_EQ(memory.per_backend(0).flows[7], 0U);
    EXPECT_EQ(entries(memory, FlowState::kEstablished), 0U);
}

TEST(FlowMemory, ARecountMendsWhatAWriterThatWasKilledLeftHalfDone) {
    FlowMemory memory = memory_of(2);
    for (std::uint64_t flow = 1; flow <= 100; ++flow) {
        ASSERT_TRUE(table_of(memory).insert(kFlow * flow, 7, FlowState::kEstablished, 0));
    }
    table_of(memory, 1).insert(kFlow, 8, FlowState::kOpening, 0);
    memory.per_backend(0).flows[7] = 101;
    memory.per_backend(0).flows[9] = static_cast<std::uint32_t>(-1);
    memory.statistics(0).entries[0] = static_cast<std::uint64_t>(-1);
    memory.recount();
    EXPECT_EQ(memory.per_backend(0).flows[7], 100U);
    EXPECT_EQ(memory.per_backend(0).flows[9], 0U);
    EXPECT_EQ(memory.per_backend(1).flows[8], 1U);
    EXPECT_EQ(entries(memory, FlowState::kOpening), 0U);
    EXPECT_EQ(entries(memory, FlowState::kEstablished), 100U);
    EXPECT_EQ(entries(memory, FlowState::kOpening, 1), 1U);
}

TEST(FlowMemory, ARecountForgetsWhatCannotBeAFlow) {
    FlowMemory memory = memory_of(1);
    FlowBucket& bucket = memory.buckets(0)[0];
    bucket.tags = {1, 2, 3, 4};
    bucket.backends = {5, kNoBackend, 0xffff, 5};
    bucket.stamps = {0, 0, 0, 7U << 13U};  // the last in a state that there is not
    memory.recount();
    EXPECT_EQ(memory.per_backend(0).flows[5], 1U);
    EXPECT_EQ(bucket.tags, (std::array<std::uint32_t, 8>{1}));
}

}  // namespace
}  // namespace tandem::tables
