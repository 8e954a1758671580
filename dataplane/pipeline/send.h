#pragma once

#include "dataplane/pipeline/burst.h"
#include "dataplane/pipeline/port.h"

namespace tandem::pipeline {

/// Hands answers, and every packet that is left, to their ports; afterwards the burst is empty. A
/// port that is full is tried again until `patience_cycles` of the TSC have passed. Leaves:
/// forwarded (taken by the port), tx_full.
void send(Ports ports, QueueId queue, std::uint64_t patience_cycles, Burst& burst);

}  // namespace tandem::pipeline
