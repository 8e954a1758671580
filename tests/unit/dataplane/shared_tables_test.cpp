// The dataplane's side of the socket; the test is control, or whoever else connects.
#include "dataplane/shared_tables.h"

#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/unit/tables/stamped.h"

namespace tandem {
namespace {

using tables::Hello;
using tables::Received;

constexpr int kPatienceMs = 10'000;
constexpr std::uint64_t kMebibyte = 1 << 20U;
constexpr Instant kDayOne{std::chrono::hours(1)};

class SharedTablesTest : public testing::Test {
  protected:
    void SetUp() override {
        spdlog::set_level(spdlog::level::off);
        std::string directory = std::filesystem::temp_directory_path() / "tandem-XXXXXX";
        ASSERT_NE(::mkdtemp(directory.data()), nullptr);
        directory_ = directory;
        config_.dataplane.socket = directory_ / "dataplane.sock";
        config_.dataplane.table_memory_bytes = 3 * kMebibyte;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    SharedTables listen() {
        Result<SharedTables> shared = SharedTables::listen(config_);
        CHECK(shared.has_value());
        return std::move(shared.value());
    }
    Status obtain(SharedTables& shared, int grace_ms = 0) {
        return shared.obtain_regions(grace_ms, wanted_,
                                     [&](tables::LiveFixed& fixed) { fixed.dataplane_pid = 4711; });
    }
    SharedTables started() {
        SharedTables shared = listen();
        CHECK(obtain(shared).has_value());
        return shared;
    }

    FileDescriptor connect() {
        Result<FileDescriptor> socket = tables::connect_to(config_.dataplane.socket);
        CHECK(socket.has_value());
        return std::move(socket.value());
    }
    /// Says hello, with the regions that control has if it has any.
    static void say_hello(const FileDescriptor& socket, const Received* held = nullptr) {
        Hello hello;
        std::array<int, tables::kRegionCount> regions{-1, -1, -1};
        if (held != nullptr) {
            hello.region_count = tables::kRegionCount;
            for (std::size_t i = 0; i < regions.size(); ++i) regions[i] = held->regions[i].get();
        }
        CHECK(tables::send_hello(socket.get(), hello, regions).has_value());
    }
    static Received answer(const FileDescriptor& socket) {
        Result<Received> received = tables::receive_hello(socket.get(), kPatienceMs);
        CHECK(received.has_value());
        return std::move(received.value());
    }
    static std::string refusal(const FileDescriptor& socket) {
        return answer(socket).hello.refusal.data();
    }
    /// Lets a control connect to a dataplane that runs.
    Received meet(SharedTables& shared) {
        control_ = connect();
        say_hello(control_);
        shared.serve(kDayOne);
        return answer(control_);
    }

    std::filesystem::path directory_;
    conf::Config config_;
    SharedTables::Wanted wanted_{.workers = 1, .flows_per_worker = 1000};
    FileDescriptor control_;
};

std::uint64_t instance_of(const Received& received) {
    Result<tables::Region> region =
        tables::Region::map(tables::duplicate(received.regions[0].get()), tables::RegionKind::kPlan,
                            0, tables::Access::kRead);
    CHECK(region.has_value());
    return region.value().header().instance_id;
}

TEST_F(SharedTablesTest, ControlGetsAllRegionsAndFindsInThemWhoTheDataplaneIs) {
    SharedTables shared = started();
    const Received received = meet(shared);
    EXPECT_TRUE(shared.control_connected());
    Result<tables::Region> live =
        tables::Region::map(tables::duplicate(received.regions[1].get()), tables::RegionKind::kLive,
                            sizeof(tables::LiveFixed), tables::Access::kRead);
    ASSERT_TRUE(live);
    const tables::Region& region = live.value();
    EXPECT_EQ(reinterpret_cast<const tables::LiveFixed*>(region.fixed())->dataplane_pid, 4711);
    EXPECT_TRUE(tables::FlowMemory::map(tables::duplicate(received.regions[2].get()),
                                        tables::Access::kReadWrite));
}

TEST_F(SharedTablesTest, ASuccessorTakesBackTablesAndFlowsButNotCounters) {
    std::optional<SharedTables> first = started();
    const Received held = meet(*first);
    const HashKey key = first->flows().key(0);
    first->fixed().counters[0].received = 5;
    first.reset();

    SharedTables second = listen();
    const FileDescriptor control = connect();
    say_hello(control, &held);
    ASSERT_TRUE(obtain(second, kPatienceMs)) << "and waits no longer than it has to";
    EXPECT_EQ(instance_of(answer(control)), instance_of(held));
    EXPECT_TRUE(second.control_connected());
    EXPECT_EQ(second.flows().key(0), key);
    EXPECT_EQ(second.fixed().counters[0].received, 0U);
    EXPECT_EQ(second.fixed().dataplane_pid, 4711);
}

TEST_F(SharedTablesTest, TablesSmallerThanTheOperatorWantsThemNowAreNotTakenBack) {
    std::optional<SharedTables> first = started();
    const Received held = meet(*first);
    first.reset();

    config_.dataplane.table_memory_bytes = 6 * kMebibyte;
    SharedTables second = listen();
    const FileDescriptor control = connect();
    say_hello(control, &held);
    ASSERT_TRUE(obtain(second, kPatienceMs));
    EXPECT_NE(instance_of(answer(control)), instance_of(held));
    EXPECT_EQ(second.plan().header().size_bytes - second.plan().header().arena_offset,
              2 * kMebibyte);
}

TEST_F(SharedTablesTest, FlowsOfAnotherNumberOfWorkersAreNotTakenBackButTablesAre) {
    std::optional<SharedTables> first = started();
    const Received held = meet(*first);
    first.reset();

    wanted_.workers = 2;
    SharedTables second = listen();
    const FileDescriptor control = connect();
    say_hello(control, &held);
    ASSERT_TRUE(obtain(second, kPatienceMs));
    EXPECT_EQ(instance_of(answer(control)), instance_of(held));
    EXPECT_EQ(second.flows().workers(), 2U);
}

TEST_F(SharedTablesTest, WhatIsNoTablesAtAllIsNotTakenBack) {
    SharedTables shared = listen();
    Received held;
    for (FileDescriptor& region : held.regions) {
        region = FileDescriptor(::open("/dev/null", O_RDWR | O_CLOEXEC));
    }
    const FileDescriptor control = connect();
    say_hello(control, &held);
    ASSERT_TRUE(obtain(shared, kPatienceMs));
    EXPECT_NE(instance_of(answer(control)), 0U);
}

TEST_F(SharedTablesTest, WithoutControlItStartsAfterTheGraceAndIsMetLater) {
    SharedTables shared = listen();
    ASSERT_TRUE(obtain(shared, 1));
    EXPECT_FALSE(shared.control_connected());
    meet(shared);
    EXPECT_TRUE(shared.control_connected());
}

TEST_F(SharedTablesTest, WhoConnectsAndSaysNothingIsNotWaitedForAndTurnedAwayInTime) {
    SharedTables shared = started();
    const FileDescriptor silent = connect();
    const FileDescriptor control = connect();
    say_hello(control);
    shared.serve(kDayOne);
    shared.serve(kDayOne + SharedTables::kHelloLimit - Duration(1));
    EXPECT_FALSE(shared.control_connected()) << "one after the other";
    EXPECT_FALSE(tables::is_closed(silent.get()));
    shared.serve(kDayOne + SharedTables::kHelloLimit);
    EXPECT_NE(refusal(silent), "");
    EXPECT_TRUE(tables::is_closed(silent.get()));
    shared.serve(kDayOne + SharedTables::kHelloLimit);
    EXPECT_TRUE(shared.control_connected());
}

TEST_F(SharedTablesTest, WhoIsTurnedAwayAgainAndAgainIsLoggedOnce) {
    const auto log_before = spdlog::default_logger();
    std::ostringstream log;
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "", std::make_shared<spdlog::sinks::ostream_sink_mt>(log)));
    SharedTables shared = started();
    Hello other_release;
    ++other_release.layout_version;
    for (int i = 0; i < 3; ++i) {
        const FileDescriptor control = connect();
        ASSERT_TRUE(tables::send_hello(control.get(), other_release, {}));
        shared.serve(kDayOne);
        EXPECT_NE(refusal(control).find("layout version"), std::string::npos);
    }
    other_release.layout_version += 5;
    const FileDescriptor control = connect();
    ASSERT_TRUE(tables::send_hello(control.get(), other_release, {}));
    shared.serve(kDayOne);
    spdlog::set_default_logger(log_before);
    const std::string text = log.str();
    std::size_t lines = 0;
    for (std::size_t at = 0; (at = text.find("turned away", at)) != std::string::npos; ++at) {
        ++lines;
    }
    EXPECT_EQ(lines, 2U) << text;
}

TEST_F(SharedTablesTest, WhoConnectsAndSpeaksLaterIsWelcome) {
    SharedTables shared = started();
    const FileDescriptor control = connect();
    shared.serve(kDayOne);
    EXPECT_FALSE(shared.control_connected());
    say_hello(control);
    shared.serve(kDayOne + SharedTables::kHelloLimit);
    EXPECT_TRUE(shared.control_connected());
}

TEST_F(SharedTablesTest, WhoConnectsAndLeavesLeavesNothing) {
    SharedTables shared = started();
    connect().reset();
    shared.serve(kDayOne);
    shared.serve(kDayOne);
    meet(shared);
    EXPECT_TRUE(shared.control_connected());
}

TEST_F(SharedTablesTest, ASecondControlIsToldWhoTheFirstIs) {
    SharedTables shared = started();
    meet(shared);
    const FileDescriptor second = connect();
    say_hello(second);
    shared.serve(kDayOne);
    EXPECT_NE(refusal(second).find("(process " + std::to_string(::getpid()) + ")"),
              std::string::npos);
}

TEST_F(SharedTablesTest, TheEndOfControlIsNoticedAndTheNextOneIsMet) {
    SharedTables shared = started();
    const std::uint64_t before = instance_of(meet(shared));
    control_.reset();
    shared.serve(kDayOne);
    EXPECT_FALSE(shared.control_connected());
    EXPECT_EQ(instance_of(meet(shared)), before);
}

TEST_F(SharedTablesTest, NothingWakesTheMainCoreForEver) {
    SharedTables shared = started();
    meet(shared);
    say_hello(control_);  // once more, which nobody reads
    const FileDescriptor silent = connect();
    shared.serve(kDayOne);
    auto wake = shared.descriptors();
    EXPECT_EQ(::poll(wake.data(), wake.size(), 0), 0);
    control_.reset();
    wake = shared.descriptors();
    EXPECT_EQ(::poll(wake.data(), wake.size(), 0), 1);
}

TEST_F(SharedTablesTest, DefaultMemoryHoldsThePoolsOfTheConfigurationThreeTimesOver) {
    config_.dataplane.table_memory_bytes = 0;
    SharedTables small = started();
    config_.dataplane.socket += "2";
    config_.pools.resize(20);  // each of a size that control chooses
    SharedTables large = started();
    const std::size_t more = large.live().header().size_bytes - small.live().header().size_bytes;
    EXPECT_GE(more, 3U * 20 * 65'500 * (sizeof(tables::Slot) + sizeof(CoarseTime)));
}

TEST_F(SharedTablesTest, TheSocketGoesWithTheDataplane) {
    std::optional<SharedTables> shared = started();
    EXPECT_TRUE(std::filesystem::exists(config_.dataplane.socket));
    shared.reset();
    EXPECT_FALSE(std::filesystem::exists(config_.dataplane.socket));
}

}  // namespace
}  // namespace tandem
