// The main core with ports of DPDK's null driver, and a control that is the test.
#include "dataplane/main_core.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <thread>

#include <gtest/gtest.h>
#include <rte_ethdev.h>

#include "tests/unit/dataplane/dpdk.h"
#include "tests/unit/tables/both_sides.h"
#include "tests/unit/tables/outer_header.h"

namespace tandem {
namespace {

using tables::BackendIndex;
using tables::LiveView;
using tables::PlanContent;

OpenPorts open_ports(std::size_t count, std::uint16_t workers = 1) {
    conf::Config config;
    for (std::size_t i = 0; i < count; ++i) config.ports.push_back(next_null_port());
    Result<OpenPorts> ports = OpenPorts::open(config, workers, 1023);
    CHECK(ports.has_value());
    return std::move(ports.value());
}

/// One start of a dataplane.
struct Dataplane {
    Dataplane(SharedTables tables, std::size_t port_count)
        : shared(std::move(tables)), ports(open_ports(port_count)), core(shared, ports, {}, {}) {}

    LiveView live() {
        LiveView view;
        const std::uint64_t generation = shared.live().header().generations.published;
        EXPECT_TRUE(view.open(shared.live(), generation));
        return view;
    }

    SharedTables shared;
    OpenPorts ports;
    MainCore core;
};

class MainCoreTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string directory = std::filesystem::temp_directory_path() / "tandem-XXXXXX";
        ASSERT_NE(::mkdtemp(directory.data()), nullptr);
        directory_ = directory;
        config_.dataplane.socket = directory_ / "dataplane.sock";
        config_.dataplane.table_memory_bytes = std::uint64_t{6} << 20U;
    }
    void TearDown() override {
        dataplane_.reset();
        std::filesystem::remove_all(directory_);
    }

    /// Starts a dataplane, which gets back whatever the one before it left.
    void start(std::size_t port_count) {
        dataplane_.reset();
        Result<SharedTables> shared = SharedTables::listen(config_);
        ASSERT_TRUE(shared);
        Result<FileDescriptor> socket = tables::connect_to(config_.dataplane.socket);
        ASSERT_TRUE(socket);
        tables::Hello hello;
        std::array<int, tables::kRegionCount> regions{-1, -1, -1};
        if (plan_) {
            hello.region_count = tables::kRegionCount;
            for (std::size_t i = 0; i < regions.size(); ++i) regions[i] = held_.regions[i].get();
        }
        ASSERT_TRUE(tables::send_hello(socket.value().get(), hello, regions));
        ASSERT_TRUE(shared.value().obtain_regions(
            kPatienceMs, {.workers = 1, .flows_per_worker = 1000}, [](tables::LiveFixed&) {}));
        take(socket.value().get());
        dataplane_.emplace(std::move(shared.value()), port_count);
        control_ = std::move(socket.value());
    }

    void publish(PlanContent& content) { ASSERT_TRUE(tables::publish_plan(*publisher_, content)); }

    std::optional<Dataplane> dataplane_;

  private:
    /// What the dataplane answers, as control keeps it.
    void take(int socket) {
        Result<tables::Received> received = tables::receive_hello(socket, kPatienceMs);
        ASSERT_TRUE(received);
        if (plan_) return;
        held_ = std::move(received.value());
        Result<tables::Region> plan =
            tables::Region::map(tables::duplicate(held_.regions[0].get()),
                                tables::RegionKind::kPlan, 0, tables::Access::kReadWrite);
        ASSERT_TRUE(plan);
        plan_ = std::move(plan.value());
        publisher_.emplace(*plan_, std::span<const tables::ReaderCell>{});
    }

    std::filesystem::path directory_;
    conf::Config config_;
    FileDescriptor control_;
    tables::Received held_;
    std::optional<tables::Region> plan_;
    std::optional<tables::Publisher> publisher_;
};

TEST_F(MainCoreTest, WithoutAPlanNothingIsLiveAndThatIsNoError) {
    start(1);
    EXPECT_TRUE(dataplane_->core.prepare());
    EXPECT_EQ(dataplane_->shared.live().header().generations.published, 0U);
}

TEST_F(MainCoreTest, ThePlanThatIsThereIsLiveBeforeAnyWorkerRuns) {
    start(2);
    PlanContent plan = tables::small_plan();
    publish(plan);
    ASSERT_TRUE(dataplane_->core.prepare());
    const LiveView live = dataplane_->live();
    ASSERT_EQ(live.backends().size(), 3U);
    EXPECT_EQ(live.backends()[2].port, 1);
    EXPECT_NE(live.backends()[2].reachable, 0);
    EXPECT_EQ(tables::source_mac(live.backends()[2]), dataplane_->ports.infos()[1].mac);
}

TEST_F(MainCoreTest, WorkersNeverSeeThePortsOfAnEarlierDataplane) {
    start(2);
    PlanContent plan = tables::small_plan();
    publish(plan);
    ASSERT_TRUE(dataplane_->core.prepare());

    start(1);
    const std::uint64_t before = dataplane_->shared.live().header().generations.published;
    ASSERT_EQ(before, 1U) << "the tables of the one before";
    ASSERT_TRUE(dataplane_->core.prepare());
    EXPECT_GT(dataplane_->shared.live().header().generations.published, before);
    const LiveView live = dataplane_->live();
    EXPECT_NE(live.backends()[1].reachable, 0);
    EXPECT_EQ(tables::source_mac(live.backends()[1]), dataplane_->ports.infos()[0].mac);
    EXPECT_EQ(live.backends()[2].reachable, 0) << "by a port that is not there any more";
}

TEST_F(MainCoreTest, APlanThatCannotBeMadeLiveLeavesNoTablesOfAnEarlierDataplane) {
    start(2);
    PlanContent plan = tables::small_plan();
    publish(plan);
    ASSERT_TRUE(dataplane_->core.prepare());
    plan.pools[0].slot_count = 102;  // and has 101
    plan.owners[0].resize(101);
    publish(plan);

    start(1);
    ASSERT_TRUE(dataplane_->core.prepare());
    const LiveView live = dataplane_->live();
    EXPECT_EQ(live.generation(), 2U);
    EXPECT_EQ(live.vips().find(tables::ip("203.0.113.10"), service_of(80, 6)), nullptr);
    EXPECT_TRUE(live.backends().empty());
}

TEST_F(MainCoreTest, FollowsPlansAsLongAsItRuns) {
    start(1);
    ASSERT_TRUE(dataplane_->core.prepare());
    std::atomic<bool> stop = false;
    std::jthread main_core([&] { dataplane_->core.run(stop); });
    PlanContent plan = tables::small_plan();
    const auto& published = dataplane_->shared.live().header().generations.published;
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (std::uint64_t generation = 1; generation <= 3; ++generation) {
        plan.owners[0][5] = static_cast<BackendIndex>(generation % 2);
        publish(plan);
        while (published < generation && std::chrono::steady_clock::now() < limit) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        EXPECT_EQ(published, generation);
    }
    stop = true;
    main_core.join();
    EXPECT_EQ(dataplane_->live().pools()[0].slots[5].owner, 1);
    EXPECT_EQ(dataplane_->shared.fixed().plan_reader.adopted, 0U) << "nobody waits for it";
}

TEST_F(MainCoreTest, DevicesSpreadFlowsByTheKeyThatTheFlowMemoryKeeps) {
    OpenPorts ports = open_ports(1, 2);
    tables::RssKey key{};
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i + 1);
    ports.set_rss_key(key);
    tables::RssKey seen{};
    rte_eth_rss_conf present{};
    present.rss_key = seen.data();
    present.rss_key_len = seen.size();
    ASSERT_EQ(rte_eth_dev_rss_hash_conf_get(ports.ports()[0].dpdk_port, &present), 0);
    EXPECT_TRUE(std::equal(seen.begin(), seen.begin() + 40, key.begin()))
        << "40 bytes, DPDK's null";
    EXPECT_NE(present.rss_hf, 0U);
}

}  // namespace
}  // namespace tandem
