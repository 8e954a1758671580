#include "dataplane/tables/vip_table.h"

#include <algorithm>
#include <bit>
#include <map>
#include <tuple>

#include "dataplane/tables/plan.h"

namespace tandem::tables {

namespace {

constexpr std::uint8_t kSingleAddress = 128;

std::size_t table_size(std::size_t entries) {
    return entries == 0 ? 0 : std::bit_ceil(2 * entries);
}

bool same_key(const VipEntry& a, const VipEntry& b) {
    return std::tie(a.address, a.service, a.prefix_length) ==
           std::tie(b.address, b.service, b.prefix_length);
}

/// Of two entries with one key the first stays.
void insert(std::span<VipEntry> table, const VipEntry& entry) {
    const std::size_t mask = table.size() - 1;
    std::size_t hash = VipTable::hash(entry.address, entry.service);
    for (; table[hash & mask].used != 0; ++hash) {
        if (same_key(table[hash & mask], entry)) return;
    }
    table[hash & mask] = entry;
    table[hash & mask].used = 1;
}

bool is_exact(const VipEntry& entry) {
    return entry.prefix_length == kSingleAddress && entry.port_first == entry.port_last;
}

VipEntry entry_of(const PlanVip& vip, std::size_t index) {
    VipEntry entry;
    entry.address = vip.address;
    entry.service = service_of(vip.port_first, vip.protocol);
    entry.port_first = vip.port_first;
    entry.port_last = vip.port_last;
    entry.prefix_length = vip.prefix_length;
    entry.vip = static_cast<std::uint16_t>(index);
    entry.pool = vip.pool;
    entry.group = vip.group;
    entry.udp_is_stateless = vip.udp_is_stateless;
    return entry;
}

bool narrower(const VipEntry& a, const VipEntry& b) {
    return a.port_last - a.port_first < b.port_last - b.port_first;
}

}  // namespace

BuiltVipTable build_vip_table(std::span<const PlanVip> vips) {
    std::vector<VipEntry> exact;
    struct Network {
        std::vector<VipEntry> wide;
        std::uint8_t group = kNoGroup;
    };
    std::map<std::pair<std::uint8_t, IpAddress>, Network> networks;
    for (std::size_t i = 0; i < vips.size(); ++i) {
        const VipEntry entry = entry_of(read_once(vips[i]), i);
        if (entry.prefix_length > kSingleAddress) continue;
        Network& network = networks[{entry.prefix_length, entry.address}];
        network.group = entry.group;
        (is_exact(entry) ? exact : network.wide).push_back(entry);
    }

    BuiltVipTable built;
    VipTableShape& shape = built.shape;
    shape.exact_size = static_cast<std::uint32_t>(table_size(exact.size()));
    shape.network_size = static_cast<std::uint32_t>(table_size(networks.size()));
    built.entries.resize(shape.exact_size + shape.network_size);
    const std::span<VipEntry> entries(built.entries);
    for (const VipEntry& entry : exact) {
        insert(entries.first(shape.exact_size), entry);
    }
    std::vector<VipEntry> all_wide;
    for (auto& [key, network] : networks) {
        std::ranges::stable_sort(network.wide, narrower);
        VipEntry entry;
        entry.prefix_length = key.first;
        entry.address = key.second;
        entry.service = key.first;
        entry.port_first = static_cast<std::uint16_t>(all_wide.size());
        entry.port_last = static_cast<std::uint16_t>(network.wide.size());
        entry.group = network.group;
        insert(entries.last(shape.network_size), entry);
        all_wide.insert(all_wide.end(), network.wide.begin(), network.wide.end());
        const auto known = std::span(shape.lengths).first(shape.length_count);
        if (std::ranges::find(known, key.first) == known.end()) {
            shape.lengths[shape.length_count++] = key.first;
        }
    }
    std::ranges::sort(std::span(shape.lengths).first(shape.length_count), std::greater<>());
    shape.wide_size = static_cast<std::uint32_t>(all_wide.size());
    built.entries.insert(built.entries.end(), all_wide.begin(), all_wide.end());
    return built;
}

VipTable::VipTable(const VipTableShape& shape, std::span<const VipEntry> entries) {
    const std::size_t total = std::size_t{shape.exact_size} + shape.network_size + shape.wide_size;
    if (total > entries.size() || shape.length_count > shape.lengths.size()) return;
    if (shape.exact_size != 0) {
        exact_ = entries.data();
        exact_mask_ = shape.exact_size - 1;
    }
    networks_ = entries.subspan(shape.exact_size, shape.network_size);
    wide_ = entries.subspan(shape.exact_size + shape.network_size, shape.wide_size);
    lengths_ = shape.lengths;
    length_count_ = shape.length_count;
}

/// The network of this length that the address is in.
const VipEntry* VipTable::network_of(const IpAddress& address, std::uint8_t length) const {
    const IpAddress network =
        length == kSingleAddress ? address : Prefix{address, length}.network();
    const std::size_t mask = networks_.size() - 1;
    const std::size_t first = hash(network, length);
    for (std::size_t probe = 0; probe < networks_.size(); ++probe) {
        const VipEntry& entry = networks_[(first + probe) & mask];
        if (entry.used == 0) return nullptr;
        if (entry.prefix_length == length && entry.address == network) return &entry;
    }
    return nullptr;
}

const VipEntry* VipTable::find_network(const IpAddress& address) const {
    for (const std::uint8_t length : std::span(lengths_).first(length_count_)) {
        if (const VipEntry* network = network_of(address, length)) return network;
    }
    return nullptr;
}

/// Where the first probe found another entry, or none.
const VipEntry* VipTable::find_further(const IpAddress& address, std::uint32_t service,
                                       std::size_t hash) const {
    for (std::size_t probe = 0; probe <= exact_mask_; ++probe) {
        const VipEntry& entry = exact_[(hash + probe) & exact_mask_];
        if (entry.used == 0) break;
        if (entry.address == address && entry.service == service) return &entry;
    }
    return find_wide(address, service);
}

const VipEntry* VipTable::find_wide(const IpAddress& address, std::uint32_t service) const {
    const std::uint16_t port = ntohs(static_cast<std::uint16_t>(service));
    for (const std::uint8_t length : std::span(lengths_).first(length_count_)) {
        const VipEntry* network = network_of(address, length);
        if (network == nullptr) continue;
        const std::size_t first = std::min<std::size_t>(network->port_first, wide_.size());
        const std::size_t count = std::min<std::size_t>(network->port_last, wide_.size() - first);
        for (const VipEntry& entry : wide_.subspan(first, count)) {
            const bool is_its_protocol = entry.service >> 16U == service >> 16U;
            if (is_its_protocol && entry.port_first <= port && port <= entry.port_last) {
                return &entry;
            }
        }
    }
    return nullptr;
}

}  // namespace tandem::tables
