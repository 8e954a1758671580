#include "dataplane/pipeline/release.h"

#include <rte_mbuf.h>

namespace tandem::pipeline {

void release(Burst& burst, tables::WorkerCounters& counters) {
    DCHECK(burst.empty());
    std::array<std::uint32_t, kVerdictCount> seen{};
    seen[static_cast<std::size_t>(Verdict::kForwarded)] = burst.forwarded_count();
    std::array<rte_mbuf*, Burst::kCapacity> unsent;
    unsigned unsent_count = 0;
    for (const Departed& departed : burst.departed()) {
        ++seen[static_cast<std::size_t>(departed.verdict)];
        if (departed.mbuf != nullptr) unsent[unsent_count++] = departed.mbuf;
    }
    if (unsent_count != 0) rte_pktmbuf_free_bulk(unsent.data(), unsent_count);
    for (std::size_t verdict = 0; verdict < kVerdictCount; ++verdict) {
        // The only writer: a plain addition, atomic only so that readers see whole values.
        if (seen[verdict] != 0) tables::add(counters.verdicts[verdict], seen[verdict]);
    }
}

}  // namespace tandem::pipeline
