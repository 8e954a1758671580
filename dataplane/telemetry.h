// Counters for whoever asks DPDK's telemetry socket (dpdk-telemetry.py): read-only, and alive even
// when control is not.
#pragma once

#include "dataplane/tables/live.h"

namespace tandem {

/// Registers /tandem/counters and /tandem/state. `live` must outlive DPDK's telemetry thread.
void register_telemetry(const tables::Region& live);

}  // namespace tandem
