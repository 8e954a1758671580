#include "control/plan_region.h"

#include <algorithm>
#include <array>

namespace tandem {

using tables::BlockRef;
using tables::Region;
using tables::RegionKind;

PlanRegion::PlanRegion(Region plan, Region live, FileDescriptor flows)
    : plan_(std::make_unique<Region>(std::move(plan))),
      live_(std::make_unique<Region>(std::move(live))),
      flows_(std::move(flows)),
      publisher_(std::make_unique<tables::Publisher>(
          *plan_, std::span(&dataplane().plan_reader, std::size_t{1}))) {}

Result<PlanRegion> PlanRegion::map(std::array<FileDescriptor, tables::kRegionCount> regions) {
    Result<Region> plan_region =
        Region::map(std::move(regions[0]), RegionKind::kPlan, 0, tables::Access::kReadWrite);
    if (!plan_region) return plan_region.error();
    Result<Region> live_region = Region::map(std::move(regions[1]), RegionKind::kLive,
                                             sizeof(tables::LiveFixed), tables::Access::kRead);
    if (!live_region) return live_region.error();
    return PlanRegion(std::move(plan_region.value()), std::move(live_region.value()),
                      std::move(regions[2]));
}

std::optional<tables::PlanView> PlanRegion::published() const {
    if (publisher_->current().empty()) return std::nullopt;
    return tables::PlanView::open(*plan_, publisher_->generation());
}

std::vector<plan::Owners> PlanRegion::owners(const tables::PlanView& plan) const {
    std::vector<plan::Owners> owners;
    for (const tables::PlanPool& pool : plan.pools) {
        const auto slots = plan_->array<tables::BackendIndex>(pool.slots);
        owners.emplace_back(slots.begin(), slots.end());
    }
    return owners;
}

template <class T>
Result<BlockRef> PlanRegion::write(std::span<const T> records) {
    Result<BlockRef> block = publisher_->allocate(records.size_bytes());
    // As bytes; g++ 12's std::ranges::copy goes one by one.
    if (block)
        std::copy(records.begin(), records.end(), publisher_->array<T>(block.value()).begin());
    return block;
}

Result<std::vector<BlockRef>> PlanRegion::write_all(const plan::PlanContent& content,
                                                    std::map<std::string, Written>& written) {
    std::vector<tables::PlanPool> pools = content.pools;
    std::vector<BlockRef> slots;
    for (std::size_t i = 0; i < pools.size(); ++i) {
        const std::string name(pools[i].name.view());
        const std::shared_ptr<const plan::Owners>& owners = content.owners[i];
        const auto before = written_.find(name);
        Written now{owners, {}};
        if (before != written_.end() && before->second.owners == owners) {
            now.block = before->second.block;
        } else {
            Result<BlockRef> block = write<tables::BackendIndex>(*owners);
            if (!block) return block.error();
            now.block = block.value();
        }
        pools[i].slots = now.block;
        slots.push_back(now.block);
        written.insert_or_assign(name, std::move(now));
    }
    const std::array blocks{write<tables::PlanHead>(std::span(&content.head, 1)),
                            write<tables::PlanVip>(content.vips),
                            write<tables::PlanPool>(pools),
                            write<tables::PlanBackend>(content.backends),
                            write<tables::PlanNextHop>(content.next_hops),
                            write<tables::PlanGroup>(content.groups)};
    std::vector<BlockRef> references;
    for (const Result<BlockRef>& block : blocks) {
        if (!block) return block.error();
        references.push_back(block.value());
    }
    references.insert(references.end(), slots.begin(), slots.end());
    return references;
}

Result<std::uint64_t> PlanRegion::publish(const plan::PlanContent& content) {
    std::map<std::string, Written> written;
    Result<std::vector<BlockRef>> references = write_all(content, written);
    if (!references) {
        publisher_->abandon();
        return references.error();
    }
    Result<std::uint64_t> generation = publisher_->publish(std::move(references.value()));
    if (generation) {
        written_ = std::move(written);
    } else {
        publisher_->abandon();
    }
    return generation;
}

}  // namespace tandem
