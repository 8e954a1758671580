// The channel over real sockets, to a peer that the test plays: of this release, and of others.
#include "dataplane/peer_link.h"

#include <filesystem>
#include <set>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/unit/dataplane/played_peer.h"
#include "tests/unit/tables/both_sides.h"

namespace tandem {
namespace {

constexpr std::uint32_t kLaterFeature = std::uint32_t{1} << 20U;
constexpr std::uint64_t kLinkedKeyId = 77;
constexpr std::size_t kManyBackends = 3000;

class PeerLinkTest : public testing::Test {
  protected:
    PeerLinkTest() {
        std::string directory = std::filesystem::temp_directory_path() / "tandem-XXXXXX";
        EXPECT_NE(::mkdtemp(directory.data()), nullptr);
        directory_ = directory;
        log_before_ = spdlog::default_logger();
        spdlog::set_default_logger(std::make_shared<spdlog::logger>(
            "", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_)));
        spdlog::set_level(spdlog::level::info);
        tables_.begin(slots_, 900);
        const pair::ToldBackend backend{1, 3, tables::ip("10.0.0.11"), 80};
        tables_.replication().set_plan({{}, backend}, std::vector<tables::HealthState>(2),
                                       kLinkedKeyId);
        handoff_.emplace(routers_, tables_.replication());
        own_.hash_key_id = kLinkedKeyId;
        says_.heartbeat.emplace().hash_key_id = kLinkedKeyId;
        says_.heartbeat->is_caught_up = true;
        open();
    }
    ~PeerLinkTest() override {
        spdlog::set_default_logger(log_before_);
        std::filesystem::remove_all(directory_);
    }
    void open() {
        Result<PeerLink> link = PeerLink::open(peer_.settings(directory_), fixed_->peer);
        ASSERT_TRUE(link) << link.error().message;
        link_.emplace(std::move(link.value()));
    }
    /// As the main core does.
    void step(Instant now) {
        link_->hear(now, tables_);
        link_->converse(now, *handoff_);
        tables_.step(1);
        link_->speak(now, own_, is_fit_, tables_);
    }
    /// Until this instance has heard so many messages more.
    void run(std::uint64_t messages = 50) {
        const std::uint64_t end = fixed_->peer.heard + messages;
        const Instant limit = Instant::clock::now() + std::chrono::seconds(20);
        while (fixed_->peer.heard < end) {
            const Instant now = Instant::clock::now();
            ASSERT_LT(now, limit);
            step(now);
            peer_.hear();
            peer_.say(says_);
        }
    }
    [[nodiscard]] bool is_told() const {
        return std::ranges::any_of(
            peer_.heard, [](const pair::Message& each) { return each.batch.has_value(); });
    }
    [[nodiscard]] bool is_answered(std::uint32_t ask) const {
        return std::ranges::any_of(peer_.heard, [&](const pair::Message& each) {
            return each.answer && each.answer->id == ask;
        });
    }
    [[nodiscard]] std::size_t lines(std::string_view part) const {
        std::size_t count = 0;
        std::istringstream log(log_.str());
        for (std::string line; std::getline(log, line);) count += line.find(part) != line.npos;
        return count;
    }

    std::filesystem::path directory_;
    std::ostringstream log_;
    std::shared_ptr<spdlog::logger> log_before_;
    std::unique_ptr<tables::LiveFixed> fixed_ = std::make_unique<tables::LiveFixed>();
    tables::FlowMemory memory_ =
        std::move(tables::FlowMemory::create(1, 1000, tables::Pages::kNormal).value());
    tables::SlotTables slots_;
    PairedTables tables_{memory_, *fixed_};
    std::vector<tables::PortInfo> ports_{1};
    pair::Routers routers_{fixed_->roles, ports_};
    std::optional<pair::Handoff> handoff_;
    PlayedPeer peer_;
    pair::Heartbeat own_;
    bool is_fit_ = true;
    pair::Message says_;  ///< the peer
    std::optional<PeerLink> link_;
};

TEST_F(PeerLinkTest, APeerOfAnEarlierReleaseIsToldEverything) {
    run();
    EXPECT_TRUE(is_told());
    EXPECT_TRUE(link_->peer().is_caught_up);
    EXPECT_EQ(fixed_->peer.unsuited, 0U);
    ASSERT_FALSE(peer_.heard.empty());
    EXPECT_TRUE(std::ranges::all_of(peer_.heard, [](const pair::Message& each) {
        return !each.heartbeat || each.heartbeat->features == pair::kOurFeatures;
    }));
}

TEST_F(PeerLinkTest, WhoseWorkersStandStillIsSilentAndHears) {
    is_fit_ = false;
    run();
    EXPECT_TRUE(peer_.heard.empty());
    EXPECT_TRUE(fixed_->peer.is_alive);
    is_fit_ = true;
    run();
    EXPECT_FALSE(peer_.heard.empty());
    is_fit_ = false;
    run();  // what it had said before is still under way
    peer_.heard.clear();
    run();
    EXPECT_TRUE(peer_.heard.empty());
}

// At its interval of 1 ms each step is late: poll() alone takes longer.
TEST_F(PeerLinkTest, ALoopThatIsAlwaysLateNoticesADeath) {
    run();
    ASSERT_TRUE(link_->is_peer_alive());
    const Instant last = Instant::clock::now();
    Instant now = last;
    while (link_->is_peer_alive() && now < last + std::chrono::minutes(1)) {
        step(now += std::chrono::microseconds(1100));
    }
    EXPECT_FALSE(link_->is_peer_alive());
    EXPECT_GE(now - last, std::chrono::seconds(10)) << "dead_after";
}

TEST_F(PeerLinkTest, RecordsRepeatNoHeartbeatAndAnswersDo) {
    run();
    says_.ask = pair::Ask{.verb = pair::Ask::Verb::kProbe, .id = 1, .group = 1};
    run();
    std::size_t records = 0;
    std::size_t answers = 0;
    for (const pair::Message& each : peer_.heard) {
        if (!each.batch && !each.answer) continue;
        EXPECT_EQ(each.heartbeat.has_value(), each.answer.has_value());
        ++(each.answer ? answers : records);
    }
    EXPECT_NE(records, 0U);
    EXPECT_NE(answers, 0U);
}

TEST_F(PeerLinkTest, AStepThatHasTakenLongTellsOneBatch) {
    const auto batches = [this] {
        return std::ranges::count_if(
            peer_.heard, [](const pair::Message& each) { return each.batch.has_value(); });
    };
    const auto step_and_hear = [&](Instant now) {
        peer_.heard.clear();
        step(now);
        peer_.hear();
    };
    // More backends than a batch holds, and nothing of it is acknowledged.
    const pair::ToldBackend backend{1, 3, tables::ip("10.0.0.11"), 80};
    tables_.replication().set_plan(std::vector(kManyBackends, backend),
                                   std::vector<tables::HealthState>(kManyBackends), kLinkedKeyId);
    run(1);
    int most = 0;
    for (int i = 0; i < 5; ++i) {
        step_and_hear(Instant::clock::now() - std::chrono::seconds(1));
        most = std::max(most, static_cast<int>(batches()));
    }
    EXPECT_EQ(most, 1);
    for (int i = 0; i < 100 && most < 2; ++i) {
        step_and_hear(Instant::clock::now());
        most = std::max(most, static_cast<int>(batches()));
    }
    EXPECT_GT(most, 1) << "a step that has not";
}

TEST_F(PeerLinkTest, MoreGroupsThanFitAHeartbeatTakeTurns) {
    std::set<std::uint64_t> groups;
    for (std::uint64_t group = 1; group <= 2 * pair::kGroupClaimsMax + 3; ++group) {
        own_.claims.push_back({.group = group, .term = 1, .is_active = true});
        groups.insert(group);
    }
    std::vector<std::uint64_t> said;
    for (int i = 0; i < 100 && said.size() < groups.size(); ++i) {
        peer_.heard.clear();
        run();
        for (const pair::Message& each : peer_.heard) {
            if (!each.heartbeat) continue;
            for (const pair::GroupClaim& claim : each.heartbeat->claims) {
                said.push_back(claim.group);
            }
        }
    }
    ASSERT_GE(said.size(), groups.size());
    EXPECT_EQ(std::set(said.begin(), said.begin() + static_cast<std::ptrdiff_t>(groups.size())),
              groups);
}

TEST_F(PeerLinkTest, AQuestionThatHasWaitedIsNotFollowed) {
    run();
    says_.ask = pair::Ask{.verb = pair::Ask::Verb::kProbe, .id = 1, .group = 1};
    peer_.say(says_);
    const Instant said_at = Instant::clock::now();
    while (Instant::clock::now() - said_at < std::chrono::milliseconds(20)) {
        // This instance is stopped, for many intervals.
    }
    says_.ask->id = 2;
    run();
    EXPECT_FALSE(is_answered(1));
    EXPECT_TRUE(is_answered(2));
}

TEST_F(PeerLinkTest, WhatComesBeforeTheFirstHeartbeatOfALifeIsNotTaken) {
    pair::Message records;
    records.batch = {.epoch = 1, .first = 0, .records = {pair::encode(pair::AllTold{})}};
    const auto say_them = [&] {
        for (int i = 0; i < 1000; ++i) {
            step(Instant::clock::now());
            peer_.hear();
            peer_.say(records);
        }
    };
    say_them();
    EXPECT_EQ(fixed_->peer.heard, 0U);
    EXPECT_FALSE(fixed_->peer.is_alive);
    run(1);
    EXPECT_FALSE(tables_.replication().is_caught_up());
    say_them();
    EXPECT_TRUE(tables_.replication().is_caught_up());
}

TEST_F(PeerLinkTest, WhatALaterReleaseHasBesidesIsIgnored) {
    says_.heartbeat->features = {.has = pair::kOurFeatures.has | kLaterFeature,
                                 .needs = pair::kStreams};
    run();
    EXPECT_TRUE(is_told());
    EXPECT_EQ(fixed_->peer.unsuited, 0U);
    EXPECT_EQ(lines("is refused"), 0U);
}

TEST_F(PeerLinkTest, OneThatNeedsWhatThisReleaseLacksIsRefusedWithAReasonAndKnownToLive) {
    says_.heartbeat->features = {.has = pair::kOurFeatures.has | kLaterFeature,
                                 .needs = kLaterFeature};
    says_.ask = pair::Ask{.verb = pair::Ask::Verb::kProbe, .id = 1, .group = 1};
    says_.acknowledgement = pair::Acknowledgement{.epoch = 1, .next = 1};
    run();
    EXPECT_FALSE(is_told());
    EXPECT_EQ(fixed_->peer.unsuited, fixed_->peer.heard);
    EXPECT_EQ(lines("127.0.0.2 is refused"), 1U);
    EXPECT_EQ(lines("it needs what this instance lacks (feature 20): upgrade this instance"), 1U);
    EXPECT_TRUE(fixed_->peer.is_alive);
    EXPECT_FALSE(link_->peer().is_caught_up);
    EXPECT_FALSE(link_->is_in_step(tables_, Instant::clock::now()));
    for (const pair::Message& each : peer_.heard) EXPECT_EQ(each.answer, std::nullopt);
}

TEST_F(PeerLinkTest, OfOneThatSuitsNoLongerNothingIsTakenAnyMoreAndOneThatSuitsAgainIsToldAnew) {
    run();
    ASSERT_TRUE(tables_.replication().hears_peer());
    says_.heartbeat->features = {.has = kLaterFeature, .needs = kLaterFeature};
    run();  // what it had sent before is still under way
    EXPECT_FALSE(tables_.replication().hears_peer());
    peer_.heard.clear();
    run();
    EXPECT_FALSE(is_told());
    says_.heartbeat->features = pair::kOurFeatures;
    run();
    EXPECT_TRUE(tables_.replication().hears_peer());
    EXPECT_TRUE(is_told());
}

TEST_F(PeerLinkTest, WithoutAStreamOnBothSidesTheRestIsUsed) {
    says_.heartbeat->features = {.has = pair::kHandsOff, .needs = 0};
    says_.ask = pair::Ask{.verb = pair::Ask::Verb::kProbe, .id = 1, .group = 1};
    run();
    EXPECT_FALSE(is_told());
    EXPECT_FALSE(tables_.replication().hears_peer());
    EXPECT_EQ(fixed_->peer.unsuited, 0U);
    EXPECT_TRUE(std::ranges::any_of(
        peer_.heard, [](const pair::Message& each) { return each.answer.has_value(); }));
}

}  // namespace
}  // namespace tandem
