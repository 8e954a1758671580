// What one pool's slots remember: where each pointed while it was last steady, and since when it is
// in transition. The main core's; workers see the result as Slot (live.h). Pure: time is handed in.
//
// A slot is in transition for `hold` after its last change of owner, whatever changed it. A slot
// that changes again while in transition changes its owner only: every flow opened since is
// remembered, and of those that are not, the steady owner's are all there can be.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

#include "dataplane/tables/flow_table.h"
#include "dataplane/tables/live.h"

namespace tandem::tables {

class SlotMemory {
  public:
    /// Continues from what workers see: an earlier process published it.
    void recover(std::span<const Slot> slots, std::span<const CoarseTime> changed_at,
                 std::span<const EarlierOwner> earlier);

    /// The slots point to `owners` from now on. Returns how many of them changed: all, if there
    /// were more or fewer of them before. What was steady is then kept by hash.
    std::size_t update(std::span<const BackendIndex> owners, CoarseTime now);

    struct Times {
        CoarseTime hold;         ///< of a transition, after the last change of the slot
        CoarseTime remembering;  ///< the longest a flow can be idle and be remembered
    };
    /// Ends the transitions that are over, and the asking for flows where none can be remembered
    /// any more. `last_use` says of a slot when a remembered flow of it was last seen. Returns how
    /// many slots look different to workers.
    std::size_t settle(CoarseTime now, const Times& times,
                       const std::function<CoarseTime(std::uint32_t)>& last_use);

    /// The end of a transition: the slot's owner becomes its steady owner, unless it has changed
    /// once more since then.
    struct Ending {
        std::uint32_t slot;
        BackendIndex owner;
        CoarseTime changed_at;
        std::uint32_t era = 0;  ///< of the slots: those of a later one are others
    };
    /// Transitions that are over, each once: for who has to tell the peer before they end here.
    /// Until finish() they go on.
    std::vector<Ending> take_endings(CoarseTime now, CoarseTime hold);
    /// Returns how many slots look different to workers.
    std::size_t finish(std::span<const Ending> endings, CoarseTime now, CoarseTime remembering,
                       const std::function<CoarseTime(std::uint32_t)>& last_use);

    /// What another instance says of slots that it has answered for so far: by slot its steady
    /// owner (or Slot::kByHash), by this instance's numbers.
    struct Steady {
        std::vector<std::uint16_t> owners;
        std::vector<EarlierOwner> earlier;

        friend bool operator==(const Steady&, const Steady&) = default;
    };
    /// Goes on for that other instance: slots whose steady owner there is not their owner here are
    /// in transition from now on. `is_remembered` says whether a slot has flows of the peer's.
    void take_over(const Steady& peers, CoarseTime now,
                   const std::function<bool(std::uint32_t)>& is_remembered);
    /// Steady slots for which it is true are asked for flows from now on. Returns how many.
    std::size_t remember(const std::function<bool(std::uint32_t)>& has_flows);
    /// Of each slot its steady owner, for who may have to go on for this instance.
    [[nodiscard]] Steady steady() const;

    /// As workers are to see them.
    [[nodiscard]] std::span<const Slot> slots() const { return slots_; }
    /// Of each slot the time of its last change; says nothing about slots not in transition.
    [[nodiscard]] std::span<const CoarseTime> changed_at() const { return changed_at_; }
    /// Who was steady where slots say `kByHash`.
    [[nodiscard]] std::span<const EarlierOwner> earlier() const { return earlier_; }
    /// Adds to each backend, by index, how many slots in transition have it as a steady owner and
    /// point to another. Backends beyond the end are not counted.
    void count_waiting(std::span<std::uint32_t> waiting) const;
    [[nodiscard]] std::size_t in_transition() const { return in_transition_; }
    /// Of Ending: grows when slots become others, or another instance's word becomes theirs.
    [[nodiscard]] std::uint32_t era() const { return era_; }
    /// Grows when slots get owners without a transition: nobody's before, or others of another
    /// table. Whoever was told of their steady owners has to be told anew.
    [[nodiscard]] std::uint64_t foundings() const { return foundings_; }
    /// Neither in transition nor steady: remembered flows are what is left of it.
    [[nodiscard]] std::size_t lingering() const { return lingering_.size(); }

  private:
    struct Change {
        CoarseTime at;
        std::uint32_t slot;
    };

    void point(std::uint32_t index, BackendIndex owner, CoarseTime now);
    std::size_t replace(std::span<const BackendIndex> owners, CoarseTime now);
    template <class Visit>
    void visit_steady(Visit&& visit) const;
    [[nodiscard]] std::vector<EarlierOwner> steady_by_hash() const;
    void end_transition(std::uint32_t slot, std::uint16_t steady);

    std::vector<Slot> slots_;
    std::vector<BackendIndex> owners_;  ///< of slots_, close together: to be compared at once
    std::vector<CoarseTime> changed_at_;
    std::vector<EarlierOwner> earlier_;
    std::deque<Change> changes_;  ///< the oldest first; outdated where the slot changed again
    std::vector<std::uint32_t> lingering_;
    std::size_t in_transition_ = 0;
    std::size_t by_hash_ = 0;  ///< of those in transition
    std::uint32_t era_ = 0;
    std::uint64_t foundings_ = 0;
};

}  // namespace tandem::tables
