// What a planned handoff does with virtual routers.
#include <gtest/gtest.h>

#include "tests/unit/pair/two_with_groups.h"
#include "tests/unit/pair/virtual_routers.h"

namespace tandem::pair {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::uint64_t kMovedGroup = GroupSide::group_id(0);

class RoutersOfTwo : public testing::Test {
  protected:
    void make_claim(GroupSide& at, std::uint64_t group = kMovedGroup) {
        at.routers.claim(group, two_.now);
    }
    TwoWithGroups two_;
    GroupSide& here_ = two_.here;
    GroupSide& there_ = two_.there;
};

TEST_F(RoutersOfTwo, StandingSaysWhatTheGroupsRoutersAre) {
    const Routers::Standing active = here_.routers.standing(kMovedGroup);
    EXPECT_TRUE(active.is_there && active.is_active && active.is_fit);
    EXPECT_FALSE(active.is_backup);
    const Routers::Standing backup = there_.routers.standing(kMovedGroup);
    EXPECT_TRUE(backup.is_there && backup.is_backup && backup.is_fit);
    EXPECT_FALSE(backup.is_active);
    there_.routers.set_port_up(0, false, two_.now);
    EXPECT_FALSE(there_.routers.standing(kMovedGroup).is_fit);
    const Routers::Standing nobody = here_.routers.standing(4711);
    EXPECT_FALSE(nobody.is_there || nobody.is_active || nobody.is_backup || nobody.is_fit);
    EXPECT_EQ(here_.routers.groups(), std::vector{kMovedGroup});
}

TEST_F(RoutersOfTwo, OfBothFamiliesNeitherActiveNorBackupIsSaidTooEarly) {
    here_.vips.push_back(here_.vips[0]);
    here_.vips[1].address = *IpAddress::parse("2001:db8::80");
    here_.groups[0].source_v6 = *IpAddress::parse("fe80::20");
    here_.routers.follow(here_.groups, here_.vips, two_.now);
    const Routers::Standing standing = here_.routers.standing(kMovedGroup);
    EXPECT_FALSE(standing.is_active) << "IPv6 is not yet";
    EXPECT_FALSE(standing.is_backup) << "IPv4 is";
    two_.run(milliseconds(100));
    EXPECT_TRUE(here_.routers.standing(kMovedGroup).is_active);
}

TEST_F(RoutersOfTwo, WhoYieldsGoesOnUntilAnotherClaimsAndGivesWayToAnyPriority) {
    here_.routers.set_yields(kMovedGroup, true, two_.now);
    two_.run(milliseconds(5));
    EXPECT_TRUE(here_.answers());
    make_claim(there_);
    two_.tick();
    EXPECT_TRUE(there_.answers());
    EXPECT_FALSE(here_.answers());
    two_.run(seconds(1));
    EXPECT_FALSE(here_.answers()) << "200 claims nothing from 100";
    here_.routers.set_yields(kMovedGroup, false, two_.now);
    two_.run(milliseconds(100));
    EXPECT_TRUE(here_.answers());
    EXPECT_FALSE(there_.answers());
    EXPECT_EQ(two_.longest_silence, Duration{});
}

TEST_F(RoutersOfTwo, WhoYieldsTakesOverAllTheSameFromWhoIsGone) {
    here_.routers.set_yields(kMovedGroup, true, two_.now);
    make_claim(there_);
    two_.run(milliseconds(50));
    ASSERT_FALSE(here_.answers());
    there_.routers.set_workers_run(false, two_.now);
    two_.run(milliseconds(100));
    EXPECT_TRUE(here_.answers());
}

TEST_F(RoutersOfTwo, WhoHasTakenOverYieldsNoLongerOrTwoWouldBeAlike) {
    here_.routers.set_yields(kMovedGroup, true, two_.now);
    make_claim(there_);
    two_.run(milliseconds(50));
    ASSERT_FALSE(here_.answers());
    for (int i = 0; i < 2; ++i) {  // whichever of the two has the higher address
        GroupSide& from = i == 0 ? there_ : here_;
        GroupSide& to = i == 0 ? here_ : there_;
        from.routers.set_yields(kMovedGroup, true, two_.now);
        make_claim(to);
        two_.run(milliseconds(20));
        EXPECT_TRUE(to.answers());
        EXPECT_FALSE(from.answers());
    }
}

TEST_F(RoutersOfTwo, OfTwoThatClaimTheLaterOneHasItWhateverThePriorities) {
    const auto term = [](const GroupSide& at) { return at.routers.claims()[0].term; };
    const auto hear = [&](GroupSide& at, const GroupSide& from) {
        return at.routers.hear_claims(from.routers.claims(), two_.now);
    };
    EXPECT_FALSE(hear(there_, here_)) << "nothing that was not known";
    two_.frames_arrive = false;
    two_.run(milliseconds(100));
    ASSERT_TRUE(here_.answers() && there_.answers());
    EXPECT_GT(term(there_), term(here_));
    EXPECT_FALSE(hear(there_, here_)) << "it is the later one";
    EXPECT_TRUE(hear(here_, there_));
    EXPECT_FALSE(hear(here_, there_)) << "known already";
    EXPECT_TRUE(here_.answers()) << "until it is heard where the group's clients are";
    GroupClaim other = there_.routers.claims()[0];
    other.is_active = false;
    EXPECT_FALSE(here_.routers.hear_claims(std::vector{other}, two_.now));
    EXPECT_TRUE(hear(here_, there_)) << "in between it had given the group up";
    here_.routers.allow_preemption(false);
    two_.frames_arrive = true;
    two_.run(seconds(1));
    EXPECT_TRUE(there_.answers());
    EXPECT_FALSE(here_.answers());
    here_.routers.allow_preemption(true);
    two_.run(seconds(1));
    EXPECT_TRUE(here_.answers()) << "its priority is its own again";
    EXPECT_GT(term(here_), term(there_) - 1);
}

TEST_F(RoutersOfTwo, ATermGrowsOnlyWhenTheOtherOneHasHadTheGroup) {
    const std::uint32_t before = here_.routers.claims()[0].term;
    here_.routers.set_workers_run(false, two_.now);
    here_.routers.set_workers_run(true, two_.now);
    two_.frames_arrive = false;
    two_.run(milliseconds(100));
    ASSERT_TRUE(here_.answers());
    EXPECT_EQ(here_.routers.claims()[0].term, before);
    const std::vector<GroupClaim> later{{kMovedGroup, before + 7, false}};
    EXPECT_FALSE(here_.routers.hear_claims(later, two_.now)) << "it claims nothing";
    EXPECT_TRUE(here_.routers.claims()[0].is_active);
    EXPECT_EQ(here_.routers.claims()[0].term, before);
    here_.routers.set_workers_run(false, two_.now);
    EXPECT_EQ(here_.routers.claims()[0], (GroupClaim{kMovedGroup, before + 7, false}));
    here_.routers.set_workers_run(true, two_.now);
    two_.run(milliseconds(100));
    EXPECT_EQ(here_.routers.claims()[0], (GroupClaim{kMovedGroup, before + 8, true}));
}

TEST_F(RoutersOfTwo, AReloadChangesNothingOfIt) {
    here_.routers.set_yields(kMovedGroup, true, two_.now);
    make_claim(there_);
    two_.run(milliseconds(50));
    here_.routers.follow(here_.groups, here_.vips, two_.now);
    two_.run(seconds(1));
    EXPECT_FALSE(here_.answers());
}

TEST_F(RoutersOfTwo, WhoIsMutedSaysNothingAndIsReplacedAsIfItWereDead) {
    here_.routers.set_muted(kMovedGroup, true);
    here_.routers.set_yields(kMovedGroup, true, two_.now);
    const std::uint64_t sent = here_.routers.counts().sent;
    const Instant begun = two_.now;
    while (!there_.answers() && two_.now - begun < seconds(1)) two_.tick();
    EXPECT_GE(two_.now - begun, milliseconds(26));
    EXPECT_LE(two_.now - begun, milliseconds(38));
    two_.tick();
    EXPECT_FALSE(here_.answers());
    EXPECT_EQ(here_.routers.counts().sent, sent);
    here_.routers.set_muted(kMovedGroup, false);
    here_.routers.set_yields(kMovedGroup, false, two_.now);
    two_.run(milliseconds(100));
    EXPECT_TRUE(here_.answers());
    EXPECT_FALSE(there_.answers());
}

TEST_F(RoutersOfTwo, WhoWasMutedAndHasToTakeOverAgainSaysSo) {
    here_.routers.set_muted(kMovedGroup, true);
    here_.routers.set_yields(kMovedGroup, true, two_.now);
    two_.run(milliseconds(50));
    ASSERT_TRUE(there_.answers() && !here_.answers());
    there_.routers.set_workers_run(false, two_.now);
    two_.run(milliseconds(50));
    ASSERT_TRUE(here_.answers());
    there_.routers.set_workers_run(true, two_.now);
    two_.run(milliseconds(100));
    EXPECT_FALSE(there_.answers()) << "it has been heard";
}

TEST_F(RoutersOfTwo, OfAMutedGroupOnlyTheFamilyWhoseRoleChangesSpeaksAgain) {
    here_.vips.push_back(here_.vips[0]);
    here_.vips[1].address = *IpAddress::parse("2001:db8::80");
    here_.groups[0].source_v6 = *IpAddress::parse("fe80::20");
    here_.routers.follow(here_.groups, here_.vips, two_.now);
    two_.run(milliseconds(100));
    ASSERT_TRUE(here_.routers.standing(kMovedGroup).is_active);
    two_.frames_arrive = false;
    here_.routers.set_muted(kMovedGroup, true);
    // Somebody takes IPv6 over, and is not heard again.
    const Advert advert{.router_id = here_.groups[0].router_id,
                        .priority = 255,
                        .interval = milliseconds(10),
                        .source = *IpAddress::parse("fe80::99"),
                        .destination = kVrrpGroupV6,
                        .addresses = {*IpAddress::parse("fe80::99"), here_.vips[1].address}};
    std::vector<std::uint8_t> frame(ethernet::kHeaderBytes);
    const std::vector<std::uint8_t> packet = make_advert(advert, AdvertChecksum::kWithPseudoHeader);
    frame.insert(frame.end(), packet.begin(), packet.end());
    here_.routers.on_frame(0, frame, two_.now);
    ASSERT_TRUE(here_.roles.is_silent(0, /*is_v4=*/false));
    std::size_t heard_v6 = 0;
    for (const Instant end = two_.now + milliseconds(100); two_.now < end;) {
        two_.now += TwoWithGroups::kTick;
        here_.routers.wake(two_.now);
        here_.routers.on_time(two_.now);
        for (const Advert& said : adverts_in(here_.routers.take_frames())) {
            EXPECT_FALSE(said.source.is_v4()) << "its role is what it was";
            ++heard_v6;
        }
    }
    EXPECT_TRUE(here_.answers());
    EXPECT_GT(heard_v6, 0U);
}

TEST_F(RoutersOfTwo, LongWorkEndsNoRoleIfWhoIsActiveGoesOnToSaySo) {
    const std::uint64_t sent = here_.routers.counts().sent;
    for (int i = 0; i < 40; ++i) {
        two_.now += milliseconds(5);
        here_.routers.keep_active(two_.now);
        there_.routers.keep_active(two_.now);
    }
    EXPECT_GE(here_.routers.counts().sent - sent, 19U);
    for (GroupSide* each : {&here_, &there_}) each->routers.wake(two_.now);
    for (GroupSide* each : {&here_, &there_}) each->routers.on_time(two_.now);
    EXPECT_TRUE(here_.answers());
    EXPECT_FALSE(there_.answers()) << "it has not been looked whether it is heard";
    two_.frames_arrive = false;
    two_.run(milliseconds(50));
    EXPECT_TRUE(there_.answers());
}

TEST_F(RoutersOfTwo, OthersHearOfATakeoverWhenWorkersKnow) {
    two_.frames_arrive = false;
    while (!there_.answers()) two_.run(TwoWithGroups::kTick);
    const std::uint64_t sent = there_.routers.counts().sent;
    EXPECT_GT(sent, 0U);
    for (int i = 0; i < 10; ++i) {  // in the midst of the step in which it has become active
        two_.now += milliseconds(5);
        there_.routers.keep_active(two_.now);
        EXPECT_TRUE(there_.routers.take_ready_frames().empty());
    }
    EXPECT_EQ(there_.routers.counts().sent, sent);
    EXPECT_EQ(adverts_in(there_.routers.take_frames()).size(), sent);

    there_.routers.wake(two_.now);
    there_.routers.on_time(two_.now);
    EXPECT_TRUE(there_.answers());
    EXPECT_FALSE(adverts_in(there_.routers.take_ready_frames()).empty()) << "another step";
}

TEST_F(RoutersOfTwo, WhoWasStoppedInTheMidstOfLongWorkListensFirst) {
    two_.now += milliseconds(5);
    here_.routers.keep_active(two_.now);
    two_.now += seconds(1);
    here_.routers.keep_active(two_.now);
    EXPECT_FALSE(here_.answers());
    EXPECT_TRUE(adverts_in(here_.routers.take_frames()).empty());
}

TEST_F(RoutersOfTwo, WhatWasToBeSaidBeforeAPauseIsNot) {
    const auto adverts_now = [&] { return adverts_in(here_.routers.take_frames()).size(); };
    const auto step_until_said = [&] {
        for (std::uint64_t sent = here_.routers.counts().sent;
             here_.routers.counts().sent == sent;) {
            two_.now += TwoWithGroups::kTick;
            here_.routers.wake(two_.now);
            here_.routers.on_time(two_.now);
        }
    };
    step_until_said();
    EXPECT_EQ(adverts_now(), 1U);
    step_until_said();
    two_.now += seconds(1);
    here_.routers.wake(two_.now);
    EXPECT_EQ(adverts_now(), 0U);
}

TEST_F(RoutersOfTwo, AGroupWithNobodyToServeIsLeftToTheOtherOneUntilThereIs) {
    const std::vector moved{kMovedGroup};
    EXPECT_FALSE(here_.routers.set_empty({}, moved, two_.now));
    two_.run(milliseconds(100));
    EXPECT_TRUE(here_.answers()) << "it may be for a moment";
    EXPECT_TRUE(here_.routers.set_empty(moved, moved, two_.now));
    EXPECT_FALSE(here_.routers.set_empty(moved, moved, two_.now)) << "no news";
    EXPECT_FALSE(here_.routers.standing(kMovedGroup).is_fit);
    two_.run(milliseconds(100));
    EXPECT_FALSE(here_.answers());
    EXPECT_TRUE(there_.answers());
    EXPECT_FALSE(here_.routers.set_empty({}, moved, two_.now));
    two_.run(milliseconds(100));
    EXPECT_FALSE(here_.answers()) << "nothing is taken back in doubt";
    EXPECT_FALSE(here_.routers.set_empty({}, {}, two_.now));
    two_.run(milliseconds(100));
    EXPECT_TRUE(here_.answers());
    EXPECT_FALSE(there_.answers());
}

TEST_F(RoutersOfTwo, NothingHappensToAGroupThatIsNotThere) {
    make_claim(there_, 4711);
    here_.routers.set_yields(4711, true, two_.now);
    here_.routers.set_muted(4711, true);
    two_.run(milliseconds(100));
    EXPECT_TRUE(here_.answers());
    EXPECT_FALSE(there_.answers());
}

TEST_F(RoutersOfTwo, StoppingTakesAsLongAsFramesMayComeToWhoWasActive) {
    EXPECT_EQ(there_.routers.stop(two_.now), Duration{}) << "nothing came to it";
    EXPECT_EQ(here_.routers.stop(two_.now), kLate + milliseconds(10));
    EXPECT_EQ(here_.routers.stop(two_.now), Duration{});
}

TEST_F(RoutersOfTwo, WhoHasHandedAllOffStopsAtOnce) {
    here_.routers.set_yields(kMovedGroup, true, two_.now);
    make_claim(there_);
    two_.run(milliseconds(5));
    EXPECT_EQ(here_.routers.stop(two_.now), Duration{});
}

}  // namespace
}  // namespace tandem::pair
