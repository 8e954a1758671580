#include "dataplane/tables/plan.h"

namespace tandem::tables {

/// Unkeyed, so that every process has the same: names are the operator's own.
std::uint64_t name_id(const Name& name) {
    return KeyedHash(HashKey{}).of_bytes(std::as_bytes(std::span(name.view())));
}

std::optional<PlanView> PlanView::open(const Region& region, std::uint64_t generation) {
    PlanView view;
    view.references = region.references(generation);
    if (view.references.size() < kPlanFixedBlocks) return std::nullopt;
    const std::span<const PlanHead> head = region.array<PlanHead>(view.references[kPlanHead]);
    if (head.empty()) return std::nullopt;
    view.head = head.data();
    view.vips = region.array<PlanVip>(view.references[kPlanVips]);
    view.pools = region.array<PlanPool>(view.references[kPlanPools]);
    view.backends = region.array<PlanBackend>(view.references[kPlanBackends]);
    view.next_hops = region.array<PlanNextHop>(view.references[kPlanNextHops]);
    view.groups = region.array<PlanGroup>(view.references[kPlanGroups]);
    return view;
}

}  // namespace tandem::tables
