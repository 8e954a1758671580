#include "dataplane/pair/handoff.h"

#include <gtest/gtest.h>

#include "tests/unit/pair/two_with_groups.h"

namespace tandem::pair {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Outcome = Answer::Outcome;

const std::uint64_t kGroupZero = GroupSide::group_id(0);

class HandoffTest : public testing::Test {
  protected:
    HandoffTest() { EXPECT_TRUE(is_here()) << "to begin with"; }

    [[nodiscard]] bool is_here() const { return here_.answers() && !there_.answers(); }
    [[nodiscard]] bool is_there() const { return !here_.answers() && there_.answers(); }
    std::optional<Handoff::Result> done(GroupSide& at, Duration most = seconds(20)) {
        return two_.run_until_done(at, most);
    }
    void expect_failure(const char* why) {
        const auto result = done(here_);
        ASSERT_TRUE(result);
        EXPECT_FALSE(result->is_done);
        EXPECT_NE(result->said.find(why), std::string::npos) << result->said;
        EXPECT_FALSE(here_.handoff.is_under_way());
    }
    /// That it would have yielded is forgotten: nobody takes it who is lower.
    void expect_that_it_stays_here() {
        two_.frames_arrive = two_.asks_arrive = true;
        two_.run(seconds(2));
        EXPECT_TRUE(is_here());
        EXPECT_FALSE(here_.handoff.is_under_way());
        EXPECT_EQ(two_.longest_silence, Duration{});
    }

    TwoWithGroups two_;
    GroupSide& here_ = two_.here;
    GroupSide& there_ = two_.there;
};

TEST_F(HandoffTest, AGroupMovesAwayWithoutAMomentOfSilenceAndStaysThere) {
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kAway), std::nullopt);
    EXPECT_TRUE(here_.handoff.is_under_way());
    const auto result = done(here_, seconds(1));
    ASSERT_TRUE(result);
    EXPECT_TRUE(result->is_done);
    EXPECT_EQ(result->gap, std::nullopt);
    EXPECT_TRUE(is_there());
    two_.run(seconds(10));
    EXPECT_TRUE(is_there()) << "its higher priority does not take it back";
    EXPECT_EQ(two_.longest_silence, Duration{});
}

TEST_F(HandoffTest, ItIsTakenBackTheSameWay) {
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kAway), std::nullopt);
    ASSERT_TRUE(done(here_));
    two_.run(seconds(1));
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kBack), std::nullopt);
    const auto result = done(here_, seconds(1));
    ASSERT_TRUE(result && result->is_done);
    two_.run(seconds(10));
    EXPECT_TRUE(is_here());
    EXPECT_FALSE(there_.handoff.is_under_way());
    EXPECT_TRUE(there_.results.empty()) << "it was not its own doing";
    EXPECT_EQ(two_.longest_silence, Duration{});
}

TEST_F(HandoffTest, WhoHasItIsReplacedWhenItDiesThoughItWasHandedOffToIt) {
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kAway), std::nullopt);
    ASSERT_TRUE(done(here_));
    there_.routers.set_workers_run(false, two_.now);
    two_.run(milliseconds(50));
    EXPECT_TRUE(is_here());
}

TEST_F(HandoffTest, BeforeItGoesThePeerKnowsEveryFlowAlsoThoseThatAreOpening) {
    ASSERT_TRUE(here_.side.remember(1, 2, two_.coarse()));
    ASSERT_TRUE(here_.side.remember(2, 3, two_.coarse(), tables::FlowState::kOpening));
    two_.run(milliseconds(20));
    EXPECT_EQ(there_.side.peers_flow(2), std::nullopt);
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kAway), std::nullopt);
    while (!there_.answers() && two_.now < Instant{std::chrono::hours(2)}) two_.tick();
    EXPECT_EQ(there_.side.peers_flow(1), 2U);
    EXPECT_EQ(there_.side.peers_flow(2), 3U);
    EXPECT_EQ(there_.side.steady(), (std::vector<unsigned>{1, 2, 3, 1}));
    two_.run(seconds(1));
    EXPECT_EQ(here_.side.peers_flow(1), 2U) << "and this one follows it at once";
}

// What opens then, opens where the peer would look for it.
TEST_F(HandoffTest, FromBeforeItIsToldUntilNoFrameIsLateAGroupIsKnownToMove) {
    EXPECT_TRUE(here_.roles.is_moving(0, true)) << "it has begun to be active";
    two_.run(milliseconds(200));
    EXPECT_FALSE(here_.roles.is_moving(0, true));
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kAway), std::nullopt);
    while (!there_.answers() && two_.now < Instant{std::chrono::hours(2)}) {
        EXPECT_TRUE(here_.roles.is_moving(0, true));
        two_.tick();
    }
    EXPECT_TRUE(there_.roles.is_moving(0, true));
    two_.run(milliseconds(190));
    EXPECT_TRUE(here_.roles.is_moving(0, true));
    EXPECT_TRUE(there_.roles.is_moving(0, true));
    EXPECT_FALSE(here_.handoff.is_under_way());
    two_.run(milliseconds(20));
    EXPECT_FALSE(here_.roles.is_moving(0, true));
    EXPECT_FALSE(there_.roles.is_moving(0, true));
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kBack), std::nullopt);
    two_.run(milliseconds(3));
    EXPECT_TRUE(there_.roles.is_moving(0, true));
    EXPECT_FALSE(here_.roles.is_moving(0, true));
}

TEST_F(HandoffTest, WhatCannotBeHandedOffMovesNoLonger) {
    two_.asks_arrive = false;
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kAway), std::nullopt);
    EXPECT_TRUE(here_.roles.is_moving(0, true));
    expect_failure("the peer does not take over");
    EXPECT_FALSE(here_.roles.is_moving(0, true));
}

TEST_F(HandoffTest, ThePeerMayAskForIt) {
    TwoWithGroups equals(1, 100);  // or it would come back by its priority
    ASSERT_EQ(equals.begin(equals.there, Handoff::Kind::kBack), std::nullopt);
    const auto result = equals.run_until_done(equals.there, seconds(1));
    ASSERT_TRUE(result && result->is_done);
    equals.run(seconds(5));
    EXPECT_TRUE(equals.there.answers());
    EXPECT_FALSE(equals.here.answers());
    EXPECT_TRUE(equals.here.results.empty());
    EXPECT_FALSE(equals.here.handoff.is_under_way());
    EXPECT_EQ(equals.longest_silence, Duration{});
}

TEST_F(HandoffTest, SaysAtOnceWhatCannotBe) {
    const auto begin = [&](GroupSide& at, Handoff::Kind kind) { return two_.begin(at, kind); };
    EXPECT_TRUE(here_.handoff.begin(Handoff::Kind::kAway, 4711, two_.peer_of(here_), two_.now));
    EXPECT_TRUE(begin(there_, Handoff::Kind::kAway)) << "it is not there";
    EXPECT_TRUE(begin(there_, Handoff::Kind::kDrill));
    EXPECT_TRUE(begin(here_, Handoff::Kind::kBack)) << "it is here already";
    two_.peers_are_heard = false;
    EXPECT_TRUE(begin(here_, Handoff::Kind::kAway));
    EXPECT_TRUE(begin(there_, Handoff::Kind::kBack));
    EXPECT_FALSE(here_.handoff.is_under_way());
    two_.peers_are_heard = true;
    EXPECT_EQ(begin(here_, Handoff::Kind::kAway), std::nullopt);
    EXPECT_TRUE(begin(here_, Handoff::Kind::kAway)) << "one at a time";
}

TEST_F(HandoffTest, WhatThePeerClaimsTooIsNotHandedOff) {
    const auto hear = [&](bool is_active) {
        here_.routers.hear_claims(std::vector{GroupClaim{kGroupZero, 0, is_active}}, two_.now);
    };
    for (const Handoff::Kind kind :
         {Handoff::Kind::kAway, Handoff::Kind::kDrill, Handoff::Kind::kHardDrill}) {
        hear(true);
        EXPECT_TRUE(two_.begin(here_, kind));
        hear(false);
        ASSERT_EQ(two_.begin(here_, kind), std::nullopt);
        hear(true);
        expect_failure("the peer is active for the group, too");
    }
}

TEST_F(HandoffTest, ThatItIsHereAlreadyMeansThatItStays) {
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kAway), std::nullopt);
    ASSERT_TRUE(done(here_));
    there_.routers.set_workers_run(false, two_.now);
    two_.run(milliseconds(100));
    EXPECT_TRUE(two_.begin(here_, Handoff::Kind::kBack));
    there_.routers.set_workers_run(true, two_.now);
    two_.run(seconds(1));
    EXPECT_TRUE(is_here()) << "it yields no longer";
}

TEST_F(HandoffTest, APeerThatIsNotInStepGetsNothing) {
    there_.side.replication.peer_has_key(kSharedKey + 1);  // and takes no records
    two_.run(milliseconds(10));
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kAway), std::nullopt);
    expect_failure("not in step");
    EXPECT_TRUE(is_here());
    expect_that_it_stays_here();
}

TEST_F(HandoffTest, APeerThatRefusesBecauseItIsNotInStepLeavesItWhereItIs) {
    two_.asks_arrive = false;
    there_.routers.allow_preemption(false);  // as of who is not in step
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kAway), std::nullopt);
    two_.run(milliseconds(100));
    there_.side.replication.peer_is_lost(two_.coarse());
    two_.asks_arrive = true;
    expect_failure("refuses");
    there_.side.replication.peer_appears(false, two_.coarse());
    there_.side.replication.peer_has_key(kSharedKey);
    expect_that_it_stays_here();
}

TEST_F(HandoffTest, APeerThatCannotForwardLeavesItWhereItIs) {
    there_.routers.set_workers_run(false, two_.now);
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kAway), std::nullopt);
    expect_failure("refuses");
    expect_that_it_stays_here();
}

TEST_F(HandoffTest, APeerThatDoesNotAnswerLeavesItWhereItIs) {
    two_.asks_arrive = false;
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kAway), std::nullopt);
    const Instant begun = two_.now;
    expect_failure("does not take over");
    EXPECT_LT(two_.now - begun, seconds(2));
    expect_that_it_stays_here();
}

TEST_F(HandoffTest, APeerThatDiesWhileItIsToldLeavesItWhereItIs) {
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kAway), std::nullopt);
    two_.peers_are_heard = false;
    expect_failure("not heard");
    two_.peers_are_heard = true;
    expect_that_it_stays_here();
}

TEST_F(HandoffTest, WhatIsLostWhileThePeerIsToldIsNotHandedOff) {
    two_.asks_arrive = false;
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kHardDrill), std::nullopt);
    two_.tick();
    here_.routers.set_workers_run(false, two_.now);
    expect_failure("not active here any more");
}

TEST_F(HandoffTest, WhoAsksForItBackWithoutBeingInStepWaitsInVain) {
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kAway), std::nullopt);
    ASSERT_TRUE(done(here_));
    two_.run(seconds(1));
    here_.side.replication.peer_has_key(kSharedKey + 1);
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kBack), std::nullopt);
    // By its priority it would take it all the same: as one that returns it may not.
    here_.routers.allow_preemption(false);
    expect_failure("not in step");
    EXPECT_TRUE(is_there());
}

TEST_F(HandoffTest, ADrillComesBackAndNobodyWasMissed) {
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kDrill), std::nullopt);
    two_.run(milliseconds(150));
    EXPECT_TRUE(is_there());
    const auto result = done(here_, seconds(2));
    ASSERT_TRUE(result && result->is_done);
    EXPECT_EQ(result->gap, Duration{});
    EXPECT_EQ(two_.longest_silence, Duration{});
    two_.run(seconds(2));
    EXPECT_TRUE(is_here());
}

TEST_F(HandoffTest, ADrillInWhichSomebodyWasMissedSaysForHowLong) {
    two_.asks_arrive = false;
    there_.routers.set_workers_run(false, two_.now);
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kDrill), std::nullopt);
    two_.run(milliseconds(50));
    ASSERT_TRUE(is_here()) << "the peer is told, and does not take over";
    here_.routers.set_workers_run(false, two_.now);
    two_.run(milliseconds(30));
    there_.routers.set_workers_run(true, two_.now);
    while (!is_there() && two_.now < Instant{std::chrono::hours(2)}) two_.tick();
    here_.routers.set_workers_run(true, two_.now);
    two_.asks_arrive = true;
    const auto result = done(here_, seconds(5));
    ASSERT_TRUE(result && result->is_done) << result->said;
    EXPECT_GE(two_.longest_silence, milliseconds(30));
    ASSERT_TRUE(result->gap);
    EXPECT_GE(*result->gap, two_.longest_silence);
    EXPECT_LE(*result->gap, two_.longest_silence + milliseconds(3));
}

TEST_F(HandoffTest, ADrillSaysAlsoForHowLongNobodyAnsweredOnTheWayBack) {
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kDrill), std::nullopt);
    here_.routers.allow_preemption(false);
    two_.run(milliseconds(150));
    ASSERT_TRUE(is_there());
    two_.asks_arrive = false;
    two_.run(milliseconds(300));
    const auto ask = here_.handoff.next_ask(two_.now + milliseconds(1));
    ASSERT_TRUE(ask);
    here_.handoff.on_answer({ask->id, Outcome::kNotActive});
    two_.run(milliseconds(30));
    here_.routers.allow_preemption(true);
    const auto result = done(here_, seconds(5));
    ASSERT_TRUE(result && result->is_done) << result->said;
    ASSERT_TRUE(result->gap);
    EXPECT_GE(*result->gap, milliseconds(29));
    EXPECT_LE(*result->gap, milliseconds(70)) << "then it takes over as if nobody had it";
}

// RFC 9568 section 6.1: three intervals and the skew of priority 100.
TEST_F(HandoffTest, AHardDrillMeasuresHowLongNobodyWouldHaveAnswered) {
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kHardDrill), std::nullopt);
    const auto result = done(here_);
    ASSERT_TRUE(result && result->is_done) << result->said;
    ASSERT_TRUE(result->gap);
    EXPECT_GE(*result->gap, milliseconds(26)) << "the last advertisement was up to one old";
    EXPECT_LE(*result->gap, milliseconds(38));
    two_.run(seconds(2));
    EXPECT_TRUE(is_here());
}

TEST_F(HandoffTest, AHardDrillEndsWhenWhoHasTakenOverIsHeardNoMore) {
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kHardDrill), std::nullopt);
    two_.run(milliseconds(20));
    two_.peers_are_heard = two_.asks_arrive = false;
    const Instant begun = two_.now;
    expect_failure("not heard");
    EXPECT_LT(two_.now - begun, seconds(1));
    EXPECT_TRUE(is_there());
}

TEST_F(HandoffTest, AHardDrillEndsWhenTheGroupIsBackBeforeThatWasKnown) {
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kHardDrill), std::nullopt);
    two_.run(milliseconds(20));
    two_.asks_arrive = false;
    while (!is_there() && two_.now < Instant{std::chrono::hours(2)}) two_.tick();
    there_.routers.set_workers_run(false, two_.now);
    const Instant begun = two_.now;
    expect_failure("let go");
    EXPECT_LT(two_.now - begun, seconds(1));
    EXPECT_TRUE(here_.answers());
}

TEST_F(HandoffTest, TwoThatDrillTheSameGroupHearEachOtherAgain) {
    two_.frames_arrive = false;
    two_.run(milliseconds(100));
    ASSERT_TRUE(here_.answers() && there_.answers());
    for (GroupSide* each : {&here_, &there_}) {
        ASSERT_EQ(two_.begin(*each, Handoff::Kind::kHardDrill), std::nullopt);
    }
    two_.asks_arrive = false;
    two_.run(milliseconds(50));
    two_.frames_arrive = true;
    two_.run(milliseconds(200));
    ASSERT_TRUE(here_.answers() && there_.answers()) << "both are silent";
    two_.asks_arrive = true;
    expect_failure("the same group");
    two_.run(seconds(1));
    EXPECT_TRUE(is_here());
    EXPECT_FALSE(there_.handoff.is_under_way());
}

TEST_F(HandoffTest, EachGetsTheGroupThatTheOtherHasAtOnce) {
    TwoWithGroups equals(2, 100);  // or they would come back by their priority
    const auto move = [&](GroupSide& at, Handoff::Kind kind, std::size_t group) {
        ASSERT_EQ(equals.begin(at, kind, group), std::nullopt);
    };
    move(equals.here, Handoff::Kind::kAway, 1);
    ASSERT_TRUE(equals.run_until_done(equals.here, seconds(1)));
    equals.run(seconds(1));
    ASSERT_TRUE(equals.here.answers(0) && equals.there.answers(1));
    equals.here.results.clear();
    move(equals.here, Handoff::Kind::kBack, 1);
    move(equals.there, Handoff::Kind::kBack, 0);
    equals.run(seconds(1));
    EXPECT_TRUE(equals.there.answers(0) && !equals.here.answers(0));
    EXPECT_TRUE(equals.here.answers(1) && !equals.there.answers(1));
    for (GroupSide* each : {&equals.here, &equals.there}) {
        EXPECT_FALSE(each->handoff.is_under_way());
        EXPECT_FALSE(each->handoff.awaits_group());
        ASSERT_EQ(each->results.size(), 1U);
        EXPECT_TRUE(each->results[0].is_done) << each->results[0].said;
    }
}

TEST_F(HandoffTest, ADrillThatCannotComeBackSaysSoAndItsGap) {
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kHardDrill), std::nullopt);
    here_.routers.allow_preemption(false);
    while (!is_there() && two_.now < Instant{std::chrono::hours(2)}) two_.tick();
    two_.run(milliseconds(50));
    two_.asks_arrive = false;
    const auto result = done(here_);
    ASSERT_TRUE(result);
    EXPECT_FALSE(result->is_done);
    EXPECT_GT(result->gap, Duration{});
}

TEST_F(HandoffTest, AHardDrillThatNobodyAnswersEndsAndIsForgotten) {
    two_.frames_arrive = false;
    two_.asks_arrive = false;
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kHardDrill), std::nullopt);
    const auto result = done(here_, seconds(200));
    ASSERT_TRUE(result);
    EXPECT_FALSE(result->is_done);
    two_.frames_arrive = two_.asks_arrive = true;
    two_.run(seconds(1));
    EXPECT_TRUE(is_here()) << "it speaks again, with its own priority";
}

TEST_F(HandoffTest, WhoIsAskedAnswersWhatItIs) {
    const auto ask = [&](GroupSide& at, Ask::Verb verb, std::uint64_t group = kGroupZero) {
        return at.handoff.on_ask({verb, 5, group}, two_.peer_of(at), two_.now);
    };
    EXPECT_EQ(ask(here_, Ask::Verb::kProbe), (Answer{5, Outcome::kActive}));
    EXPECT_EQ(ask(there_, Ask::Verb::kProbe), (Answer{5, Outcome::kNotActive}));
    EXPECT_EQ(ask(here_, Ask::Verb::kTake), (Answer{5, Outcome::kActive}));
    EXPECT_EQ(ask(there_, Ask::Verb::kGiveBack), (Answer{5, Outcome::kNotActive}));
    EXPECT_EQ(ask(here_, Ask::Verb::kProbe, 4711), (Answer{5, Outcome::kUnfit}));
    EXPECT_EQ(ask(here_, static_cast<Ask::Verb>(99)), (Answer{5, Outcome::kActive}));
    two_.run(milliseconds(100));
    EXPECT_TRUE(is_here()) << "nothing of that has moved it";
    there_.routers.set_workers_run(false, two_.now);
    EXPECT_EQ(ask(there_, Ask::Verb::kTake), (Answer{5, Outcome::kUnfit}));
}

TEST_F(HandoffTest, WhoIsToTakeItWaitsForAllThatWasToldBeforeThat) {
    const Acknowledgement told = here_.side.replication.told();
    ASSERT_EQ(there_.side.replication.acknowledgement(), told);
    const auto take = [&](const Acknowledgement& after) {
        return there_.handoff
            .on_ask({Ask::Verb::kTake, 5, kGroupZero, after}, two_.peer_of(there_), two_.now)
            .outcome;
    };
    EXPECT_EQ(take({told.epoch, told.next + 1}), Outcome::kNotActive);
    EXPECT_EQ(take({told.epoch + 1, 0}), Outcome::kNotActive) << "all is being told anew";
    EXPECT_FALSE(there_.answers());
    EXPECT_EQ(take(told), Outcome::kActive);
    EXPECT_TRUE(there_.answers());
}

TEST_F(HandoffTest, WhoGivesNothingToAnAskerOutOfStepSaysSo) {
    two_.peers_are_heard = false;
    there_.side.replication.peer_has_key(kSharedKey + 1);
    EXPECT_EQ(
        here_.handoff.on_ask({Ask::Verb::kGiveBack, 5, kGroupZero}, two_.peer_of(here_), two_.now),
        (Answer{5, Outcome::kNotInStep}));
    EXPECT_FALSE(here_.handoff.is_under_way());
}

TEST_F(HandoffTest, AnAskInTheMidstOfAnotherHandoffChangesNothing) {
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kDrill), std::nullopt);
    EXPECT_EQ(
        here_.handoff.on_ask({Ask::Verb::kGiveBack, 5, kGroupZero}, two_.peer_of(here_), two_.now),
        (Answer{5, Outcome::kActive}));
    const auto result = done(here_, seconds(2));
    ASSERT_TRUE(result && result->is_done);
    EXPECT_EQ(result->gap, Duration{});
}

TEST_F(HandoffTest, AnswersToWhatWasNeverAskedAreIgnored) {
    two_.asks_arrive = false;
    ASSERT_EQ(two_.begin(here_, Handoff::Kind::kAway), std::nullopt);
    two_.run(milliseconds(100));
    for (const std::uint32_t id : {0U, 4711U}) {
        here_.handoff.on_answer({id, Outcome::kUnfit});
        here_.handoff.on_answer({id, Outcome::kActive});
    }
    two_.tick();
    EXPECT_TRUE(here_.handoff.is_under_way());
}

}  // namespace
}  // namespace tandem::pair
