#include "dataplane/pipeline/punt.h"

#include <rte_ring.h>

namespace tandem::pipeline {

void punt(const Port& port, Burst& burst) {
    if (port.kernel_path != KernelPath::kTwin) return;
    for (Departed& departed : burst.departed()) {
        if (departed.verdict != Verdict::kPunted) continue;
        if (rte_ring_enqueue(port.to_kernel, departed.mbuf) == 0) {
            departed.mbuf = nullptr;
        } else {
            departed.verdict = Verdict::kPuntFull;
        }
    }
}

}  // namespace tandem::pipeline
