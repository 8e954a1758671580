#include "dataplane/tables/merge.h"

#include <algorithm>
#include <arpa/inet.h>
#include <ranges>

namespace tandem::tables {

namespace {

/// Which of the last 32 bits of an address lie below a prefix length, in network order.
std::uint32_t host_mask(std::uint8_t prefix_length) {
    const unsigned host_bits = 128U - std::min<unsigned>(prefix_length, 128);
    if (host_bits >= 32) return 0xffff'ffffU;
    return htonl((1U << host_bits) - 1);
}

/// What would leave room for nonsense in the live tables. Indices out of bounds do not: who follows
/// them looks first.
std::optional<Error> contradiction(const PlanView& plan) {
    if (plan.vips.size() > kVipsMax || plan.pools.size() > kPoolsMax ||
        plan.backends.size() > kBackendsMax + 1) {
        return Error{"the plan has more VIPs, pools or backends than there may be"};
    }
    for (const PlanVip& shared : plan.vips) {
        const PlanVip vip = read_once(shared);
        if (vip.prefix_length > 128 || vip.port_first > vip.port_last ||
            vip.pool >= plan.pools.size()) {
            return Error{"VIP " + std::string(vip.name.view()) +
                         ": its prefix, ports or pool are not possible"};
        }
    }
    return std::nullopt;
}

}  // namespace

Result<std::vector<BlockRef>> Merger::merge(const Region& plan_region, const PlanView& plan,
                                            std::uint64_t plan_generation) {
    Result<std::vector<BlockRef>> references = write(plan_region, plan, plan_generation);
    if (!references) published(false);
    return references;
}

void Merger::published(bool done) {
    if (done) {
        merged_ = std::move(merging_);
    } else {
        live_->abandon();
    }
    merging_.clear();
}

Result<std::vector<BlockRef>> Merger::write(const Region& plan_region, const PlanView& plan,
                                            std::uint64_t plan_generation) {
    if (std::optional<Error> error = contradiction(plan)) return *error;
    const BuiltVipTable vips = build_vip_table(plan.vips);
    Result<BlockRef> head = write_head(plan, plan_generation, vips.shape);
    if (!head) return head.error();
    Result<BlockRef> vip_block = live_->allocate(vips.entries.size() * sizeof(VipEntry));
    if (!vip_block) return vip_block.error();
    std::ranges::copy(vips.entries, live_->array<VipEntry>(vip_block.value()).begin());
    Result<BlockRef> pool_block = live_->allocate(plan.pools.size() * sizeof(LivePool));
    if (!pool_block) return pool_block.error();
    Result<BlockRef> backends = write_backends(plan);
    if (!backends) return backends.error();

    std::vector<BlockRef> references{head.value(), vip_block.value(), pool_block.value(),
                                     backends.value()};
    const std::span<LivePool> pools = live_->array<LivePool>(pool_block.value());
    merging_.clear();
    for (std::size_t i = 0; i < plan.pools.size(); ++i) {
        const PlanPool pool = read_once(plan.pools[i]);
        if (i < merged_.size() && merged_[i].plan == pool.slots) {
            merging_.push_back(merged_[i]);
        } else {
            Result<BlockRef> slots = write_slots(plan_region, pool);
            if (!slots) return slots.error();
            merging_.push_back({pool.slots, slots.value()});
        }
        const BlockRef& slots = merging_.back().live;
        pools[i] = {.slots_offset = slots.offset,
                    .slot_count = static_cast<std::uint32_t>(slots.size_bytes / sizeof(Slot))};
        references.push_back(slots);
    }
    return references;
}

Result<BlockRef> Merger::write_head(const PlanView& plan, std::uint64_t plan_generation,
                                    const VipTableShape& shape) {
    Result<BlockRef> block = live_->allocate(sizeof(LiveHead));
    if (!block) return block;
    live_->array<LiveHead>(block.value())[0] = {
        .hash_key = plan.head->hash_key, .plan_generation = plan_generation, .vips = shape};
    return block;
}

Result<BlockRef> Merger::write_backends(const PlanView& plan) {
    Result<BlockRef> block = live_->allocate(plan.backends.size() * sizeof(LiveBackend));
    if (!block) return block;
    std::ranges::transform(
        plan.backends, live_->array<LiveBackend>(block.value()).begin(),
        [&](const PlanBackend& backend) { return live_backend(plan, read_once(backend)); });
    return block;
}

LiveBackend Merger::live_backend(const PlanView& plan, const PlanBackend& backend) const {
    LiveBackend live;
    if (backend.health == HealthState::kUnused || backend.pool >= plan.pools.size()) return live;
    const PlanPool pool = read_once(plan.pools[backend.pool]);
    live.mode = pool.mode;
    live.address = backend.address;
    if (backend.next_hop == 0 || backend.next_hop >= plan.next_hops.size()) return live;
    const PlanNextHop next_hop = read_once(plan.next_hops[backend.next_hop]);
    if (next_hop.port >= ports_.size()) return live;

    // A pool may have backends of both families; its tunnel source fits those of one.
    const bool has_own_source =
        pool.has_tunnel_source != 0 && pool.tunnel_source.is_v4() == backend.address.is_v4();
    live.outer_source = has_own_source
                            ? Prefix{pool.tunnel_source, pool.tunnel_source_length}.network()
                            : next_hop.source;
    live.outer_source_mask = has_own_source ? host_mask(pool.tunnel_source_length) : 0;
    live.destination_mac = next_hop.mac;
    live.source_mac = ports_[next_hop.port].mac;
    live.mtu = ports_[next_hop.port].mtu;
    live.port = next_hop.port;
    live.reachable = next_hop.resolved;
    return live;
}

Result<BlockRef> Merger::write_slots(const Region& plan_region, const PlanPool& pool) {
    const std::span<const BackendIndex> owners = plan_region.array<BackendIndex>(pool.slots);
    if (owners.size() != pool.slot_count || owners.empty()) {
        return Error{"pool " + std::string(pool.name.view()) + ": the plan has " +
                     std::to_string(owners.size()) + " slots where it says " +
                     std::to_string(pool.slot_count)};
    }
    Result<BlockRef> block = live_->allocate(owners.size() * sizeof(Slot));
    if (!block) return block;
    std::ranges::transform(owners, live_->array<Slot>(block.value()).begin(),
                           [](BackendIndex owner) { return Slot{.owner = owner}; });
    return block;
}

}  // namespace tandem::tables
