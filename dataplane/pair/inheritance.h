// What of a peer's flows matters to this instance once it answers for their domain: how long, and
// which slots they keep in use. The flows themselves are PeerFlows'. Pure: the time goes in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/base/time.h"
#include "dataplane/tables/flow_identity.h"
#include "dataplane/tables/flow_memory.h"

namespace tandem::pair {

class Inheritance {
  public:
    /// `remembering`: the longest a flow can be idle and be remembered; `use_cells`: a power of
    /// two.
    Inheritance(CoarseTime remembering, std::size_t use_cells);

    /// The peer's flows of the domain are this instance's to answer for, from now on.
    void begin(tables::Domain domain, CoarseTime now);
    /// Which slots of a pool's table have such flows, in transition or not.
    void note_use(std::uint64_t pool, const std::vector<bool>& has_flows, CoarseTime now);
    /// When the slot was last in use by them; 0: never. As long as there are any it is now: a slot
    /// that became steady before they are gone, and changed once more, would find them again.
    [[nodiscard]] CoarseTime last_use(std::uint64_t pool, std::uint32_t slot, CoarseTime now) const;

    /// A sweep meets a flow of the domain. Whether it has been silent for as long as one may be;
    /// nullopt: the domain is not inherited.
    [[nodiscard]] std::optional<bool> meet(tables::Domain domain, CoarseTime now);
    /// All flows have been met once more; `is_empty`: no flow of any domain is left.
    void end_sweep(bool is_empty);

  private:
    struct Inherited {
        tables::Domain domain;
        CoarseTime since;
        std::uint64_t sweeps;   ///< that had ended by then
        bool is_there = false;  ///< in the sweep that goes on, a flow was
    };

    CoarseTime remembering_;
    std::vector<Inherited> inherited_;
    std::uint64_t sweeps_ = 0;
    std::unique_ptr<tables::SlotUse::Cell[]> use_cells_;
    tables::SlotUse use_;
};

}  // namespace tandem::pair
