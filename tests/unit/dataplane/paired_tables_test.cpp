#include "dataplane/paired_tables.h"

#include <memory>
#include <spdlog/spdlog.h>

#include <gtest/gtest.h>

#include "tests/unit/tables/both_sides.h"

namespace tandem {
namespace {

using tables::HealthState;

constexpr CoarseTime kPairedSince = 50'000;
constexpr std::uint32_t kPairedWorkers = 2;
constexpr Instant kPairedNoon{std::chrono::hours(12)};

/// Two groups, of which the first has VIPs of both families.
tables::PlanContent paired_plan() {
    tables::PlanContent plan = tables::small_plan();
    for (const char* name : {"east", "west"}) {
        tables::PlanGroup group;
        group.name = tables::Name(name);
        group.router_id = static_cast<std::uint8_t>(51 + plan.groups.size());
        plan.groups.push_back(group);
    }
    plan.head.hash_key_born_ms = 1234;
    return plan;
}

/// All VIPs in the first group, and nobody up behind them.
tables::PlanContent empty_plan() {
    tables::PlanContent plan = paired_plan();
    for (tables::PlanVip& vip : plan.vips) vip.group = 0;
    for (tables::PlanBackend& backend : plan.backends) {
        if (backend.health != HealthState::kUnused) backend.health = HealthState::kDown;
    }
    return plan;
}

tables::Domain paired_domain(const char* name, std::uint8_t router_id, bool is_v4 = true) {
    return tables::group_domain(tables::name_id(tables::Name(name)), router_id, is_v4);
}

class PairedTablesTest : public testing::Test {
  protected:
    PairedTablesTest() {
        spdlog::set_level(spdlog::level::off);
        numbers_.fill(tables::kNoGroup);
        numbers_[0] = 5;
        numbers_[1] = 3;
        paired_.begin(slots_, 900);
        std::vector<tables::SlotTableId> ids;
        for (const char* name : {"east", "west"}) {
            const auto router_id = static_cast<std::uint8_t>(51 + ids.size());
            ids.push_back({tables::name_id(tables::Name("web")), paired_domain(name, router_id)});
        }
        slots_.keep_only(ids);
    }
    void follow(tables::PlanContent content) {
        const std::uint64_t generation = tables::publish_plan(publisher_, content).value();
        publisher_.collect(Instant{});
        const auto plan = tables::PlanView::open(region_, generation);
        ASSERT_TRUE(plan);
        key_id_ = KeyedHash(content.head.hash_key).of_pair(0, 0);
        paired_.follow_plan(*plan, numbers_);
    }
    void peer_appears() {
        replication().peer_appears(true, kPairedSince);
        replication().peer_has_key(key_id_);
    }
    void peer_says(const std::vector<pair::Told>& told) {
        pair::Batch batch{.epoch = 1, .first = said_, .records = {}};
        for (const pair::Told& each : told) batch.records.push_back(encode(each));
        said_ += told.size();
        replication().take(batch, kPairedSince);
    }
    /// What this instance tells.
    std::vector<pair::Told> told() {
        std::vector<pair::Told> all;
        paired_.step(kPairedSince);
        while (const auto batch = replication().next_batch(Instant{std::chrono::hours(1)})) {
            for (const pair::Record& record : batch->records) {
                all.push_back(*pair::decode_record(record));
            }
        }
        return all;
    }
    std::vector<tables::Domain> domains_told() {
        std::vector<tables::Domain> domains;
        for (const pair::Told& each : told()) {
            if (const auto* table = std::get_if<pair::ToldTable>(&each)) {
                domains.push_back(table->id.domain);
            }
        }
        return domains;
    }
    pair::Replication& replication() { return paired_.replication(); }
    [[nodiscard]] tables::PeerViews& views() const { return fixed_->peer_views; }
    [[nodiscard]] HealthState shown(std::size_t backend) const { return views().verdicts[backend]; }
    /// As the peer has it under another number.
    static pair::ToldBackend second_backend(tables::BackendIndex number) {
        return {number, tables::name_id(tables::Name("web")), tables::ip("10.0.0.12"), 0};
    }

    tables::Region region_ =
        tables::new_region(tables::RegionKind::kPlan, 0, 200 * tables::kPageBytes);
    tables::Publisher publisher_{region_, {}};
    tables::FlowMemory memory_ =
        std::move(tables::FlowMemory::create(kPairedWorkers, 1000, tables::Pages::kNormal).value());
    std::unique_ptr<tables::LiveFixed> fixed_ = std::make_unique<tables::LiveFixed>();
    tables::SlotTables slots_;
    PairedTables paired_{memory_, *fixed_};
    pair::Routers::Numbers numbers_{};
    std::uint64_t key_id_ = 0;
    std::uint64_t said_ = 0;
};

TEST_F(PairedTablesTest, WhatAnEarlierProcessHeardOfThePeerIsKnownNoMore) {
    fixed_->peer_views.is_known = true;
    const PairedTables paired(memory_, *fixed_);
    EXPECT_FALSE(views().is_known);
}

TEST_F(PairedTablesTest, EachWorkerHasAJournalOfItsOwnAndAllLookUpThePeersFlows) {
    const pipeline::PairedFlows first = paired_.of_worker(0);
    const pipeline::PairedFlows second = paired_.of_worker(1);
    EXPECT_NE(first.journal, second.journal);
    EXPECT_EQ(first.peers, second.peers);
    ASSERT_NE(first.peers, nullptr);
}

TEST_F(PairedTablesTest, WhatThePlanHasIsToldByItsNumbersAndWithTheVerdictsOfOurChecks) {
    tables::PlanContent plan = paired_plan();
    plan.backends[1].health = HealthState::kDown;
    plan.backends.push_back(plan.backends[1]);
    plan.backends.back().health = HealthState::kUnused;
    plan.backends.push_back(plan.backends[1]);
    plan.backends.back().pool = 99;
    follow(plan);
    peer_appears();
    std::vector<pair::ToldBackend> backends;
    std::vector<pair::ToldVerdict> verdicts;
    for (const pair::Told& each : told()) {
        if (const auto* backend = std::get_if<pair::ToldBackend>(&each)) {
            backends.push_back(*backend);
        } else if (const auto* verdict = std::get_if<pair::ToldVerdict>(&each)) {
            verdicts.push_back(*verdict);
        }
    }
    ASSERT_EQ(backends.size(), 2U) << "unused ones, and those of no pool, are none";
    EXPECT_EQ(backends[1], second_backend(2));
    EXPECT_EQ(verdicts,
              (std::vector<pair::ToldVerdict>{{1, HealthState::kDown}, {2, HealthState::kUp}}));
}

TEST_F(PairedTablesTest, TablesOfGroupsThatAreActiveHereAreToldAndNoOthers) {
    follow(paired_plan());
    fixed_->roles.set_silent(5, true, true);  // east; of IPv6 it is active, and has no VIP
    paired_.follow_roles(kPairedSince);
    peer_appears();
    EXPECT_EQ(domains_told(), std::vector{paired_domain("west", 52)});
    fixed_->roles.set_silent(3, true, true);
    paired_.follow_roles(kPairedSince);
    EXPECT_TRUE(domains_told().empty());
}

TEST_F(PairedTablesTest, ATakeoverIsForWorkersToSeeAtOnce) {
    const tables::SlotTableId east{tables::name_id(tables::Name("web")), paired_domain("east", 51)};
    slots_.update(east, std::vector<tables::BackendIndex>{1, 1}, kPairedSince);
    follow(paired_plan());
    fixed_->roles.set_silent(5, true, true);
    EXPECT_FALSE(paired_.follow_roles(kPairedSince)) << "nothing is followed yet";
    peer_appears();
    peer_says(
        {second_backend(9), pair::ToldTable{east, 2}, pair::ToldSteady{{9, 9}}, pair::AllTold{}});
    EXPECT_TRUE(paired_.step(kPairedSince));
    EXPECT_FALSE(paired_.step(kPairedSince));
    ASSERT_TRUE(slots_.find(east)->peers);
    fixed_->roles.set_silent(5, true, false);
    EXPECT_TRUE(paired_.follow_roles(kPairedSince + 1));
    EXPECT_FALSE(paired_.follow_roles(kPairedSince + 1));
    EXPECT_EQ(slots_.find(east)->memory.slots()[0], (tables::Slot{1, 2}));
}

TEST_F(PairedTablesTest, VerdictsOfThePeerAreShownByOwnNumbersOnceAllOfThemAreKnown) {
    follow(paired_plan());
    peer_appears();
    const std::uint64_t before = views().serial;
    peer_says({second_backend(9), pair::ToldVerdict{9, HealthState::kDown}});
    paired_.step(kPairedSince);
    EXPECT_FALSE(views().is_known);
    peer_says({pair::AllTold{}});
    paired_.step(kPairedSince);
    EXPECT_TRUE(views().is_known);
    EXPECT_GT(views().serial, before);
    EXPECT_EQ(shown(2), HealthState::kDown);
    EXPECT_EQ(shown(1), HealthState::kUnused);
    const std::uint64_t known = views().serial;
    paired_.step(kPairedSince);
    EXPECT_EQ(views().serial, known) << "nothing new";
    peer_says({pair::ToldVerdict{9, HealthState::kUp}});
    paired_.step(kPairedSince);
    EXPECT_GT(views().serial, known);
    EXPECT_EQ(shown(2), HealthState::kUp);
}

TEST_F(PairedTablesTest, OfAPeerThatIsLostNothingIsKnown) {
    follow(paired_plan());
    peer_appears();
    peer_says({second_backend(9), pair::ToldVerdict{9, HealthState::kDown}, pair::AllTold{}});
    paired_.step(kPairedSince);
    const std::uint64_t known = views().serial;
    replication().peer_is_lost(kPairedSince);
    paired_.step(kPairedSince);
    EXPECT_FALSE(views().is_known);
    EXPECT_EQ(shown(2), HealthState::kUnused);
    EXPECT_GT(views().serial, known);
}

TEST_F(PairedTablesTest, AKeyThatThePeerOffersIsShownAsItLiesInMemoryAndOnce) {
    follow(paired_plan());
    pair::OfferedKey offered;
    for (std::size_t i = 0; i < offered.key.bytes.size(); ++i) {
        offered.key.bytes[i] = static_cast<std::uint8_t>(i + 1);
    }
    offered.born_ms = 987;
    paired_.note_key(offered, /*peer_answers=*/false);
    const std::uint64_t before = views().serial;
    paired_.step(kPairedSince);
    EXPECT_GT(views().serial, before) << "though nothing is known of the peer yet";
    EXPECT_FALSE(views().is_known);
    HashKey seen;
    const std::array<std::uint64_t, 2> words{views().hash_key[0], views().hash_key[1]};
    static_assert(sizeof(words) == sizeof(seen.bytes));
    std::memcpy(seen.bytes.data(), words.data(), sizeof(words));
    EXPECT_EQ(seen, offered.key);
    EXPECT_EQ(views().hash_key_born_ms, 987U);

    const std::uint64_t shown = views().serial;
    paired_.note_key(offered, /*peer_answers=*/false);
    paired_.step(kPairedSince);
    EXPECT_EQ(views().serial, shown) << "it is known";
    offered.born_ms = 986;
    paired_.note_key(offered, /*peer_answers=*/false);
    paired_.step(kPairedSince);
    EXPECT_GT(views().serial, shown);
}

TEST_F(PairedTablesTest, TheKeyOfTheOneThatAnswersAloneHolds) {
    follow(paired_plan());
    const pair::OfferedKey offered{.key = {{7}}, .born_ms = 1};
    for (const std::uint8_t group : {std::uint8_t{3}, std::uint8_t{5}}) {
        for (const bool is_v4 : {true, false}) fixed_->roles.set_silent(group, is_v4, true);
    }
    paired_.follow_roles(kPairedSince);
    paired_.note_key(offered, /*peer_answers=*/true);
    EXPECT_EQ(views().hash_key_holds, tables::KeyHolds::kPeers);
    paired_.note_key(offered, /*peer_answers=*/false);
    EXPECT_EQ(views().hash_key_holds, tables::KeyHolds::kOlder);
}

TEST_F(PairedTablesTest, AGroupIsEmptyIfNobodyIsUpHereAndSomebodyIsAtThePeer) {
    tables::PlanContent plan = empty_plan();
    follow(plan);
    peer_appears();
    peer_says({second_backend(9), pair::ToldVerdict{9, HealthState::kUp}});
    EXPECT_TRUE(paired_.empty_groups(kPairedNoon).empty()) << "the peer has not told all yet";
    peer_says({pair::AllTold{}});
    EXPECT_EQ(paired_.empty_groups(kPairedNoon),
              std::vector{tables::name_id(tables::Name("east"))});
    peer_says({pair::ToldVerdict{9, HealthState::kDown}});
    EXPECT_TRUE(paired_.empty_groups(kPairedNoon).empty()) << "nor has the peer anybody";
    peer_says({pair::ToldVerdict{9, HealthState::kUp}});
    plan.backends[1].health = HealthState::kUp;
    follow(plan);
    EXPECT_TRUE(paired_.empty_groups(kPairedNoon).empty()) << "one serves here";
}

TEST_F(PairedTablesTest, AGroupIsEmptyOnlyForLongerThanThePeersChecksMayBeLate) {
    constexpr Duration kApart = std::chrono::milliseconds(500);
    tables::PlanContent plan = empty_plan();
    plan.groups[0].checks_apart_ms = 500;
    follow(plan);
    peer_appears();
    peer_says({second_backend(9), pair::ToldVerdict{9, HealthState::kUp}, pair::AllTold{}});
    EXPECT_TRUE(paired_.perhaps_empty_groups().empty());
    EXPECT_TRUE(paired_.empty_groups(kPairedNoon).empty());
    EXPECT_EQ(paired_.perhaps_empty_groups().size(), 1U) << "at once";
    follow(plan);  // another plan begins nothing anew
    EXPECT_TRUE(paired_.empty_groups(kPairedNoon + kApart - Duration{1}).empty());
    EXPECT_EQ(paired_.empty_groups(kPairedNoon + kApart).size(), 1U);

    peer_says({pair::ToldVerdict{9, HealthState::kDown}});
    EXPECT_TRUE(paired_.empty_groups(kPairedNoon + kApart).empty());
    EXPECT_TRUE(paired_.perhaps_empty_groups().empty());
    peer_says({pair::ToldVerdict{9, HealthState::kUp}});
    EXPECT_TRUE(paired_.empty_groups(kPairedNoon + kApart).empty()) << "since now only";
    EXPECT_EQ(paired_.empty_groups(kPairedNoon + 2 * kApart).size(), 1U);
}

TEST_F(PairedTablesTest, WhatThePeerFindsHoldsWhileItTellsAllAnewAndNotWhenItIsGone) {
    tables::PlanContent plan = empty_plan();
    follow(plan);
    peer_appears();
    peer_says({second_backend(9), pair::ToldVerdict{9, HealthState::kUp}, pair::AllTold{}});
    const auto is_known = [&] {
        paired_.step(kPairedSince);
        return views().is_known.load();
    };
    EXPECT_TRUE(is_known());
    EXPECT_EQ(shown(2), HealthState::kUp);
    const pair::Record first_of_all = encode(second_backend(4));
    replication().take(pair::Batch{.epoch = 2, .first = 0, .records = {first_of_all}},
                       kPairedSince);
    ASSERT_FALSE(replication().is_caught_up());
    EXPECT_TRUE(is_known());
    EXPECT_EQ(shown(2), HealthState::kUp);
    EXPECT_EQ(paired_.empty_groups(kPairedNoon).size(), 1U);
    replication().peer_is_lost(kPairedSince);
    EXPECT_FALSE(is_known());
    EXPECT_TRUE(paired_.empty_groups(kPairedNoon).empty());
    peer_appears();
    EXPECT_FALSE(is_known());
}

TEST_F(PairedTablesTest, OffersThePlansKey) {
    const tables::PlanContent plan = paired_plan();
    follow(plan);
    EXPECT_EQ(paired_.key(), (pair::OfferedKey{plan.head.hash_key, 1234}));
}

// Workers' tables are rounded up, and so are those of the peer.
TEST_F(PairedTablesTest, HasRoomForAllThatWorkersOfAPeerLikeThisOneCanRemember) {
    follow(paired_plan());
    peer_appears();
    const std::size_t most = std::size_t{kPairedWorkers} * memory_.buckets_per_worker() *
                             tables::FlowBucket::kPlaces * 85 / 100;
    ASSERT_GT(most, kPairedWorkers * 1000U);
    for (std::uint64_t i = 1; i <= most; ++i) {
        peer_says({pair::ToldFlow{tables::flow_identity(i * 0x9e3779b97f4a7c15, 7), 9,
                                  tables::FlowState::kEstablished}});
    }
    peer_says({pair::AllTold{}});
    EXPECT_EQ(paired_.peers_flows(), most);
    EXPECT_TRUE(replication().is_caught_up());
}

TEST_F(PairedTablesTest, CountsThePeersFlowsAlsoByBackend) {
    follow(paired_plan());
    peer_appears();
    EXPECT_EQ(paired_.peers_flows_of(2), 0U);
    peer_says({second_backend(9)});
    for (std::uint64_t i = 1; i <= 5; ++i) {
        peer_says({pair::ToldFlow{tables::flow_identity(i << 32U, 7), 9,
                                  tables::FlowState::kEstablished}});
    }
    for (int i = 0; i < 10; ++i) paired_.step(kPairedSince);
    EXPECT_EQ(paired_.peers_flows(), 5U);
    EXPECT_EQ(paired_.peers_flows_of(2), 5U);
    EXPECT_EQ(paired_.peers_flows_of(1), 0U);
    EXPECT_EQ(paired_.peers_flows_of(60'000), 0U);
}

}  // namespace
}  // namespace tandem
