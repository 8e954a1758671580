// Tells the other instance what it needs to go on for this one: see record.h. Pure; what happens
// here goes in, records of the stream come out.
//
// Nothing is told twice but in another telling, and a telling that cannot keep up breaks loudly:
// the next one begins from the beginning.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/pair/record.h"
#include "dataplane/pair/stream.h"
#include "dataplane/tables/flow_journal.h"
#include "dataplane/tables/slot_tables.h"

namespace tandem::pair {

class Teller {
  public:
    /// `epoch`: as StreamSender's.
    explicit Teller(const StreamLimits& limits, std::uint32_t epoch = 1) : stream_(limits, epoch) {}

    /// What does not change while it is told.
    struct Contents {
        std::vector<ToldBackend> backends;
        std::vector<ToldVerdict> verdicts;
        std::vector<tables::SlotTableId> tables;  ///< those that this instance answers for
    };
    /// Ends of transitions that still wait are told anew, but those of slots that are others now.
    void begin(Contents contents, const tables::SlotTables& slots);
    /// There is nobody to be told.
    void stop() { phase_ = Phase::kIdle; }

    /// As much as there is room for, and as a step may take.
    void go_on(const tables::SlotTables& slots);
    /// Backends and tables are told: it is the flows' turn.
    [[nodiscard]] bool awaits_flows() const { return phase_ == Phase::kFlows; }
    /// Whether a flow may be told now.
    [[nodiscard]] bool takes_flows() const { return phase_ >= Phase::kFlows && stream_.has_room(); }
    void tell(const tables::FlowChange& change);
    void all_flows_told();

    /// At any time: these are told in order with all else.
    void tell(const ToldBackend& backend);
    void tell(const ToldVerdict& verdict);

    /// Whether the peer follows this table, or is about to.
    [[nodiscard]] bool tells(const tables::SlotTableId& id) const;
    struct Endings {
        tables::SlotTableId id;
        std::vector<tables::SlotMemory::Ending> slots;
    };
    /// Ends of transitions, of a table that is told. They may take effect when they come back by
    /// take_acknowledged().
    void tell(Endings endings);
    std::vector<Endings> take_acknowledged();
    /// What the next of the tables, in turn, comes to; nothing while not all is told, or while ends
    /// of transitions wait, which the peer knows already and this instance does not.
    void tell_digest(const tables::SlotTables& slots);
    /// Those that nobody will acknowledge any more: all, or those of one table.
    std::vector<Endings> take_unacknowledged(std::optional<tables::SlotTableId> id = {});

    /// The peer has acknowledged all that there is to know.
    [[nodiscard]] bool is_caught_up() const {
        return phase_ == Phase::kChanges && stream_.first() >= told_at_;
    }
    [[nodiscard]] bool is_idle() const { return phase_ == Phase::kIdle; }
    /// It has to begin anew.
    [[nodiscard]] bool is_broken() const { return phase_ != Phase::kIdle && stream_.is_broken(); }
    [[nodiscard]] StreamSender& stream() { return stream_; }
    [[nodiscard]] const StreamSender& stream() const { return stream_; }

  private:
    enum class Phase : std::uint8_t { kIdle, kTables, kFlows, kChanges };
    struct Waiting {
        Endings endings;
        std::size_t told = 0;                ///< of its slots
        std::optional<std::uint64_t> until;  ///< it is acknowledged; not all told yet: none
    };

    void push(const Told& told) { stream_.push(encode(told)); }
    template <class Told>
    void tell_in_turn(const Told& told, std::vector<Told>& contents, std::size_t next);
    bool tell_table(const tables::SlotTables& slots);
    void tell_endings();
    void push_endings(Waiting& waiting);

    StreamSender stream_;
    Phase phase_ = Phase::kIdle;
    Contents contents_;
    std::size_t next_backend_ = 0;
    std::size_t next_verdict_ = 0;
    std::size_t next_table_ = 0;
    tables::SlotMemory::Steady steady_;  ///< of the table that is being told
    std::size_t next_slot_ = 0;
    bool is_in_table_ = false;
    std::deque<Waiting> waiting_;
    std::size_t next_digest_ = 0;
    std::uint64_t told_at_ = 0;
};

}  // namespace tandem::pair
