// The main core with ports of DPDK's null driver, and a control and a peer that are the test.
#include "dataplane/main_core.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <thread>

#include <gtest/gtest.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/pair/advert.h"
#include "tests/unit/dataplane/dpdk.h"
#include "tests/unit/dataplane/played_peer.h"
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
    Dataplane(SharedTables tables, std::size_t port_count, const std::optional<conf::Pair>& pair)
        : shared(std::move(tables)),
          ports(open_ports(port_count)),
          core(shared, ports, {}, peer_of(pair)) {}

    std::optional<MainCore::Peer> peer_of(const std::optional<conf::Pair>& pair) {
        if (!pair) return {};
        Result<PeerLink> link = PeerLink::open(*pair, shared.fixed().peer);
        CHECK(link.has_value());
        paired.emplace(shared.flows(), shared.fixed());
        return MainCore::Peer{std::move(link.value()), *paired,
                              pair::PreemptionGate(pair->sync_timeout), pair::HoldDown({})};
    }

    LiveView live() {
        LiveView view;
        const std::uint64_t generation = shared.live().header().generations.published;
        EXPECT_TRUE(view.open(shared.live(), generation));
        return view;
    }

    SharedTables shared;
    OpenPorts ports;
    std::optional<PairedTables> paired;
    MainCore core;
};

/// What the router sends that is active.
void hear_advert(OpenPorts& ports, const pair::Advert& advert) {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(ports.memory());
    if (mbuf == nullptr) return;  // the main core has all of them still to read
    const std::vector<std::uint8_t> packet =
        pair::make_advert(advert, pair::AdvertChecksum::kWithPseudoHeader);
    const auto length = static_cast<std::uint16_t>(ethernet::kHeaderBytes + packet.size());
    std::ranges::copy(packet, reinterpret_cast<std::uint8_t*>(rte_pktmbuf_append(mbuf, length)) +
                                  ethernet::kHeaderBytes);
    if (rte_ring_enqueue(ports.ports()[0].to_pair, mbuf) != 0) rte_pktmbuf_free(mbuf);
}

/// Takes what is said by this ring. How many advertisements there were.
std::uint32_t take_adverts(rte_ring* said) {
    std::uint32_t count = 0;
    pipeline::PairFrame frame{};
    while (rte_ring_dequeue_elem(said, &frame, sizeof(frame)) == 0) {
        const std::span<const std::uint8_t> bytes{rte_pktmbuf_mtod(frame.mbuf, const std::uint8_t*),
                                                  rte_pktmbuf_data_len(frame.mbuf)};
        const auto read = pair::read_advert(bytes.subspan(ethernet::kHeaderBytes));
        if (std::holds_alternative<pair::Advert>(read)) ++count;
        rte_pktmbuf_free(frame.mbuf);
    }
    return count;
}

/// Whose VIP is of a group, 51, that this instance is to be active for.
PlanContent plan_of_group(std::chrono::milliseconds interval) {
    PlanContent plan = tables::small_plan();
    tables::PlanGroup& group = plan.groups.emplace_back();
    group.name = tables::Name("web");
    group.router_id = 51;
    group.priority = 200;
    group.interval_ms = static_cast<std::uint32_t>(interval.count());
    group.source_v4 = tables::ip("192.0.2.20");
    plan.vips[0].group = 0;
    return plan;
}

/// So many pools that were not there before, each with a VIP of group 0.
void renew_pools(PlanContent& plan, std::size_t count, std::uint32_t slot_count) {
    static int round = 0;
    ++round;
    const tables::PlanVip vip = plan.vips[0];
    const tables::PlanPool record = plan.pools[0];
    plan.vips.clear();
    plan.pools.clear();
    for (std::size_t i = 0; i < count; ++i) {
        plan.vips.push_back(vip);
        plan.vips[i].port_first = plan.vips[i].port_last = static_cast<std::uint16_t>(1000 + i);
        plan.vips[i].pool = static_cast<std::uint16_t>(i);
        plan.pools.push_back(record);
        plan.pools[i].name = tables::Name(fmt::format("pool{}-{}", round, i));
        plan.pools[i].slot_count = slot_count;
    }
    plan.owners.assign(count, std::vector<BackendIndex>(slot_count, 1));
}

class MainCoreTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string directory = std::filesystem::temp_directory_path() / "tandem-XXXXXX";
        ASSERT_NE(::mkdtemp(directory.data()), nullptr);
        directory_ = directory;
        config_.dataplane.socket = directory_ / "dataplane.sock";
        config_.dataplane.table_memory_bytes = std::uint64_t{96} << 20U;
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
        dataplane_.emplace(std::move(shared.value()), port_count, pair_);
        control_ = std::move(socket.value());
    }

    void publish(PlanContent& content) {
        publisher_->collect(std::chrono::steady_clock::now());
        ASSERT_TRUE(tables::publish_plan(*publisher_, content));
    }

    std::filesystem::path directory_;
    std::optional<conf::Pair> pair_;
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

// Of a lower active one: without having asked it, this instance would be active three of its
// intervals after the first moment in step.
TEST_F(MainCoreTest, WhoHasBeenAskedForAGroupIsNotReplacedBeforeItHasAnswered) {
    constexpr auto kInterval = std::chrono::milliseconds(200);
    constexpr std::uint32_t kAsks = 1000;  // one a millisecond at most
    PlayedPeer peer;
    pair_ = peer.settings(directory_);
    start(1);
    PlanContent plan = plan_of_group(kInterval);
    publish(plan);
    ASSERT_TRUE(dataplane_->core.prepare());
    const pair::Advert advert{.router_id = 51,
                              .priority = 100,
                              .interval = kInterval,
                              .source = tables::ip("192.0.2.21"),
                              .destination = pair::kVrrpGroupV4,
                              .addresses = {plan.vips[0].address}};
    pair::Message says;
    says.heartbeat.emplace().has_told_all = true;
    says.batch = {.epoch = 1, .first = 0, .records = {pair::encode(pair::AllTold{})}};

    std::atomic<bool> stop = false;
    std::jthread main_core([&] { dataplane_->core.run(stop); });
    const tables::LiveFixed& shown = dataplane_->shared.fixed();
    std::uint32_t asked = 0;
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (asked < kAsks && shown.roles.is_silent(0, true) &&
           std::chrono::steady_clock::now() < limit) {
        hear_advert(dataplane_->ports, advert);
        peer.say(says);
        peer.hear();
        for (const pair::Message& heard : peer.heard) {
            if (heard.heartbeat) says.heartbeat->hash_key_id = heard.heartbeat->hash_key_id;
            if (heard.ask) asked = heard.ask->id;
        }
        peer.heard.clear();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(shown.roles.is_silent(0, true));
    EXPECT_GE(asked, kAsks);
    stop = true;
}

// Who says nothing for three intervals is taken for dead. Where this thread is not run for so long,
// and there is a pause indeed, the next plan shows it.
TEST_F(MainCoreTest, WhoIsActiveSaysSoWhileItMergesManyTables) {
    constexpr auto kInterval = std::chrono::milliseconds(10);
    constexpr std::size_t kPoolsMax = 600;
    constexpr std::uint32_t kSlots = 4099;
    start(1);
    PlanContent plan = plan_of_group(kInterval);
    publish(plan);
    ASSERT_TRUE(dataplane_->core.prepare());

    tables::LiveFixed& fixed = dataplane_->shared.fixed();
    rte_ring* said = dataplane_->ports.ports()[0].from_pair;
    const Instant limit = Instant::clock::now() + std::chrono::seconds(60);
    const auto has_time = [&] { return Instant::clock::now() < limit; };
    const auto step = [&] {
        ++fixed.counters[0].loops;  // the worker runs
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        dataplane_->core.step_routers(Instant::clock::now());
    };
    bool speaks = false;
    for (std::size_t pools = 100; !speaks && has_time();) {
        while (fixed.roles.is_silent(0, true) && has_time()) step();
        step();
        renew_pools(plan, pools, kSlots);
        publish(plan);
        step();
        take_adverts(said);
        const Instant begin = Instant::clock::now();
        ASSERT_TRUE(dataplane_->core.prepare());  // merges, and nothing else
        const bool takes_long = Instant::clock::now() - begin > 5 * kInterval;
        if (!takes_long) pools = std::min(pools + 100, kPoolsMax);
        speaks = takes_long && take_adverts(said) >= 3;
    }
    EXPECT_TRUE(speaks);
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
