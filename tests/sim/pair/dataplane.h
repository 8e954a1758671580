// One life of a dataplane: the pair's pure machines, put together as main_core.cpp, pair_link.cpp,
// peer_link.cpp, paired_tables.cpp and pipeline/pick.cpp do it, in their order. What it sends is
// collected for the world to carry. A group has one VIP here, of IPv4.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/pair/handoff.h"
#include "dataplane/pair/hold_down.h"
#include "dataplane/pair/message.h"
#include "dataplane/pair/orders.h"
#include "dataplane/pair/preemption.h"
#include "dataplane/pair/replication.h"
#include "dataplane/pair/routers.h"
#include "dataplane/pair/step.h"
#include "dataplane/pair/suspicion.h"
#include "dataplane/tables/peer_flows.h"
#include "dataplane/tables/slot_tables.h"
#include "dataplane/tables/track.h"
#include "tests/sim/pair/channel.h"
#include "tests/sim/pair/memory.h"

namespace tandem::sim {

using Workers = std::deque<WorkerMemory>;

tables::Name name_of(std::size_t group);
tables::Domain domain_of(std::size_t group);

/// What leaves by worker 0, in order.
struct LanFrame {
    std::size_t group = 0;
    std::optional<std::uint8_t> advert_priority{};  ///< none: it announces
    Instant good_until{};
    std::vector<std::uint8_t> bytes{};
};

struct RoleChange {
    std::size_t group = 0;
    pair::Role role{};
    bool is_in_step = false;
    bool is_overdue = false;                ///< sync_timeout has passed without that
    bool is_asked = false;                  ///< the peer wants it so, and has told all
    Duration held_down{};                   ///< for so long the peer has not wanted it yet
    std::size_t adopted = 0;                ///< slots and flows that it goes on with for the peer
    std::array<bool, kPoolsMax> follows{};  ///< whose slots it goes on with
};

/// A flow as a worker knows it.
struct FlowSeen {
    std::size_t group = 0;
    std::size_t pool = 0;
    std::uint64_t key = 0;  ///< its ports and addresses
};

/// The pair's: slots are chosen by it.
inline constexpr HashKey kSlotKey{{5, 3, 1}};

inline tables::FlowIdentity identity_of(const KeyedHash& slot_hash, const FlowSeen& flow) {
    return tables::flow_identity(slot_hash.of_pair(flow.key, flow.pool), domain_of(flow.group));
}

class Dataplane {
  public:
    Dataplane(const Shape& shape, std::size_t number, std::uint64_t life, Workers& memory,
              LiveTables& live, std::shared_ptr<const Plan> plan, tables::PeerFlows& peer_flows,
              Instant now);

    // What arrives waits for the next step.
    void on_frame(std::vector<std::uint8_t> frame) { frames_.push_back(std::move(frame)); }
    void on_datagram(Datagram datagram, Instant at) {
        datagrams_.push_back({std::move(datagram), at});
    }
    void on_plan(std::shared_ptr<const Plan> plan) { plan_ = std::move(plan); }
    void on_order(const tables::Order& order) { orders_->take(order); }

    void set_clock(Instant now) { clock_ = coarse(now); }
    /// One loop of each worker, unless they stand still.
    void work(Instant now);
    /// One loop of the main core.
    void step(Instant now);
    // Parts of it, see pair::step().
    void hear_peer(Instant now);
    void step_routers(Instant now);
    void follow_peer(Instant now);
    void speak(Instant now);
    void judge(Instant now);
    [[nodiscard]] bool is_idle() const { return orders_->is_idle(); }
    [[nodiscard]] const pair::Handoff& handoff() const { return *handoff_; }
    /// SIGTERM: what it has is handed off. To be stopped when has_left().
    void leave(Instant now);
    [[nodiscard]] bool has_left(Instant now) const;
    /// Gives up what it still has. Its workers go on until kLate has passed.
    void stop(Instant now);
    /// Where a worker sends a packet: kNobody if to nobody.
    BackendId forward(const FlowSeen& flow, const tables::FlowSignal& signal);

    void set_workers_run(bool run) { workers_run_ = run; }
    [[nodiscard]] bool workers_run() const { return workers_run_; }
    /// As the main core has found.
    [[nodiscard]] bool is_fit() const { return is_fit_; }
    /// Worker::send_from_pair.
    [[nodiscard]] std::vector<LanFrame> take_frames(Instant now) {
        std::erase_if(ring_, [&](const LanFrame& frame) { return frame.good_until < now; });
        return std::exchange(ring_, {});
    }
    [[nodiscard]] std::vector<Datagram> take_datagrams() { return std::exchange(sent_, {}); }
    [[nodiscard]] std::vector<RoleChange> take_changes() { return std::exchange(changes_, {}); }

    [[nodiscard]] bool is_active(std::size_t group) const {
        return !roles_.is_silent(numbers_[group], /*is_v4=*/true);
    }
    /// Of its takeover, while it is active and wants to be; else 0.
    [[nodiscard]] std::uint32_t term(std::size_t group) const {
        const pair::GroupClaim claim = routers_->claims()[group];
        return claim.is_active ? claim.term : 0;
    }
    /// When it said so last.
    [[nodiscard]] Instant claimed_at(std::size_t group) const { return claimed_at_[group]; }
    /// By its own memory, not by what the peer tells.
    [[nodiscard]] bool is_tracking(const FlowSeen& flow) const {
        const LiveTables::Pool* pool =
            live_->find({.pool = pool_id(flow.pool), .domain = domain_of(flow.group)});
        return pool != nullptr && !pool->is_followed;
    }
    /// It is remembered, but for a packet or two only: nobody is told of that.
    [[nodiscard]] bool is_on_probation(const FlowSeen& flow) const {
        const std::optional<tables::FlowState> state = state_of(flow);
        return state && tables::on_probation(*state);
    }
    /// Where an old flow goes that is not remembered.
    [[nodiscard]] BackendId by_slot(const FlowSeen& flow) const;
    [[nodiscard]] bool is_closing(const FlowSeen& flow) const {
        return state_of(flow) == tables::FlowState::kClosing;
    }
    /// Its slot is steady, and what was remembered of a connection before it has not been swept.
    [[nodiscard]] bool has_outdated(const FlowSeen& flow) const;
    [[nodiscard]] const pair::Replication& replication() const { return *replication_; }
    [[nodiscard]] const tables::SlotTables& slots() const { return slots_; }
    /// Grows whenever slots, or what is followed of them, become others.
    [[nodiscard]] std::uint64_t slots_revision() const;
    [[nodiscard]] const tables::PeerFlows& peer_flows() const { return *peer_flows_; }
    [[nodiscard]] const LiveTables& live() const { return *live_; }
    /// Journals are empty: all that workers have said has been passed on.
    [[nodiscard]] bool has_heard_workers() const;
    /// A worker had more to say than there was room for, and has not been asked again.
    [[nodiscard]] bool has_lost_words() const {
        return std::ranges::any_of(
            journals_, [](const tables::FlowJournal& journal) { return journal.has_overflowed(); });
    }
    /// By index, as control is shown them; empty: the peer is not known.
    [[nodiscard]] std::span<const tables::HealthState> peers_verdicts() const;
    [[nodiscard]] bool is_peer_alive() const { return heard_.has_value(); }
    [[nodiscard]] bool has_same_tables() const { return has_same_tables_; }
    [[nodiscard]] bool is_plan_new() const { return is_plan_new_; }
    /// It could go on for the peer, and has the same tables.
    [[nodiscard]] bool is_in_step() const;
    /// What it knows of a flow, for a reader of a trace.
    [[nodiscard]] std::string describe(const FlowSeen& flow) const;
    /// So many flows found no room, or had to make room.
    [[nodiscard]] std::uint64_t crowded() const;

  private:
    struct Worker {
        tables::FlowTable table;
        KeyedHash hash;
        tables::SlotUse use;
        CoarseTime swept_at = 0;
        std::size_t sweep_left = 0;
    };

    [[nodiscard]] CoarseTime coarse(Instant now) const;
    [[nodiscard]] std::size_t worker_of(const FlowSeen& flow) const {
        return flow.key % workers_.size();
    }
    /// As its worker remembers it.
    [[nodiscard]] std::optional<tables::FlowState> state_of(const FlowSeen& flow) const {
        return (*memory_)[worker_of(flow)].state_of(identity_of(slot_hash_, flow));
    }
    /// Where a flow belongs.
    struct Place {
        const LiveTables::Pool* pool;
        std::uint32_t index;
        tables::SlotNow slot;
    };
    /// nullopt: there is no table for it.
    [[nodiscard]] std::optional<Place> place_of(const FlowSeen& flow) const;
    [[nodiscard]] BackendId id_of(tables::BackendIndex backend) const;
    void plan_groups();
    void follow_groups(Instant now);
    bool report(bool is_asked);
    void say(Instant now);
    [[nodiscard]] pair::Handoff::Peer peer() const {
        return {.is_alive = heard_.has_value(), .is_caught_up = heard_ && heard_->is_caught_up};
    }
    void look_at_workers(Instant now);
    void follow_roles(Instant now);
    bool set_domains(Instant now);
    [[nodiscard]] std::size_t adoptable(std::size_t group) const;
    [[nodiscard]] std::array<bool, kPoolsMax> follows(std::size_t group) const;
    void believe(const Datagram& datagram, Instant at, Instant now);
    void take(const pair::Message& message, bool is_new, Instant at, Instant now);
    void converse(Instant now);
    [[nodiscard]] pair::Message heartbeat() const;
    void follow_plan(Instant now);
    void merge(Instant now);
    void publish();
    void set_plan();

    const Shape* shape_;
    std::size_t number_;
    LiveTables* live_;
    Workers* memory_;
    KeyedHash slot_hash_;
    std::shared_ptr<const Plan> plan_;
    std::uint64_t merged_ = 0;
    bool has_published_ = false;
    std::vector<std::shared_ptr<const plan::Owners>> merged_owners_;

    tables::SlotTables slots_;
    tables::PeerFlows* peer_flows_;
    std::deque<tables::FlowJournal> journals_;
    std::optional<pair::Replication> replication_;
    std::deque<Worker> workers_;
    tables::TrackRules rules_;
    CoarseTime clock_ = 0;  ///< that workers read
    CoarseTime settled_at_ = 0;

    tables::Roles roles_;
    std::array<tables::PortInfo, 1> ports_;
    std::vector<tables::PlanGroup> groups_;
    std::vector<tables::PlanVip> vips_;
    pair::Routers::Numbers numbers_{};
    std::optional<pair::Routers> routers_;
    std::optional<pair::Handoff> handoff_;
    tables::PeerState peer_state_;
    std::optional<pair::Orders> orders_;
    std::vector<std::vector<std::uint8_t>> frames_;  ///< heard on the LAN
    std::vector<LanFrame> ring_;
    std::array<Instant, kGroupsMax> claimed_at_{};
    std::vector<RoleChange> changes_;
    std::optional<Instant> leaving_since_;
    std::optional<Instant> idle_since_;  ///< while it leaves: all is handed off
    bool workers_run_ = true;
    bool has_looped_ = true;  ///< a worker, since the last look
    bool is_fit_ = true;
    Duration still_{};
    std::optional<Instant> looked_at_;

    Channel channel_;
    pair::Suspicion suspicion_;
    std::vector<std::pair<Datagram, Instant>> datagrams_;
    std::vector<Datagram> sent_;
    std::optional<pair::Heartbeat> heard_;
    Instant heard_at_{};
    std::vector<pair::GroupClaim> claims_;
    std::vector<pair::Ask> asked_;
    std::vector<pair::Answer> answered_;
    std::optional<pair::Ask> ask_;
    std::optional<pair::Answer> answer_;
    pair::Heartbeat own_;
    Instant stepped_at_{};
    Instant next_heartbeat_{};
    Instant answered_at_{};
    bool owes_answer_ = false;
    bool is_new_life_ = false;
    bool is_plan_new_ = false;  ///< there was no step since it came
    bool has_same_tables_ = false;
    bool knows_verdicts_ = false;
    std::optional<Instant> held_down_since_;
    pair::PreemptionGate gate_;
    pair::HoldDown hold_down_;
};

}  // namespace tandem::sim
