#pragma once

#include "dataplane/pipeline/burst.h"
#include "dataplane/tables/live.h"

namespace tandem::pipeline {

/// Counts every packet by its verdict and frees those nobody took.
void release(Burst& burst, tables::WorkerCounters& counters);

}  // namespace tandem::pipeline
