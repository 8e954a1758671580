// The table of rules in track.h, row by row.
#include "dataplane/tables/track.h"

#include <random>

#include <gtest/gtest.h>

#include "tests/unit/tables/table_for_test.h"

namespace tandem::tables {
namespace {

constexpr CoarseTime kNow = 50'000;
constexpr BackendIndex kOld = 1;
constexpr BackendIndex kNew = 2;
constexpr BackendIndex kOther = 3;
constexpr std::uint64_t kTracked = 0x0123'4567'89ab'cdef;

constexpr FlowSignal kSyn{.opens = true};
constexpr FlowSignal kAck{};
constexpr FlowSignal kData{.has_payload = true};
constexpr FlowSignal kFin{.closes = true};
constexpr FlowSignal kDatagram{.is_udp = true, .has_payload = true};
constexpr FlowSignal kQuicInitial{.is_udp = true, .opens = true, .has_payload = true};

class Track : public testing::Test {
  protected:
    Track() : backends_(4) {
        for (LiveBackend& backend : backends_) backend.serves_flows = 1;
    }
    BackendIndex send(const FlowSignal& signal, std::uint64_t flow = kTracked) {
        const Tracked tracked =
            track(*flows_, {flow, {}}, {slot_, &changed_at_, slot_hash_, earlier_}, signal,
                  backends_, {.udp_idle = 30}, now_);
        EXPECT_EQ(tracked.is_remembered, is_remembered(flow));
        return tracked.backend;
    }
    [[nodiscard]] bool is_remembered(std::uint64_t flow = kTracked) {
        return bool(flows_->find(flow, now_));
    }
    void remember(BackendIndex backend, FlowState state = FlowState::kEstablished) {
        ASSERT_TRUE(flows_->insert(kTracked, backend, state, now_));
    }
    FlowState state() { return flows_->find(kTracked, now_).state(); }

    TableForTest flows_{64};
    std::vector<LiveBackend> backends_;
    Slot slot_{kNew, kOld};  // in transition
    CoarseTime changed_at_ = kNow;
    std::uint64_t slot_hash_ = 0;
    std::vector<EarlierOwner> earlier_;
    CoarseTime now_ = kNow;
};

TEST_F(Track, ARememberedFlowGoesToItsBackendWhateverThePacketAndTheSlot) {
    remember(kOther);
    for (const Slot slot : {Slot{kNew, kOld}, Slot{kNew, Slot::kRemembering}}) {
        slot_ = slot;
        for (const FlowSignal& signal : {kSyn, kAck, kData}) EXPECT_EQ(send(signal), kOther);
    }
}

TEST_F(Track, ARememberedFlowWhoseBackendMayNotServeIsGivenToTheOwnerForGood) {
    remember(kOther);
    backends_[kOther].serves_flows = 0;
    EXPECT_EQ(send(kAck), kNew);
    backends_[kOther].serves_flows = 1;
    EXPECT_EQ(send(kAck), kNew);
    EXPECT_EQ(flows_.statistics().rewritten, 1U);
}

TEST_F(Track, AnOpeningFlowGoesToTheOwnerAndIsRemembered) {
    EXPECT_EQ(send(kSyn), kNew);
    EXPECT_EQ(state(), FlowState::kOpening);
    slot_.owner = kOther;
    EXPECT_EQ(send(kAck), kNew) << "the slot's next change does not move it";
    EXPECT_EQ(state(), FlowState::kEstablished);
}

TEST_F(Track, AnyOtherFlowGoesToTheSteadyOwnerAndIsRemembered) {
    EXPECT_EQ(send(kAck), kOld);
    EXPECT_EQ(state(), FlowState::kDoubtful);
    EXPECT_EQ(send(kAck), kOld);
    EXPECT_EQ(state(), FlowState::kEstablished);
}

TEST_F(Track, APacketThatClosesAnUnknownFlowGoesWhereItsOthersGoAndIsNotRemembered) {
    EXPECT_EQ(send(kFin), kOld);
    EXPECT_FALSE(is_remembered());
    EXPECT_EQ(send(kAck), kOld) << "the other side may go on sending";
    EXPECT_TRUE(is_remembered());
}

TEST_F(Track, AnyOtherFlowGoesToTheOwnerIfTheSteadyOneMayNotServe) {
    backends_[kOld].serves_flows = 0;
    EXPECT_EQ(send(kAck), kNew);
    backends_[kOld].serves_flows = 1;
    EXPECT_EQ(send(kAck), kNew) << "and stays there when the other returns";
}

TEST_F(Track, AnUnknownFlowOutsideATransitionGoesToTheOwnerAndIsNotRemembered) {
    slot_.steady = Slot::kRemembering;
    for (const FlowSignal& signal : {kSyn, kAck, kDatagram, kQuicInitial}) {
        EXPECT_EQ(send(signal), kNew);
        EXPECT_FALSE(is_remembered());
    }
}

TEST_F(Track, AfterAChangeOfTheTablesSizeTheSteadyOwnerFollowsFromTheFlowsHash) {
    slot_.steady = Slot::kByHash;
    earlier_ = {{.first_hash = 0, .owner = kOld}, {.first_hash = 1000, .owner = kOther}};
    slot_hash_ = std::uint64_t{999} << 32U | 0xffff'ffffU;
    EXPECT_EQ(send(kAck, 1), kOld);
    slot_hash_ = std::uint64_t{1000} << 32U;
    EXPECT_EQ(send(kAck, 2), kOther);
    EXPECT_EQ(send(kSyn, 3), kNew);
    backends_[kOther].serves_flows = 0;
    EXPECT_EQ(send(kAck, 4), kNew);
    earlier_.clear();
    EXPECT_EQ(send(kAck, 5), kNew) << "nothing is known of it";
}

TEST_F(Track, UdpWithoutAnOpeningIsOldAtFirstAndNewLater) {
    now_ = kNow + 30;
    EXPECT_EQ(send(kDatagram, 1), kOld);
    now_ = kNow + 31;
    EXPECT_EQ(send(kDatagram, 2), kNew);
    EXPECT_TRUE(is_remembered(1));
    EXPECT_TRUE(is_remembered(2));
    EXPECT_EQ(send(kDatagram, 1), kOld) << "remembered flows stay what they are";
}

TEST_F(Track, UdpIsOldWhereTheWorkersClockIsBehindTheOneOfTheChange) {
    now_ = kNow - 1;
    EXPECT_EQ(send(kDatagram), kOld);
}

TEST_F(Track, AQuicInitialOpensAtOnce) {
    EXPECT_EQ(send(kQuicInitial), kNew);
    EXPECT_EQ(send(kDatagram), kNew);
    EXPECT_EQ(state(), FlowState::kUdp);
}

// RFC 5961 section 4: a SYN on an established connection is the backend's to judge.
TEST_F(Track, ASynDoesNotUnpinAnEstablishedFlow) {
    remember(kOther);
    EXPECT_EQ(send(kSyn), kOther);
    EXPECT_EQ(state(), FlowState::kEstablished);
}

TEST_F(Track, ASynOnAClosingFlowOpensAnew) {
    remember(kOther);
    EXPECT_EQ(send(kFin), kOther);
    EXPECT_EQ(state(), FlowState::kClosing);
    EXPECT_EQ(send(kAck), kOther);
    EXPECT_EQ(state(), FlowState::kClosing);
    EXPECT_EQ(send(kSyn), kNew);
    EXPECT_EQ(state(), FlowState::kOpening);
}

TEST_F(Track, DataOnAClosingFlowShowsThatItWasNotTheSenderWhoClosed) {
    remember(kOther);
    send(kFin);
    EXPECT_EQ(send(kData), kOther);
    EXPECT_EQ(state(), FlowState::kEstablished);
}

TEST_F(Track, WhereNobodyServesThereIsNoBackendAndNothingIsRemembered) {
    slot_ = {kNoBackend, kOld};
    backends_[kOld].serves_flows = 0;
    for (const FlowSignal& signal : {kSyn, kAck, kDatagram}) {
        EXPECT_EQ(send(signal), kNoBackend);
        EXPECT_FALSE(is_remembered());
    }
    remember(kOld);
    EXPECT_EQ(send(kAck), kNoBackend);
    backends_[kOld].serves_flows = 1;
    EXPECT_EQ(send(kAck), kOld) << "and it has not been given away";
}

// A flow opened at the owner, and not remembered there, would send its next packet to the steady
// one and be reset: no new connection would come about for as long as the table is full.
TEST_F(Track, AFlowThatFindsNoRoomOpensWhereItsNextPacketsWillGo) {
    flows_->set_pools({0xffff, 0, 0, 0}, {0});
    for (const FlowSignal& signal : {kSyn, kAck, kData, kFin}) EXPECT_EQ(send(signal), kOld);
    for (const FlowSignal& signal : {kQuicInitial, kDatagram}) EXPECT_EQ(send(signal), kOld);
    now_ = kNow + 31;
    for (const FlowSignal& signal : {kQuicInitial, kDatagram}) EXPECT_EQ(send(signal), kNew);
    backends_[kOld].serves_flows = 0;
    for (const FlowSignal& signal : {kSyn, kAck, kData, kFin}) EXPECT_EQ(send(signal), kNew);
    EXPECT_EQ(flows_.entries(), 0U);
}

// The number of a backend that is gone may be given to another one, of whichever pool.
TEST_F(Track, ABackendOfAnotherPoolServesNothing) {
    backends_[kOther].pool = backends_[kOld].pool = 1;
    EXPECT_EQ(send(kAck, 5), kNew);
    remember(kOther);
    EXPECT_EQ(send(kAck), kNew);
    EXPECT_EQ(flows_.statistics().rewritten, 1U);
    slot_.steady = Slot::kByHash;
    earlier_ = {{.first_hash = 0, .owner = kOld}};
    EXPECT_EQ(send(kAck, 6), kNew);
}

TEST_F(Track, ABackendThatIsNotThereServesNothing) {
    slot_.steady = 99;
    EXPECT_EQ(send(kAck), kNew);
    remember(98);
    EXPECT_EQ(send(kAck, 5), kNew);
}

TEST_F(Track, ARepeatedPacketGoesWhereItWouldGoAndNothingElseIsRepeated) {
    TableForTest flows{1024};
    std::uint64_t flow = kTracked;
    unsigned times_repeated = 0;
    const auto after_first = [&](FlowState first, BackendIndex backend, CoarseTime seconds,
                                 const FlowSignal& signal) {
        flow += 0x9e37'79b9'7f4a'7c15;  // another one each time
        ASSERT_TRUE(flows->insert(flow, backend, first, kNow));
        const FlowSought sought{flow, flows->glimpse(flow)};
        const BackendIndex said = repeated(sought, signal, 0, backends_, kNow + seconds);
        const Tracked tracked = track(*flows, sought, {slot_, &changed_at_, slot_hash_, earlier_},
                                      signal, backends_, {.udp_idle = 30}, kNow + seconds);
        const bool is_repeated = tracked.is_repeated && may_serve(backend, 0, backends_);
        EXPECT_EQ(said, is_repeated ? backend : kNoBackend);
        if (said != kNoBackend) {
            EXPECT_TRUE(tracked.is_remembered);
            EXPECT_EQ(flows->find(flow, kNow).state(), first);
            ++times_repeated;
        }
    };
    backends_[kOld].serves_flows = 0;
    backends_[kNew].pool = 1;
    for (std::uint8_t state = 0; state < kFlowStateCount; ++state) {
        for (const BackendIndex backend : {kOther, kOld, kNew, BackendIndex{40}}) {
            for (const CoarseTime seconds : {0U, 1U, 10'000U}) {
                for (const FlowSignal& signal :
                     {kSyn, kAck, kData, kFin, kDatagram, kQuicInitial}) {
                    after_first(static_cast<FlowState>(state), backend, seconds, signal);
                }
            }
        }
    }
    EXPECT_EQ(times_repeated, 11U) << "in the same second, and the state stays";
}

TEST_F(Track, WhereAnotherFlowHasTakenThePlaceNothingIsRepeated) {
    const FlowSought sought{kTracked, {}};
    EXPECT_EQ(repeated(sought, kAck, 0, backends_, kNow), kNoBackend);
    remember(kOther);
    const FlowTable::Place place = flows_->glimpse(kTracked);
    EXPECT_EQ(repeated({kTracked, place}, kAck, 0, backends_, kNow), kOther);
    place.bucket->tags[place.index] += 1;
    EXPECT_EQ(repeated({kTracked, place}, kAck, 0, backends_, kNow), kNoBackend);
}

// In transition every packet of a stranger's flow is remembered, and two without payload make it
// look established. Half of the places are the pool's; a pool beside it has flows of its own.
TEST_F(Track, AFloodOfAcksEvictsNoEstablishedFlowAndKeepsToItsPoolsShare) {
    constexpr std::uint64_t kSeed = 16;
    for (const int packets_each : {1, 2}) {
        SCOPED_TRACE(packets_each);
        TableForTest flows(512);
        const auto places = static_cast<std::uint32_t>(flows.places());
        flows->set_pools({0xffff, 0, 0, 1}, {places / 2, places / 2});
        std::mt19937_64 random(kSeed);
        std::vector<std::pair<std::uint64_t, BackendIndex>> established(places / 4);
        for (std::size_t i = 0; i < established.size(); ++i) {
            established[i] = {random(), i % 2 == 0 ? kOld : kOther};
            ASSERT_TRUE(flows->insert(established[i].first, established[i].second,
                                      FlowState::kEstablished, kNow));
        }
        for (std::uint32_t i = 0; i < 20 * places; ++i) {
            const std::uint64_t stranger = random();
            for (int packet = 0; packet < packets_each; ++packet) {
                track(*flows, {stranger, {}}, {slot_, &changed_at_, slot_hash_, earlier_}, kAck,
                      backends_, {.udp_idle = 30}, kNow + static_cast<CoarseTime>(i / places));
            }
            ASSERT_LE(flows->flows_of(kOld) + flows->flows_of(kNew), places / 2);
        }
        EXPECT_EQ(flows->flows_of(kOld) + flows->flows_of(kNew), places / 2) << "its share is its";
        EXPECT_EQ(flows->flows_of(kOther), established.size() / 2);
        for (const auto& [hash, backend] : established) {
            const FlowTable::Place place = flows->find(hash, kNow + 20);
            ASSERT_TRUE(place);
            EXPECT_EQ(place.backend(), backend);
        }
        EXPECT_GT(flows.statistics().evicted_budget + flows.statistics().refused_budget,
                  15 * places);
    }
}

}  // namespace
}  // namespace tandem::tables
