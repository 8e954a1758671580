// Two instances with groups of VIPs, by whose roles it goes who answers for what: routers, handoff
// and replication of each, connected by hand, and a clock that moves by hand.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dataplane/pair/handoff.h"
#include "dataplane/pair/routers.h"
#include "tests/unit/pair/two_in_step.h"

namespace tandem::pair {

/// One of the two. The first group's VIPs are those whose flows and slots there are.
struct GroupSide {
    GroupSide(std::uint8_t host, std::size_t group_count, std::uint8_t priority)
        : side({1, 2, 3, 4}) {
        ports[0].mac = {2, 0, 0, 0, 0, host};
        ports[0].mtu = 1500;
        for (std::uint8_t i = 0; i < group_count; ++i) {
            tables::PlanGroup group;
            group.name = tables::Name(group_name(i));
            group.router_id = static_cast<std::uint8_t>(51 + i);
            group.priority = priority;
            group.interval_ms = 10;
            group.source_v4 = IpAddress::from_v4({192, 0, 2, host});
            groups.push_back(group);
            tables::PlanVip vip;
            vip.address = IpAddress::from_v4({192, 0, 2, static_cast<std::uint8_t>(80 + i)});
            vip.group = i;
            vips.push_back(vip);
        }
        side.own({1, 2, 3, 1}, 1000);
    }
    static std::string group_name(std::size_t index) { return "group" + std::to_string(index); }
    static std::uint64_t group_id(std::size_t index) {
        return tables::name_id(tables::Name(group_name(index)));
    }
    [[nodiscard]] bool answers(std::uint8_t group = 0) const {
        return !roles.is_silent(group, true);
    }
    void follow_roles(CoarseTime now) {
        if (answers()) side.answer_for_all(now);
        if (!answers()) side.answer_for_none(now);
    }

    Side side;
    tables::Roles roles;
    std::vector<tables::PortInfo> ports{1};
    std::vector<tables::PlanGroup> groups;
    std::vector<tables::PlanVip> vips;
    Routers routers{roles, ports};
    Handoff handoff{routers, side.replication};
    std::vector<Handoff::Result> results;
    bool steps_handoff = true;  ///< else somebody else does
    bool claims_to_be_in_step = false;
};

class TwoWithGroups {
  public:
    static constexpr Duration kTick = std::chrono::milliseconds(1);

    /// `here` is active for all groups, both are in step.
    explicit TwoWithGroups(std::size_t group_count = 1, std::uint8_t priority_here = 200)
        : here(20, group_count, priority_here), there(21, group_count, 100) {
        here.routers.follow(here.groups, here.vips, now);
        for (int i = 0; i < 60; ++i) tick();
        there.routers.follow(there.groups, there.vips, now);
        for (GroupSide* each : {&here, &there}) {
            each->side.replication.peer_appears(true, coarse());
            each->side.replication.peer_has_key(kSharedKey);
        }
        run(std::chrono::milliseconds(100));
        longest_silence = Duration{};
    }

    [[nodiscard]] CoarseTime coarse() const {
        return static_cast<CoarseTime>(
            std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
    }
    [[nodiscard]] Handoff::Peer peer_of(const GroupSide& of) const {
        const GroupSide& other = &of == &here ? there : here;
        return {
            .is_alive = peers_are_heard,
            .is_caught_up = other.claims_to_be_in_step || other.side.replication.is_caught_up()};
    }
    std::optional<std::string> begin(GroupSide& at, Handoff::Kind kind, std::size_t group = 0) {
        return at.handoff.begin(kind, GroupSide::group_id(group), peer_of(at), now);
    }

    void tick() {
        now += kTick;
        for (GroupSide* each : {&here, &there}) each->routers.wake(now);
        carry_frames(here, there);
        carry_frames(there, here);
        for (GroupSide* each : {&here, &there}) each->routers.on_time(now);
        converse(here, there);
        converse(there, here);
        for (GroupSide* each : {&here, &there}) {
            each->follow_roles(coarse());
            each->side.table->answer_journal(coarse(), Side::kFlowBuckets);
            each->side.replication.step(coarse());
        }
        carry_records(here.side, there.side);
        carry_records(there.side, here.side);
        for (GroupSide* each : {&here, &there}) {
            if (!each->steps_handoff) continue;
            const auto result = each->handoff.step(peer_of(*each), now);
            if (result) each->results.push_back(*result);
        }
        watch();
    }
    void run(Duration time) {
        for (const Instant end = now + time; now < end;) tick();
    }
    /// Until it has a result, which is returned.
    std::optional<Handoff::Result> run_until_done(GroupSide& at, Duration most) {
        at.results.clear();
        for (const Instant end = now + most; now < end && at.results.empty();) tick();
        if (at.results.empty()) return std::nullopt;
        return at.results.front();
    }

    GroupSide here;
    GroupSide there;
    Instant now{std::chrono::hours(1)};
    bool peers_are_heard = true;
    bool frames_arrive = true;
    bool asks_arrive = true;
    Duration longest_silence{};  ///< with nobody active for the first group

  private:
    void carry_frames(GroupSide& from, GroupSide& to) const {
        for (const Routers::Frame& frame : from.routers.take_frames()) {
            if (frames_arrive) to.routers.on_frame(0, frame.bytes, now);
        }
    }
    void converse(GroupSide& from, GroupSide& to) {
        const std::optional<Ask> ask = from.handoff.next_ask(now);
        if (ask && asks_arrive) {
            from.handoff.on_answer(to.handoff.on_ask(*ask, peer_of(to), now));
        }
    }
    void carry_records(Side& from, Side& to) const {
        if (!peers_are_heard) return;
        while (const std::optional<Batch> batch = from.replication.next_batch(now)) {
            to.replication.take(*batch, coarse());
        }
        const std::optional<Acknowledgement> heard = to.replication.acknowledgement();
        if (!heard) return;
        from.replication.take(*heard, now);
        if (to.replication.wants_telling()) from.replication.take_request(heard->epoch);
    }
    void watch() {
        silence_ = here.answers() || there.answers() ? Duration{} : silence_ + kTick;
        longest_silence = std::max(longest_silence, silence_);
    }

    Duration silence_{};
};

}  // namespace tandem::pair
