// Counters for whoever asks DPDK's telemetry socket (dpdk-telemetry.py): read-only, and alive even
// when control is not.
#pragma once

#include "dataplane/tables/flow_memory.h"
#include "dataplane/tables/live.h"

namespace tandem {

/// Registers /tandem/counters, /tandem/flows and /tandem/state. Both must outlive DPDK's telemetry
/// thread.
void register_telemetry(const tables::Region& live, const tables::FlowMemory& memory);

}  // namespace tandem
