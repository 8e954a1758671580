#pragma once

#include "dataplane/pipeline/burst.h"
#include "dataplane/tables/live.h"

namespace tandem::pipeline {

/// Gives each flow's packet the backend that its slot points to. Leaves: no_backend.
void pick(const tables::LiveView& tables, Burst& burst);

}  // namespace tandem::pipeline
