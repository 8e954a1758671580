#include "tests/unit/tables/checked_plan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "tests/unit/tables/outer_header.h"

namespace tandem::tables {

namespace {

constexpr std::size_t kPools = 4;

class Digest {
  public:
    Digest& add(std::uint64_t value) {
        state_ = std::rotl((state_ ^ value) * 0x9e3779b97f4a7c15U, 31);
        return *this;
    }
    Digest& add(const IpAddress& address) {
        std::array<std::uint64_t, 2> halves{};
        std::memcpy(halves.data(), address.bytes.data(), sizeof(halves));
        return add(halves[0]).add(halves[1]);
    }
    Digest& add(const std::array<std::uint8_t, 6>& mac) {
        for (const std::uint8_t byte : mac) add(std::uint64_t{byte});
        return *this;
    }
    [[nodiscard]] std::uint64_t value() const { return state_; }

  private:
    std::uint64_t state_ = 1;
};

/// The part of the hash key that names the version, and the part that proves it.
struct Stamp {
    std::uint64_t revision;
    std::uint64_t live_digest;
};

HashKey key_of(const Stamp& stamp) {
    HashKey key;
    std::memcpy(key.bytes.data(), &stamp, sizeof(stamp));
    return key;
}

Stamp stamp_of(const HashKey& key) {
    Stamp stamp{};
    std::memcpy(&stamp, key.bytes.data(), sizeof(stamp));
    return stamp;
}

std::uint64_t derived(std::uint64_t revision, std::uint64_t what, std::uint64_t index) {
    return Digest().add(revision).add(what).add(index).value();
}

std::size_t vip_count(std::uint64_t revision) {
    return 1 + derived(revision, 1, 0) % 30;
}

PlanVip checked_vip(std::uint64_t revision, std::size_t index) {
    const std::uint64_t bits = derived(revision, 2, index);
    PlanVip vip;
    vip.address = IpAddress::from_v4({10, static_cast<std::uint8_t>(bits),
                                      static_cast<std::uint8_t>(bits >> 8U),
                                      static_cast<std::uint8_t>(index)});
    vip.protocol = 6;
    vip.port_first = static_cast<std::uint16_t>(bits >> 16U);
    vip.port_last = vip.port_first;
    vip.pool = static_cast<std::uint16_t>((bits >> 32U) % kPools);
    return vip;
}

PlanBackend checked_backend(std::uint64_t revision, std::size_t index) {
    PlanBackend backend;
    const std::uint64_t bits = derived(revision, 3, index);
    std::memcpy(backend.address.bytes.data(), &bits, sizeof(bits));
    backend.health = HealthState::kUp;
    backend.pool = static_cast<std::uint16_t>(bits % kPools);
    backend.next_hop = static_cast<std::uint16_t>(index);
    return backend;
}

PlanNextHop checked_next_hop(std::uint64_t revision, std::size_t index) {
    PlanNextHop next_hop;
    const std::uint64_t bits = derived(revision, 4, index);
    std::memcpy(next_hop.source.bytes.data(), &bits, sizeof(bits));
    std::memcpy(next_hop.mac.data(), &bits, next_hop.mac.size());
    next_hop.resolved = true;
    return next_hop;
}

template <class Owners, class OwnerOf>
std::uint64_t digest_of_slots(const Owners& owners, const OwnerOf& owner_of) {
    Digest digest;
    for (const auto& slot : owners) digest.add(std::uint64_t{owner_of(slot)});
    return digest.value();
}

std::uint64_t digest_of_owners(std::span<const BackendIndex> owners) {
    return digest_of_slots(owners, [](BackendIndex owner) { return owner; });
}

std::uint64_t expected_live_digest(const PlanContent& plan) {
    Digest digest;
    for (const PlanPool& pool : plan.pools) digest.add(pool.digest);
    for (std::size_t i = 1; i < plan.backends.size(); ++i) {
        digest.add(plan.backends[i].address).add(plan.next_hops[i].source);
        digest.add(plan.next_hops[i].mac);
    }
    return digest.value();
}

std::uint64_t live_digest(const LiveView& view) {
    Digest digest;
    for (const LiveView::Pool& pool : view.pools()) {
        digest.add(digest_of_slots(std::span(pool.slots, pool.slot_count),
                                   [](const Slot& slot) { return slot.owner; }));
    }
    for (const LiveBackend& backend : view.backends().subspan(1)) {
        digest.add(outer_destination(backend)).add(outer_source(backend));
        digest.add(destination_mac(backend));
    }
    return digest.value();
}

std::uint64_t plan_digest(const PlanHead& head, std::span<const PlanVip> vips,
                          std::span<const PlanPool> pools, std::span<const PlanBackend> backends,
                          std::span<const PlanNextHop> next_hops) {
    Digest digest;
    const Stamp stamp = stamp_of(head.hash_key);
    digest.add(stamp.revision).add(stamp.live_digest).add(head.config_revision);
    for (const PlanVip& vip : vips) {
        digest.add(vip.address).add(vip.port_first).add(vip.pool).add(vip.prefix_length);
    }
    for (const PlanPool& pool : pools) digest.add(pool.slot_count).add(pool.digest);
    for (const PlanBackend& backend : backends) {
        digest.add(backend.address).add(backend.pool).add(backend.next_hop);
    }
    for (const PlanNextHop& next_hop : next_hops) digest.add(next_hop.source).add(next_hop.mac);
    return digest.value();
}

}  // namespace

PlanContent next_checked_plan(const PlanContent& before, std::mt19937_64& random) {
    const std::uint64_t revision = random();
    PlanContent plan;
    plan.head.config_revision = revision;
    for (std::size_t i = 0; i < vip_count(revision); ++i) {
        plan.vips.push_back(checked_vip(revision, i));
    }
    plan.pools = before.pools;
    plan.pools.resize(kPools);
    plan.owners.resize(kPools);
    for (std::size_t i = 0; i < kPools; ++i) {
        PlanPool& pool = plan.pools[i];
        pool.name = Name("pool" + std::to_string(i));
        if (pool.slot_count != 0 && random() % 2 == 0) continue;
        plan.owners[i].resize(101 + random() % 1500);
        for (BackendIndex& owner : plan.owners[i]) {
            owner = static_cast<BackendIndex>(random() % (kBackendsMax + 1));
        }
        pool.slot_count = static_cast<std::uint32_t>(plan.owners[i].size());
        pool.digest = digest_of_owners(plan.owners[i]);
    }
    const std::size_t backends = 2 + random() % 40;
    for (std::size_t i = 1; i < backends; ++i) {
        plan.backends.push_back(checked_backend(revision, i));
        plan.next_hops.push_back(checked_next_hop(revision, i));
    }
    plan.head.hash_key = key_of({revision, expected_live_digest(plan)});
    plan.head.digest = plan_digest(plan.head, plan.vips, plan.pools, plan.backends, plan.next_hops);
    return plan;
}

PlanContent read_back(const PlanView& plan) {
    PlanContent content;
    content.head = *plan.head;
    content.vips.assign(plan.vips.begin(), plan.vips.end());
    content.pools.assign(plan.pools.begin(), plan.pools.end());
    content.owners.resize(plan.pools.size());
    content.backends.assign(plan.backends.begin(), plan.backends.end());
    content.next_hops.assign(plan.next_hops.begin(), plan.next_hops.end());
    return content;
}

bool is_whole_plan(const Region& region, const PlanView& plan) {
    if (plan.pools.size() != kPools) return false;
    if (plan_digest(*plan.head, plan.vips, plan.pools, plan.backends, plan.next_hops) !=
        plan.head->digest) {
        return false;
    }
    return std::ranges::all_of(plan.pools, [&](const PlanPool& pool) {
        const std::span<const BackendIndex> owners = region.array<BackendIndex>(pool.slots);
        return owners.size() == pool.slot_count && digest_of_owners(owners) == pool.digest;
    });
}

bool is_whole_live(const Region& region, const LiveView& view, std::uint64_t generation) {
    const std::span<const BlockRef> references = region.references(generation);
    if (references.size() < kLiveFixedBlocks) return false;
    const std::span<const LiveHead> heads = region.array<LiveHead>(references[kLiveHead]);
    if (heads.empty() || view.backends().empty()) return false;
    const Stamp stamp = stamp_of(read_once(heads[0]).hash_key);
    if (live_digest(view) != stamp.live_digest) return false;
    for (std::size_t i = 0; i < vip_count(stamp.revision); ++i) {
        const PlanVip vip = checked_vip(stamp.revision, i);
        const VipEntry* found =
            view.vips().find(vip.address, service_of(vip.port_first, vip.protocol));
        if (found == nullptr || found->vip != i || found->pool != vip.pool) return false;
    }
    return true;
}

}  // namespace tandem::tables
