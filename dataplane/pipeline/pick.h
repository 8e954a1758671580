#pragma once

#include "dataplane/net/hash.h"
#include "dataplane/pipeline/burst.h"
#include "dataplane/tables/flow_memory.h"
#include "dataplane/tables/live.h"
#include "dataplane/tables/track.h"

namespace tandem::pipeline {

/// Where workers of one of two instances meet the other's flows. Not there: there is no other.
struct PairedFlows {
    const tables::PeerFlows* peers = nullptr;
    tables::FlowJournal* journal = nullptr;
};

/// What a worker remembers of flows, and by which key it tells them apart.
struct FlowTracker {
    tables::FlowTable table;
    KeyedHash hash;
    tables::SlotUse use;
    tables::TrackRules rules;
    const tables::PeerFlows* peers;
    const tables::Roles* roles = nullptr;  ///< none: there are no groups
    CoarseTime now = 0;
    bool asks_early = false;  ///< most packets of the last burst were of flows to be looked up

    FlowTracker(tables::FlowMemory& memory, std::uint32_t worker,
                const tables::FlowTimeouts& timeouts, const PairedFlows& paired = {})
        : table(memory.buckets(worker), memory.per_backend(worker), memory.statistics(worker),
                timeouts),
          hash(memory.key(worker)),
          use(memory.slot_use(worker)),
          rules{.udp_idle = timeouts.idle_s[static_cast<std::size_t>(tables::FlowState::kUdp)]},
          peers(paired.peers) {
        if (paired.journal != nullptr) {
            table.keep_journal(memory.identities(worker), *paired.journal);
        }
    }
};

/// Gives each flow's packet its backend: the one that its slot points to, or where the slot is not
/// steady the one that tables/track.h says. Leaves: no_backend.
void pick(const tables::LiveView& tables, FlowTracker& tracker, Burst& burst);

}  // namespace tandem::pipeline
