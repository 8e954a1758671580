// Keeps two instances in step, so that each can go on for the other: tells what this one answers
// for (teller.h), follows what the other one does (follower.h), and makes the tables of slots see
// it. Pure: roles, the peer's life, records and the time go in.
//
// A takeover is a change of tables and nothing else: slots go on from the owners that were steady
// there, and flows that were told of are looked up where the peer's are.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/base/time.h"
#include "dataplane/pair/follower.h"
#include "dataplane/pair/inheritance.h"
#include "dataplane/pair/message.h"
#include "dataplane/pair/teller.h"
#include "dataplane/tables/flow_journal.h"
#include "dataplane/tables/flow_memory.h"
#include "dataplane/tables/peer_flows.h"
#include "dataplane/tables/slot_tables.h"

namespace tandem::pair {

class Replication {
  public:
    struct Settings {
        StreamLimits limits{};
        CoarseTime remembering = 900;  ///< the longest a flow can be idle and be remembered
        std::uint32_t epoch = 1;       ///< of the stream, before the first: random bits
        std::size_t use_cells = tables::SlotUse::kCells;  ///< a power of two
    };
    /// `journals`: of the workers. `last_use`: by the workers.
    Replication(const Settings& settings, tables::SlotTables& slots, tables::PeerFlows& flows,
                std::span<tables::FlowJournal* const> journals,
                tables::SlotTables::LastUse last_use);

    /// What this instance has, after each new plan: backends by their numbers, what its own checks
    /// find of each, and which key chooses slots.
    void set_plan(std::vector<ToldBackend> backends, std::vector<tables::HealthState> verdicts,
                  std::uint64_t hash_key_id);
    /// The domains that this instance answers for. True: workers are to see other slots.
    /// `meanwhile` is called between tables: many take long.
    bool set_domains(
        std::vector<tables::Domain> domains, CoarseTime now,
        const std::function<void()>& meanwhile = [] {});

    /// The peer is heard, for the first time since it was lost; `is_new`: it has been restarted.
    void peer_appears(bool is_new, CoarseTime now);
    void peer_is_lost(CoarseTime now);
    /// By its heartbeat.
    void peer_has_key(std::uint64_t hash_key_id) { peers_key_id_ = hash_key_id; }

    void take(const Batch& batch, CoarseTime now);
    [[nodiscard]] std::optional<Acknowledgement> acknowledgement() const;
    void take(const Acknowledgement& acknowledgement, Instant now);
    /// The peer misses something of that epoch.
    void take_request(std::uint32_t epoch);
    /// Something of the epoch that is acknowledged is missing here: it is to be told anew.
    [[nodiscard]] bool wants_telling() const { return follower_.wants_telling(); }
    /// The next records for the peer, if it is time for any.
    std::optional<Batch> next_batch(Instant now) {
        const bool is_time = is_telling() && has_same_key();
        return is_time ? teller_.stream().next(now, kBatchRoom) : std::nullopt;
    }

    /// Often: moves on what can. True: workers are to see other slots.
    bool step(CoarseTime now);
    /// Once a second: as SlotTables::settle, but ends of transitions wait until the peer knows. And
    /// the peer compares one of the tables with what has become of it here.
    bool settle(CoarseTime now);
    /// From now on, or no longer, the peer hears of flows that have only just been opened as well:
    /// before a planned handoff.
    void want_openings(bool wanted);

    /// The peer lives, and speaks of the same slots.
    [[nodiscard]] bool hears_peer() const { return is_peer_alive_ && has_same_key(); }
    /// The peer has told all, and nothing of it is missing here; also of what it answers for only
    /// since this instance does not.
    [[nodiscard]] bool is_caught_up() const {
        return hears_peer() && follower_.is_caught_up() && awaited_.empty();
    }
    /// The peer has acknowledged all that there is to tell.
    [[nodiscard]] bool has_told_all() const { return is_telling() && teller_.is_caught_up(); }
    /// Of what it tells there is nothing that waits to be sent.
    [[nodiscard]] bool has_sent_all() const { return teller_.stream().has_sent_all(); }
    /// All that there is to tell, as the peer would acknowledge it.
    [[nodiscard]] Acknowledgement told() const {
        return {teller_.stream().epoch(), teller_.stream().end()};
    }
    /// Whether the peer has told all before that.
    [[nodiscard]] bool has_heard(const Acknowledgement& told) const {
        return told.epoch == 0 ||
               (receiver_.epoch() == told.epoch && receiver_.next() >= told.next);
    }
    [[nodiscard]] const Follower& follower() const { return follower_; }
    [[nodiscard]] const Teller& teller() const { return teller_; }
    [[nodiscard]] bool answers() const { return !domains_.empty(); }
    /// How often a telling began, and how often since more had changed than the peer could be told
    /// in time; and how many transitions ended without its knowledge.
    [[nodiscard]] std::uint64_t tellings() const { return tellings_; }
    [[nodiscard]] std::uint64_t overflows() const { return overflows_; }
    [[nodiscard]] std::uint64_t uncommitted() const { return uncommitted_; }

  private:
    [[nodiscard]] bool has_same_key() const {
        return hash_key_id_ != 0 && hash_key_id_ == peers_key_id_;
    }
    [[nodiscard]] bool has_overflowed() const;
    [[nodiscard]] bool is_telling() const { return !teller_.is_idle(); }
    [[nodiscard]] bool answers_for(tables::Domain domain) const;
    struct OwnTable {
        tables::SlotTableId id;
        std::uint64_t foundings;

        friend bool operator==(const OwnTable&, const OwnTable&) = default;
    };
    [[nodiscard]] std::vector<OwnTable> own_tables() const;
    void begin_telling();
    bool commit(const tables::SlotTableId& id, std::span<const tables::SlotMemory::Ending> endings,
                CoarseTime now);
    void finish_alone(const std::vector<Teller::Endings>& all, CoarseTime now);
    void tell_flows();
    bool tell_inherited();
    [[nodiscard]] bool is_of_steady_slot(tables::FlowIdentity identity,
                                         tables::BackendIndex backend) const;
    void hear(std::size_t journal);
    [[nodiscard]] CoarseTime last_use(std::uint64_t pool, std::uint32_t slot, CoarseTime now) const;
    void inherit(const std::vector<tables::Domain>& before, CoarseTime now);
    [[nodiscard]] bool is_over(tables::FlowIdentity identity, const tables::PeerFlows::Flow& flow,
                               bool is_old, CoarseTime now);
    bool follow_tables(bool all);
    void await(const std::vector<tables::Domain>& before);
    void await_no_longer();
    bool remember_flows(const tables::SlotTableId& id, CoarseTime now);
    void ask_journals(std::uint32_t serial);

    Settings settings_;
    tables::SlotTables* slots_;
    tables::PeerFlows* flows_;
    std::vector<tables::FlowJournal*> journals_;
    tables::SlotTables::LastUse last_use_;
    Teller teller_;
    Follower follower_;
    StreamReceiver receiver_;
    std::vector<ToldBackend> backends_;
    std::vector<tables::HealthState> verdicts_;
    std::vector<tables::Domain> domains_;  ///< sorted
    std::vector<tables::Domain> awaited_;  ///< given up, and the peer has not told of them yet
    std::vector<OwnTable> tables_in_telling_;
    std::uint64_t hash_key_id_ = 0;
    std::uint64_t peers_key_id_ = 0;
    bool is_peer_alive_ = false;
    bool follows_anew_ = false;  ///< tables have come that the peer may have told of before
    bool telling_is_due_ = false;
    bool have_ended_alone_ = false;   ///< transitions, and workers do not see it yet
    std::uint32_t asked_ = 0;         ///< of the journals
    std::vector<bool> is_answering_;  ///< by journal: it speaks of what was asked last
    std::vector<bool> has_answered_;
    Inheritance inheritance_;
    std::size_t next_inherited_ = 0;  ///< bucket of flows_, while those are told
    bool are_inherited_told_ = false;
    std::uint64_t tellings_ = 0;
    std::uint64_t overflows_ = 0;
    std::uint64_t uncommitted_ = 0;
};

}  // namespace tandem::pair
