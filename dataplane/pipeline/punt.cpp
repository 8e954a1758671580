#include "dataplane/pipeline/punt.h"

#include <rte_ring.h>

namespace tandem::pipeline {

void punt(const Port& port, Burst& burst) {
    const bool has_twin = port.kernel_path == KernelPath::kTwin;
    for (Departed& departed : burst.departed()) {
        const bool to_pair = departed.verdict == Verdict::kPair;
        if (!to_pair && !(has_twin && departed.verdict == Verdict::kPunted)) continue;
        if (rte_ring_enqueue(to_pair ? port.to_pair : port.to_kernel, departed.mbuf) == 0) {
            departed.mbuf = nullptr;
        } else {
            departed.verdict = Verdict::kPuntFull;
        }
    }
}

}  // namespace tandem::pipeline
