// Random plans whose content can be checked without knowing what was published: the head of a plan
// carries a digest of all of it, and its hash key, which reaches the workers, one of what they see.
#pragma once

#include <cstdint>
#include <optional>
#include <random>

#include "dataplane/tables/live.h"
#include "tests/unit/tables/plan_content.h"

namespace tandem::tables {

/// A plan to follow `before`: VIPs, backends and next hops all new, some pools as they were.
PlanContent next_checked_plan(const PlanContent& before, std::mt19937_64& random);

/// What a plan in shared memory says, as a content to go on from; its pools keep their blocks.
PlanContent read_back(const PlanView& plan);

/// Whether everything in it is of one version.
bool is_whole_plan(const Region& region, const PlanView& plan);

/// Whether everything a worker sees is of one version. `view` must be of `generation`.
bool is_whole_live(const Region& region, const LiveView& view, std::uint64_t generation);

}  // namespace tandem::tables
