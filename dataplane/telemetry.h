// Counters for whoever asks DPDK's telemetry socket (dpdk-telemetry.py): read-only, and alive even
// when control is not.
#pragma once

#include "dataplane/tables/flow_memory.h"
#include "dataplane/tables/live.h"

namespace tandem {

/// Answers /tandem/counters, /tandem/flows and /tandem/state for as long as it lives. One at a
/// time.
class Telemetry {
  public:
    Telemetry(const tables::Region& live, const tables::FlowMemory& memory);
    Telemetry(const Telemetry&) = delete;
    Telemetry& operator=(const Telemetry&) = delete;
    ~Telemetry();
};

}  // namespace tandem
