#include "dataplane/tables/merge.h"

#include <algorithm>
#include <ranges>

namespace tandem::tables {

namespace {

OuterHeader outer_header(const PlanPool& pool, const PlanBackend& backend,
                         const PlanNextHop& next_hop, const Mac& our_mac) {
    if (pool.mode == ForwardMode::kL2) return link_header(next_hop.mac, our_mac);
    // A pool may have backends of both families; its tunnel source fits those of one.
    const bool has_own_source =
        pool.has_tunnel_source != 0 && pool.tunnel_source.is_v4() == backend.address.is_v4();
    if (!has_own_source) {
        return ipip_header(next_hop.mac, our_mac, next_hop.source, 0, backend.address);
    }
    const auto host_bits = static_cast<std::uint8_t>(128 - pool.tunnel_source_length);
    return ipip_header(next_hop.mac, our_mac, pool.tunnel_source, host_bits, backend.address);
}

/// A pool's times and its earlier owners share a block; the second array begins a cache line.
std::size_t times_bytes(const SlotMemory& memory) {
    return (memory.changed_at().size_bytes() + kCacheLineBytes - 1) / kCacheLineBytes *
           kCacheLineBytes;
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

/// A plan's pool as the VIPs of one domain have it.
struct UsedPool {
    std::uint16_t pool;
    Domain domain;
    std::uint8_t group = kNoGroup;  ///< the plan's number

    friend bool operator==(const UsedPool& a, const UsedPool& b) {
        return a.pool == b.pool && a.domain == b.domain;
    }
};

Domain domain_of(const PlanVip& vip, std::span<const PlanGroup> groups) {
    if (vip.group >= groups.size()) return kNoDomain;
    const PlanGroup group = read_once(groups[vip.group]);
    return group_domain(name_id(group.name), group.router_id, vip.address.is_v4());
}

/// Each pool of the plan, in its order, for the first domain that has it; then for further ones.
std::vector<UsedPool> used_pools(const PlanView& plan) {
    std::vector<UsedPool> used;
    for (std::size_t i = 0; i < plan.pools.size(); ++i) {
        used.push_back({static_cast<std::uint16_t>(i), kNoDomain});
    }
    std::vector<bool> is_used(plan.pools.size());
    for (const PlanVip& shared : plan.vips) {
        const PlanVip vip = read_once(shared);
        const UsedPool wanted{vip.pool, domain_of(vip, plan.groups), vip.group};
        if (vip.pool >= is_used.size()) continue;
        if (!is_used[vip.pool]) {
            used[vip.pool] = wanted;
            is_used[vip.pool] = true;
        } else if (std::ranges::find(used, wanted) == used.end()) {
            used.push_back(wanted);
        }
    }
    return used;
}

/// VIPs that refer to pools as workers have them.
std::vector<PlanVip> with_used_pools(const PlanView& plan, std::span<const UsedPool> used) {
    std::vector<PlanVip> vips;
    for (const PlanVip& shared : plan.vips) {
        vips.push_back(read_once(shared));
        PlanVip& vip = vips.back();
        const UsedPool wanted{vip.pool, domain_of(vip, plan.groups)};
        vip.pool = static_cast<std::uint16_t>(std::ranges::find(used, wanted) - used.begin());
    }
    return vips;
}

/// As workers see slots that the other instance answers for.
std::vector<Slot> followed(std::span<const Slot> own, const SlotMemory::Steady& peers) {
    std::vector<Slot> slots(own.begin(), own.end());
    for (std::size_t i = 0; i < slots.size(); ++i) slots[i].steady = peers.owners[i];
    return slots;
}

/// Times say nothing about slots not in transition, which is nearly all of them nearly always:
/// those are left out, so many at once as one branch is for.
void copy_slots(std::span<const Slot> slots, std::span<const CoarseTime> times,
                std::span<Slot> slots_to, std::span<CoarseTime> times_to) {
    constexpr std::size_t kAtOnce = 64;
    // Not std::ranges::copy, of which g++ 12 makes a loop over single slots.
    std::copy(slots.begin(), slots.end(), slots_to.begin());
    for (std::size_t first = 0; first < slots.size(); first += kAtOnce) {
        const std::size_t count = std::min(kAtOnce, slots.size() - first);
        Slot lowest;
        for (const Slot& slot : slots.subspan(first, count)) {
            lowest.steady = std::min(lowest.steady, slot.steady);
        }
        if (!lowest.is_in_transition()) continue;
        std::ranges::copy(times.subspan(first, count), times_to.subspan(first).begin());
    }
}

}  // namespace

Merger::Merger(Region& live_region, Publisher& live, std::span<const PortInfo> ports)
    : live_(&live), ports_(ports) {
    group_numbers_.fill(kNoGroup);
    LiveView view;
    if (live.current().empty() || !view.open(live_region, live.generation())) return;
    for (std::size_t i = 0; i < view.pools().size(); ++i) {
        const std::size_t at = kLiveFixedBlocks + 2 * i;
        if (at + 1 >= live.current().size()) return;
        const LiveView::Pool& seen = view.pools()[i];
        const SlotTableId id{.pool = seen.id, .domain = seen.domain};
        SlotTables::Table& table = slots_.restore(id);
        table.memory.recover({seen.slots, seen.slot_count}, {seen.changed_at, seen.slot_count},
                             seen.earlier);
        table.void_before = seen.void_before;
        blocks_[id] = {.plan = {},
                       .slots = live.current()[at],
                       .times = live.current()[at + 1],
                       .revision = table.revision};
    }
}

Result<std::vector<BlockRef>> Merger::merge(const Region& plan_region, const PlanView& plan,
                                            std::uint64_t plan_generation, CoarseTime now,
                                            const std::function<bool()>& is_intact,
                                            const std::function<void()>& meanwhile) {
    if (std::optional<Error> error = contradiction(plan)) return *error;
    if (Status status = read_owners(plan_region, plan, now, is_intact, meanwhile); !status) {
        return status.error();
    }
    fresh_.clear();
    Result<std::vector<BlockRef>> references = write(plan, plan_generation, meanwhile);
    if (!references) published(false);
    return references;
}

void Merger::published(bool done) {
    if (done) {
        for (const Fresh& fresh : fresh_) {
            Blocks& blocks = blocks_[fresh.id];
            blocks.slots = fresh.slots;
            blocks.times = fresh.times;
            blocks.revision = fresh.revision;
        }
    } else {
        live_->abandon();
    }
    fresh_.clear();
}

/// Takes over the owners of those tables that have others than at the last time.
Status Merger::read_owners(const Region& plan_region, const PlanView& plan, CoarseTime now,
                           const std::function<bool()>& is_intact,
                           const std::function<void()>& meanwhile) {
    std::vector<PlanPool> records;
    for (const PlanPool& shared : plan.pools) records.push_back(read_once(shared));
    std::vector<std::vector<BackendIndex>> owners(records.size());
    const std::vector<UsedPool> used = used_pools(plan);
    for (const UsedPool& each : used) {
        const PlanPool& record = records[each.pool];
        const auto known = blocks_.find({name_id(record.name), each.domain});
        const bool is_read = !owners[each.pool].empty();
        if (is_read || (known != blocks_.end() && known->second.plan == record.slots)) continue;
        const auto block = plan_region.array<BackendIndex>(record.slots);
        if (block.size() != record.slot_count || block.empty()) {
            return Error{"pool " + std::string(record.name.view()) + ": the plan has " +
                         std::to_string(block.size()) + " slots where it says " +
                         std::to_string(record.slot_count)};
        }
        owners[each.pool].resize(block.size());
        std::ranges::transform(block, owners[each.pool].begin(), [](BackendIndex owner) {
            return owner > kBackendsMax ? kNoBackend : owner;
        });
    }
    if (!is_intact()) return Error{"the plan was replaced while it was read"};

    std::vector<SlotTableId> ids;
    for (const UsedPool& each : used) {
        ids.push_back({name_id(records[each.pool].name), each.domain});
    }
    slots_.keep_only(ids);
    std::erase_if(blocks_, [&](const auto& entry) { return slots_.find(entry.first) == nullptr; });
    for (std::size_t i = 0; i < used.size(); ++i) {
        const PlanPool& record = records[used[i].pool];
        Blocks& blocks = blocks_[ids[i]];
        slots_.set_hold(ids[i], record.transition_hold_s);
        if (owners[used[i].pool].empty() || blocks.plan == record.slots) continue;
        meanwhile();
        slots_.update(ids[i], owners[used[i].pool], now);
        blocks.plan = record.slots;
    }
    return Nothing{};
}

Result<std::vector<BlockRef>> Merger::write(const PlanView& plan, std::uint64_t plan_generation,
                                            const std::function<void()>& meanwhile) {
    const std::vector<UsedPool> used = used_pools(plan);
    if (used.size() > kLivePoolsMax) {
        return Error{"VIPs of too many groups share their pools"};
    }
    BuiltVipTable vips = build_vip_table(with_used_pools(plan, used));
    const auto number_of = [&](std::uint8_t group) {
        return group < kGroupsMax ? group_numbers_[group] : kNoGroup;
    };
    for (VipEntry& entry : vips.entries) entry.group = number_of(entry.group);
    Result<BlockRef> head = write_head(plan, plan_generation, vips.shape);
    if (!head) return head.error();
    Result<BlockRef> vip_block = live_->allocate(vips.entries.size() * sizeof(VipEntry));
    if (!vip_block) return vip_block.error();
    std::ranges::copy(vips.entries, live_->array<VipEntry>(vip_block.value()).begin());
    Result<BlockRef> pool_block = live_->allocate(used.size() * sizeof(LivePool));
    if (!pool_block) return pool_block.error();
    Result<BlockRef> backends = write_backends(plan);
    if (!backends) return backends.error();

    std::vector<BlockRef> references{head.value(), vip_block.value(), pool_block.value(),
                                     backends.value()};
    const std::span<LivePool> pools = live_->array<LivePool>(pool_block.value());
    for (std::size_t i = 0; i < used.size(); ++i) {
        const PlanPool pool = read_once(plan.pools[used[i].pool]);
        pools[i] = {};
        pools[i].id = name_id(pool.name);
        pools[i].domain = used[i].domain;
        pools[i].number = used[i].pool;
        pools[i].group = number_of(used[i].group);
        pools[i].flow_budget_percent = pool.flow_budget_percent;
        const SlotTableId id{.pool = pools[i].id, .domain = used[i].domain};
        if (slots_.find(id) == nullptr) return Error{"the plan was replaced while it was read"};
        meanwhile();
        if (Status status = write_slots(id, pools[i], references); !status) return status.error();
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
    std::vector<PlanPool> pools;
    for (const PlanPool& pool : plan.pools) pools.push_back(read_once(pool));
    const std::span<LiveBackend> live = live_->array<LiveBackend>(block.value());
    for (std::size_t i = 0; i < live.size(); ++i) {
        write_backend(live[i], plan, pools, read_once(plan.backends[i]));
    }
    return block;
}

void Merger::write_backend(LiveBackend& live, const PlanView& plan, std::span<const PlanPool> pools,
                           const PlanBackend& backend) const {
    live = {};
    if (backend.health == HealthState::kUnused || backend.pool >= pools.size()) return;
    const PlanPool& pool = pools[backend.pool];
    live.pool = backend.pool;
    live.serves_flows = backend.serves_flows;
    if (backend.next_hop == 0 || backend.next_hop >= plan.next_hops.size()) return;
    const PlanNextHop next_hop = read_once(plan.next_hops[backend.next_hop]);
    if (next_hop.port >= ports_.size()) return;

    live.outer = outer_header(pool, backend, next_hop, ports_[next_hop.port].mac);
    live.mtu = ports_[next_hop.port].mtu;
    live.port = next_hop.port;
    live.reachable = next_hop.resolved;
}

Status Merger::write_slots(const SlotTableId& id, LivePool& record,
                           std::vector<BlockRef>& references) {
    const SlotTables::Table& table = *slots_.find(id);
    const Blocks& blocks = blocks_[id];
    BlockRef slots = blocks.slots;
    BlockRef times = blocks.times;
    const std::size_t earlier_at = times_bytes(table.memory);
    const std::span<const EarlierOwner> earlier =
        table.peers ? std::span<const EarlierOwner>(table.peers->earlier) : table.memory.earlier();
    if (blocks.revision != table.revision) {
        const std::vector<Slot> peers_slots =
            table.peers ? followed(table.memory.slots(), *table.peers) : std::vector<Slot>{};
        const std::span<const Slot> now =
            table.peers ? std::span<const Slot>(peers_slots) : table.memory.slots();
        Result<BlockRef> slot_block = live_->allocate(now.size_bytes());
        if (!slot_block) return slot_block.error();
        Result<BlockRef> time_block = live_->allocate(earlier_at + earlier.size_bytes());
        if (!time_block) return time_block.error();
        slots = slot_block.value();
        times = time_block.value();
        copy_slots(now, table.memory.changed_at(), live_->array<Slot>(slots),
                   live_->array<CoarseTime>(times));
        const BlockRef rest{times.offset + earlier_at, earlier.size_bytes(), 0};
        std::ranges::copy(earlier, live_->array<EarlierOwner>(rest).begin());
        fresh_.push_back({id, slots, times, table.revision});
    }
    record.slots_offset = slots.offset;
    record.times_offset = times.offset;
    record.earlier_offset = times.offset + earlier_at;
    record.slot_count = static_cast<std::uint32_t>(table.memory.slots().size());
    record.earlier_count = static_cast<std::uint32_t>(earlier.size());
    record.void_before = table.void_before;
    record.is_followed = static_cast<Flag>(table.peers.has_value());
    references.push_back(slots);
    references.push_back(times);
    return Nothing{};
}

}  // namespace tandem::tables
