#pragma once

#include <span>

#include "dataplane/pipeline/burst.h"
#include "dataplane/tables/live.h"

namespace tandem::pipeline {

/// Rewrites each flow's packet for the way to its backend: l2 (destination MAC) or ipip.
/// Leaves: backend_unreachable, ttl_expired, too_big.
void forward(std::span<const tables::LiveBackend> backends, Burst& burst);

}  // namespace tandem::pipeline
