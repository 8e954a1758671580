// RFC 9568 section 6, branch by branch, and what we add to it.
#include "dataplane/pair/vrrp.h"

#include <gtest/gtest.h>

namespace tandem::pair {
namespace {

using std::chrono::milliseconds;

constexpr Duration kInterval = milliseconds(100);
constexpr Instant kStart{std::chrono::hours(1)};

IpAddress peer_address(std::uint8_t last) {
    return IpAddress::from_v4({10, 0, 0, last});
}

VrrpSettings settings(std::uint8_t priority, bool preempt = true) {
    return {.priority = priority,
            .advert_interval = kInterval,
            .preempt = preempt,
            .preempt_delay = {},
            .address = peer_address(5)};
}

Advert advert(std::uint8_t priority, std::uint8_t source = 9, Duration interval = kInterval) {
    return {.router_id = 1,
            .priority = priority,
            .interval = interval,
            .source = peer_address(source),
            .destination = kVrrpGroupV4,
            .addresses = {}};
}

/// 3 intervals and the skew of section 6.1.
Duration down_interval(int priority, Duration interval = kInterval) {
    return 3 * interval + interval * (256 - priority) / 256;
}

const Actions kNothing{};

Vrrp active(const VrrpSettings& with) {
    Vrrp vrrp(with);
    static_cast<void>(vrrp.start(kStart - down_interval(with.priority)));
    static_cast<void>(vrrp.on_deadline(kStart));
    EXPECT_EQ(vrrp.role(), Role::kActive);
    return vrrp;
}

Vrrp backup(const VrrpSettings& with) {
    Vrrp vrrp(with);
    static_cast<void>(vrrp.start(kStart));
    return vrrp;
}

TEST(Vrrp, ABackupIsActiveAfterThreeSilentIntervalsAndItsSkew) {
    Vrrp vrrp(settings(100));
    EXPECT_EQ(vrrp.start(kStart), (Actions{.role = Role::kBackup}));
    EXPECT_EQ(vrrp.deadline(), kStart + down_interval(100));
    EXPECT_EQ(vrrp.on_deadline(vrrp.deadline() - Duration(1)), kNothing);
    EXPECT_EQ(vrrp.on_deadline(vrrp.deadline()),
              (Actions{.role = Role::kActive, .advert_priority = 100, .announces = true}));
}

TEST(Vrrp, ItIsALossOnlyIfOneWasHeardThatIsNotReplacedOnPurpose) {
    const auto ends_a_silence = [](Vrrp vrrp) { return vrrp.on_deadline(vrrp.deadline()).is_loss; };
    EXPECT_FALSE(ends_a_silence(backup(settings(100)))) << "nobody was there";
    Vrrp vrrp = backup(settings(100));
    static_cast<void>(vrrp.on_advert(advert(200), kStart));
    EXPECT_TRUE(ends_a_silence(vrrp));
    vrrp = backup(settings(200));
    static_cast<void>(vrrp.on_advert(advert(100), kStart));
    EXPECT_FALSE(ends_a_silence(vrrp)) << "it goes on, and is lower";
    vrrp = backup(settings(200, /*preempt=*/false));
    static_cast<void>(vrrp.on_advert(advert(100), kStart));
    EXPECT_TRUE(ends_a_silence(vrrp));
    vrrp = active(settings(100));
    static_cast<void>(vrrp.on_advert(advert(200), kStart));
    EXPECT_TRUE(ends_a_silence(vrrp));
    EXPECT_FALSE(vrrp.claim(kStart).is_loss) << "it was asked to";
}

TEST(Vrrp, TheOwnerIsActiveAtOnce) {
    Vrrp vrrp(settings(kPriorityOwner));
    EXPECT_EQ(vrrp.start(kStart),
              (Actions{.role = Role::kActive, .advert_priority = 255, .announces = true}));
}

TEST(Vrrp, TheOwnerWaitsForWhatTheOtherOneKnows) {
    Vrrp vrrp(settings(kPriorityOwner));
    vrrp.allow_preemption(false);
    EXPECT_EQ(vrrp.start(kStart), (Actions{.role = Role::kBackup}));
    EXPECT_EQ(vrrp.on_advert(advert(100), kStart), kNothing);
    EXPECT_FALSE(vrrp.is_replacing(kStart));
    vrrp.allow_preemption(true);
    EXPECT_EQ(vrrp.on_advert(advert(100), kStart), kNothing);
    EXPECT_TRUE(vrrp.is_replacing(kStart));
    EXPECT_EQ(vrrp.on_deadline(vrrp.deadline()).role, Role::kActive);
}

TEST(Vrrp, AnActiveOneAdvertisesAtItsInterval) {
    Vrrp vrrp = active(settings(100));
    for (int i = 1; i <= 3; ++i) {
        EXPECT_EQ(vrrp.deadline(), kStart + i * kInterval);
        EXPECT_EQ(vrrp.on_deadline(kStart + i * kInterval), (Actions{.advert_priority = 100}));
    }
}

TEST(Vrrp, ABackupWaitsAsLongAsItHearsAHigherOneAndLearnsItsInterval) {
    Vrrp vrrp = backup(settings(100));
    const Instant later = kStart + milliseconds(50);
    EXPECT_EQ(vrrp.on_advert(advert(200, 9, milliseconds(30)), later), kNothing);
    EXPECT_EQ(vrrp.deadline(), later + down_interval(100, milliseconds(30)));
    EXPECT_EQ(vrrp.active_interval(), Duration(milliseconds(30)));
}

TEST(Vrrp, AnEqualOneIsNotReplacedByABackup) {
    Vrrp vrrp = backup(settings(100));
    const Instant later = kStart + milliseconds(50);
    EXPECT_EQ(vrrp.on_advert(advert(100, 1), later), kNothing);
    EXPECT_EQ(vrrp.deadline(), later + down_interval(100));
}

TEST(Vrrp, ALowerOneIsReplacedIfThatIsWanted) {
    Vrrp wants = backup(settings(100));
    Vrrp waits = backup(settings(100, /*preempt=*/false));
    Vrrp may_not = backup(settings(100));
    may_not.allow_preemption(false);
    const Instant later = kStart + milliseconds(50);
    for (Vrrp* vrrp : {&wants, &waits, &may_not}) {
        EXPECT_EQ(vrrp->on_advert(advert(99), later), kNothing);
    }
    EXPECT_EQ(wants.deadline(), kStart + down_interval(100));
    EXPECT_EQ(waits.deadline(), later + down_interval(100));
    EXPECT_EQ(may_not.deadline(), later + down_interval(100)) << "not caught up yet";
    may_not.allow_preemption(true);
    EXPECT_EQ(may_not.on_advert(advert(99), later + kInterval), kNothing);
    EXPECT_EQ(may_not.deadline(), later + down_interval(100));
}

TEST(Vrrp, ALowerOneIsReplacedAfterTheDelay) {
    VrrpSettings with = settings(100);
    with.preempt_delay = milliseconds(250);
    Vrrp vrrp = backup(with);
    Instant now = kStart;
    for (int i = 0; i < 3; ++i, now += kInterval) {
        EXPECT_EQ(vrrp.on_advert(advert(99), now), kNothing);
        EXPECT_EQ(vrrp.deadline(), now + down_interval(100)) << i;
    }
    EXPECT_FALSE(vrrp.is_replacing(now - milliseconds(51)));
    EXPECT_EQ(vrrp.on_advert(advert(99), now), kNothing);
    EXPECT_EQ(vrrp.deadline(), now - kInterval + down_interval(100)) << "no longer waited for";
    EXPECT_TRUE(vrrp.is_replacing(now));
    vrrp.allow_preemption(false);
    EXPECT_FALSE(vrrp.is_replacing(now));
    vrrp.allow_preemption(true);
    EXPECT_EQ(vrrp.claim(now).role, Role::kActive);
    EXPECT_FALSE(vrrp.is_replacing(now));
}

TEST(Vrrp, TheDelayBeginsAnewWhenAHigherOneWasSeen) {
    VrrpSettings with = settings(100);
    with.preempt_delay = milliseconds(150);
    Vrrp vrrp = backup(with);
    EXPECT_EQ(vrrp.on_advert(advert(99), kStart), kNothing);
    EXPECT_EQ(vrrp.on_advert(advert(200), kStart + kInterval), kNothing);
    const Instant now = kStart + 2 * kInterval;
    EXPECT_EQ(vrrp.on_advert(advert(99), now), kNothing);
    EXPECT_EQ(vrrp.deadline(), now + down_interval(100));
}

TEST(Vrrp, WhoGivesUpIsReplacedAfterTheSkewAlone) {
    Vrrp vrrp = backup(settings(100));
    const Instant later = kStart + milliseconds(10);
    EXPECT_EQ(vrrp.on_advert(advert(kPriorityReleased), later), kNothing);
    EXPECT_EQ(vrrp.deadline(), later + kInterval * 156 / 256);
}

TEST(Vrrp, AnActiveOneYieldsToAHigherOneAndToAnEqualOneOfAHigherAddress) {
    for (const Advert& heard : {advert(101, 1), advert(100, 6)}) {
        Vrrp vrrp = active(settings(100));
        EXPECT_EQ(vrrp.on_advert(heard, kStart), (Actions{.role = Role::kBackup}));
        EXPECT_EQ(vrrp.deadline(), kStart + down_interval(100));
    }
}

TEST(Vrrp, AnActiveOneTellsALowerOneAtOnceAndThoseWhoMayHaveBelievedIt) {
    for (const Advert& heard : {advert(99, 9), advert(100, 4)}) {
        Vrrp vrrp = active(settings(100));
        EXPECT_EQ(vrrp.on_advert(heard, kStart + milliseconds(10)),
                  (Actions{.advert_priority = 100, .announces = true}));
        EXPECT_EQ(vrrp.role(), Role::kActive);
    }
}

TEST(Vrrp, AnActiveOneAnswersWhoGivesUp) {
    Vrrp vrrp = active(settings(100));
    const Instant later = kStart + milliseconds(10);
    EXPECT_EQ(vrrp.on_advert(advert(kPriorityReleased), later), (Actions{.advert_priority = 100}));
    EXPECT_EQ(vrrp.deadline(), later + kInterval);
}

TEST(Vrrp, OnlyWhoWasActiveSaysThatItStops) {
    Vrrp was_active = active(settings(100));
    EXPECT_EQ(was_active.stop(),
              (Actions{.role = Role::kInitialize, .advert_priority = kPriorityReleased}));
    EXPECT_EQ(was_active.deadline(), Instant::max());
    EXPECT_EQ(was_active.on_advert(advert(1), kStart), kNothing);
    EXPECT_EQ(backup(settings(100)).stop(), (Actions{.role = Role::kInitialize}));
}

TEST(Vrrp, WhoLosesItsEvidenceSaysSoAndClaimsNothingUntilItIsBack) {
    Vrrp vrrp = active(settings(100));
    EXPECT_EQ(vrrp.set_priority(kPriorityReleased, kStart),
              (Actions{.role = Role::kBackup, .advert_priority = kPriorityReleased}));
    EXPECT_EQ(vrrp.deadline(), Instant::max());
    EXPECT_EQ(vrrp.on_advert(advert(kPriorityReleased), kStart), kNothing);
    EXPECT_EQ(vrrp.on_advert(advert(50), kStart), kNothing);
    EXPECT_EQ(vrrp.deadline(), Instant::max()) << "nobody at all is no reason";
    EXPECT_EQ(vrrp.set_priority(100, kStart + kInterval), kNothing);
    EXPECT_EQ(vrrp.deadline(), kStart + kInterval + down_interval(100));
}

TEST(Vrrp, AnActiveOneWhosePriorityFallsSaysSoAtOnce) {
    Vrrp vrrp = active(settings(100));
    EXPECT_EQ(vrrp.set_priority(50, kStart), (Actions{.advert_priority = 50}));
    EXPECT_EQ(vrrp.on_advert(advert(60), kStart), (Actions{.role = Role::kBackup}));
}

TEST(Vrrp, AnActiveOneThatWasStoppedListensFirst) {
    Vrrp vrrp = active(settings(100));
    const Instant now = kStart + milliseconds(1000);
    EXPECT_EQ(vrrp.on_pause(now), (Actions{.role = Role::kBackup}));
    EXPECT_EQ(vrrp.deadline(), now + 3 * kInterval + kInterval * 156 / 256);
    EXPECT_EQ(vrrp.on_deadline(vrrp.deadline()),
              (Actions{.role = Role::kActive, .advert_priority = 100, .announces = true}))
        << "nobody else is there";
}

TEST(Vrrp, AnActiveOneThatNobodyCanHaveReplacedGoesOn) {
    Vrrp vrrp = active(settings(100));  // its last advertisement was at kStart
    EXPECT_EQ(vrrp.on_pause(kStart + 3 * kInterval - Duration(1)), kNothing);
    EXPECT_EQ(vrrp.role(), Role::kActive);
    EXPECT_EQ(vrrp.on_pause(kStart + 3 * kInterval), (Actions{.role = Role::kBackup}));
}

TEST(Vrrp, ABackupThatWasStoppedDoesNotTakeItsOwnPauseForSilence) {
    Vrrp vrrp = backup(settings(100));
    const Instant now = vrrp.deadline() + milliseconds(700);
    EXPECT_EQ(vrrp.on_pause(now), kNothing);
    EXPECT_EQ(vrrp.on_deadline(now), kNothing);
    EXPECT_EQ(vrrp.deadline(), now + 3 * kInterval + kInterval * 156 / 256);
}

TEST(Vrrp, ABackupThatIsAskedToClaimsAtOnceWhateverThePriorities) {
    Vrrp vrrp = backup(settings(100));
    static_cast<void>(vrrp.on_advert(advert(200), kStart + milliseconds(10)));
    const Instant now = kStart + milliseconds(20);
    EXPECT_EQ(vrrp.claim(now),
              (Actions{.role = Role::kActive, .advert_priority = 100, .announces = true}));
    EXPECT_EQ(vrrp.deadline(), now + kInterval);
    EXPECT_EQ(vrrp.claim(now), kNothing) << "it is active already";
    static_cast<void>(vrrp.on_advert(advert(200), now + kInterval));
    EXPECT_EQ(vrrp.role(), Role::kBackup) << "who does not yield is higher still";
}

TEST(Vrrp, WhoWasAskedToClaimDoesNotYieldToWhatTheOtherHadSaidBefore) {
    Vrrp vrrp = backup(settings(100));
    static_cast<void>(vrrp.on_advert(advert(200), kStart + milliseconds(10)));
    const Instant now = kStart + milliseconds(20);
    static_cast<void>(vrrp.claim(now));
    const Instant late = now + kInterval - milliseconds(1);
    EXPECT_EQ(vrrp.on_advert(advert(200), late),
              (Actions{.advert_priority = 100, .announces = true}));
    EXPECT_EQ(vrrp.role(), Role::kActive);
    EXPECT_EQ(vrrp.deadline(), late + kInterval);
    static_cast<void>(vrrp.set_priority(1, late));
    static_cast<void>(vrrp.on_advert(advert(200), late));
    EXPECT_EQ(vrrp.role(), Role::kBackup) << "unless it hands the group on";
}

TEST(Vrrp, WhoHasNoEvidenceOrHasNotStartedClaimsNothingWhoeverAsks) {
    Vrrp vrrp(settings(100));
    EXPECT_EQ(vrrp.claim(kStart), kNothing);
    static_cast<void>(vrrp.start(kStart));
    static_cast<void>(vrrp.set_priority(kPriorityReleased, kStart));
    EXPECT_EQ(vrrp.claim(kStart), kNothing);
    EXPECT_EQ(vrrp.role(), Role::kBackup);
}

TEST(Vrrp, AtTheShortestIntervalSkewsStillDiffer) {
    VrrpSettings with = settings(254);
    with.advert_interval = kAdvertIntervalMin;
    const Instant first = backup(with).deadline();
    with.priority = 253;
    EXPECT_LT(first, backup(with).deadline());
}

}  // namespace
}  // namespace tandem::pair
