#include "control/plan/planner.h"

#include <algorithm>
#include <array>
#include <set>

#include "dataplane/base/check.h"

namespace tandem::plan {

namespace {

using tables::BackendIndex;
using tables::HealthState;

health::Identity identity_of(const conf::Pool& pool, const conf::Backend& backend) {
    return {pool.name, backend.address, backend.port};
}

/// Tables hold weights in hundredths, so that slow start has steps even for a weight of 1.
std::uint16_t full_weight(const conf::Backend& backend) {
    return static_cast<std::uint16_t>(backend.weight * 100);
}

tables::ForwardMode mode_of(conf::Mode mode) {
    return mode == conf::Mode::kL2 ? tables::ForwardMode::kL2 : tables::ForwardMode::kIpip;
}

/// What held of a backend when this was published. A plan does not say it, but shows it.
HealthState held_by(const tables::PlanBackend& backend) {
    if (backend.weight_now > 0 || (backend.is_draining != 0 && backend.serves_flows != 0)) {
        return HealthState::kUp;
    }
    return backend.health == HealthState::kUp ? HealthState::kDown : backend.health;
}

std::uint64_t digest_of(const KeyedHash& hash, const tables::PlanVip& vip,
                        std::uint64_t pool_digest) {
    std::array<std::byte, 16 + 8 + 8> bytes{};
    std::memcpy(bytes.data(), vip.address.bytes.data(), sizeof(IpAddress));
    const std::uint64_t rest = std::uint64_t{vip.prefix_length} << 40U |
                               std::uint64_t{vip.protocol} << 32U |
                               std::uint64_t{vip.port_first} << 16U | vip.port_last;
    std::memcpy(bytes.data() + 16, &rest, sizeof(rest));
    std::memcpy(bytes.data() + 24, &pool_digest, sizeof(pool_digest));
    return hash.of_bytes(bytes);
}

}  // namespace

void Planner::read_back(const tables::PlanView& plan, std::vector<Owners> owners) {
    CHECK(backends_.empty());
    CHECK(owners.size() == plan.pools.size());
    key_ = {plan.head->hash_key, plan.head->hash_key_born_ms};
    hash_ = KeyedHash(key_.key);
    revision_ = plan.head->config_revision;
    for (std::size_t i = 1; i < plan.backends.size(); ++i) {
        const tables::PlanBackend& backend = plan.backends[i];
        if (backend.health == HealthState::kUnused || backend.pool >= plan.pools.size()) continue;
        Backend& known = backends_[{std::string(plan.pools[backend.pool].name.view()),
                                    backend.address, backend.port}];
        known.index = static_cast<BackendIndex>(i);
        known.ours = backend.health;
        known.settled = {.ours = backend.health, .holds = held_by(backend)};
    }
    for (std::size_t i = 0; i < owners.size(); ++i) {
        tables_.emplace(plan.pools[i].name.view(), SlotTable(std::move(owners[i])));
    }
}

void Planner::adopt(const TableKey& key) {
    key_ = key;
    hash_ = KeyedHash(key_.key);
    for (const conf::Pool& pool : config_.pools) {
        SlotTable& table = tables_.at(pool.name);
        table = SlotTable(*table.owners());
        configure_table(pool);
    }
}

Status Planner::apply(const conf::Config& config) {
    std::map<health::Identity, Backend> next;
    std::vector<bool> used(tables::kBackendsMax + 1, false);
    std::vector<health::Identity> fresh;
    for (const conf::Pool& pool : config.pools) {
        for (const conf::Backend& backend : pool.backends) {
            const health::Identity identity = identity_of(pool, backend);
            const auto known = backends_.find(identity);
            if (known == backends_.end()) {
                fresh.push_back(identity);
            } else {
                next.insert(*known);
                used[known->second.index] = true;
            }
        }
    }
    auto free = used.begin() + 1;  // 0 is kNoBackend
    for (const health::Identity& identity : fresh) {
        free = std::find(free, used.end(), false);
        if (free == used.end()) {
            return Error{"there are more than " + std::to_string(tables::kBackendsMax) +
                         " backends"};
        }
        *free = true;
        next[identity].index = static_cast<BackendIndex>(free - used.begin());
    }
    std::map<std::string, SlotTable> tables;
    for (const conf::Pool& pool : config.pools) {
        auto known = tables_.extract(pool.name);
        if (known) {
            tables.insert(std::move(known));
        } else {
            tables.emplace(pool.name, SlotTable{});
        }
    }
    backends_ = std::move(next);
    tables_ = std::move(tables);
    note_ports_of_groups();
    config_ = config;
    ++revision_;
    configured_.clear();
    standing_.reset();
    is_settled_ = false;
    for (std::size_t i = 0; i < config_.pools.size(); ++i) {
        for (const conf::Backend& backend : config_.pools[i].backends) {
            Backend& known = backends_.at(identity_of(config_.pools[i], backend));
            configured_.push_back({static_cast<std::uint16_t>(i), &backend, &known});
        }
        configure_table(config_.pools[i]);
    }
    return Nothing{};
}

bool Planner::set_ports(std::vector<PortAddresses> ports) {
    const bool are_same = std::ranges::equal(ports_, ports, [](const auto& a, const auto& b) {
        return a.port == b.port && a.name == b.name;
    });
    if (!are_same) renumber(ports);
    ports_ = std::move(ports);
    standing_.reset();
    return !are_same;
}

/// What is known of neighbours stays known when a port has another number in another dataplane.
void Planner::renumber(const std::vector<PortAddresses>& ports) {
    const auto follow = [&]<class Known>(std::map<Neighbour, Known>& all) {
        std::map<Neighbour, Known> renumbered;
        for (const auto& [neighbour, known] : all) {
            const auto before = std::ranges::find(ports_, neighbour.first, &PortAddresses::port);
            if (before == ports_.end()) continue;
            const auto now = std::ranges::find(ports, before->name, &PortAddresses::name);
            if (now != ports.end()) renumbered[{now->port, neighbour.second}] = known;
        }
        all = std::move(renumbered);
    };
    follow(macs_);
    follow(gateways_);
}

void Planner::configure_table(const conf::Pool& pool) {
    std::vector<Member> members;
    for (const conf::Backend& backend : pool.backends) {
        const BackendIndex index = backends_.at(identity_of(pool, backend)).index;
        members.push_back({backend.address, backend.port, index, full_weight(backend)});
    }
    const std::uint32_t slots = pool.slots != 0 ? pool.slots : slot_count_for(pool.backends.size());
    tables_.at(pool.name).configure(hash_, slots, std::move(members));
}

BackendIndex Planner::index_of(const health::Identity& backend) const {
    const auto found = backends_.find(backend);
    return found == backends_.end() ? tables::kNoBackend : found->second.index;
}

bool Planner::set_mac(const Neighbour& neighbour, const Mac& mac) {
    const auto [entry, is_new] = macs_.try_emplace(neighbour, mac);
    if (!is_new && entry->second == mac) return false;
    entry->second = mac;
    standing_.reset();
    return true;
}

std::vector<Neighbour> Planner::neighbours() const {
    const std::vector<Neighbour> followed = gateways();
    std::set<Neighbour> found(followed.begin(), followed.end());
    for (const auto& [identity, backend] : backends_) {
        const std::optional<NextHop> hop = next_hop_to(identity.address, ports_);
        if (hop) found.emplace(hop->port, hop->neighbour);
    }
    for (const conf::Group& group : config_.groups) {
        for (const IpAddress& peer : group.peers) {
            if (const auto way = way_to_peer(group, peer)) found.insert(*way);
        }
    }
    return {found.begin(), found.end()};
}

std::vector<health::Identity> Planner::unreachable() const {
    std::vector<health::Identity> found;
    for (const auto& [identity, backend] : backends_) {
        if (!next_hop_to(identity.address, ports_)) found.push_back(identity);
    }
    return found;
}

bool Planner::serves_flows(const conf::Pool& pool, const Backend& backend) {
    if (backend.settled.holds == HealthState::kUp) return true;
    return backend.settled.holds == HealthState::kDown && pool.on_down == conf::OnDown::kKeep;
}

void Planner::set_weight_percent(const health::Identity& backend, std::uint16_t percent) {
    CHECK(percent >= 1 && percent <= 100);
    const auto found = backends_.find(backend);
    if (found != backends_.end()) found->second.weight_percent = percent;
}

std::vector<std::uint16_t> Planner::weights() const {
    std::vector<std::uint16_t> weights(1);
    for (const Configured& each : configured_) {
        const Backend& known = *each.known;
        if (known.index >= weights.size()) weights.resize(known.index + 1U);
        if (known.settled.holds == HealthState::kUp && !each.backend->is_draining) {
            weights[known.index] =
                static_cast<std::uint16_t>(each.backend->weight * known.weight_percent);
        }
    }
    return weights;
}

std::pair<PlanContent, std::vector<Moved>> Planner::make() {
    agree();
    PlanContent content;
    std::vector<Moved> moved;
    const std::vector<std::uint16_t> now = weights();
    add_backends(content, now);
    add_pools(content, now, moved);
    add_vips(content);
    add_groups(content);
    content.head.hash_key = key_.key;
    content.head.hash_key_born_ms = key_.born_ms;
    content.head.config_revision = revision_;
    for (const tables::PlanVip& vip : content.vips) {
        content.head.digest = hash_.of_pair(content.head.digest, vip.digest);
    }
    return {std::move(content), std::move(moved)};
}

Planner::Standing Planner::standing() const {
    Standing standing{.backends = std::vector<tables::PlanBackend>(1),
                      .next_hops = std::vector<tables::PlanNextHop>(1)};
    std::map<NextHop, std::uint16_t> hops;
    const auto hop_number = [&](const IpAddress& backend) -> std::uint16_t {
        const std::optional<NextHop> hop = next_hop_to(backend, ports_);
        if (!hop) return 0;
        const auto [entry, is_new] =
            hops.try_emplace(*hop, static_cast<std::uint16_t>(standing.next_hops.size()));
        if (is_new) {
            const auto mac = macs_.find({hop->port, hop->neighbour});
            tables::PlanNextHop record;
            record.address = hop->neighbour;
            record.source = hop->source;
            record.port = hop->port;
            record.resolved = mac != macs_.end();
            if (record.resolved) record.mac = mac->second;
            standing.next_hops.push_back(record);
        }
        return entry->second;
    };
    for (const auto& [pool, backend, known] : configured_) {
        if (known->index >= standing.backends.size()) standing.backends.resize(known->index + 1U);
        tables::PlanBackend& record = standing.backends[known->index];
        record.name = tables::Name(backend->name);
        record.address = backend->address;
        record.port = backend->port;
        record.pool = pool;
        record.is_draining = backend->is_draining;
        record.weight_base = full_weight(*backend);
        record.next_hop = hop_number(backend->address);
    }
    return standing;
}

void Planner::add_backends(PlanContent& content, const std::vector<std::uint16_t>& weights) {
    if (!standing_) standing_ = standing();
    content.backends = standing_->backends;
    content.next_hops = standing_->next_hops;
    for (const auto& [pool, backend, known] : configured_) {
        tables::PlanBackend& record = content.backends[known->index];
        record.health = known->ours;
        record.serves_flows = serves_flows(config_.pools[pool], *known);
        record.weight_now = weights[known->index];
    }
}

void Planner::add_pools(PlanContent& content, const std::vector<std::uint16_t>& weights,
                        std::vector<Moved>& moved) {
    for (const conf::Pool& pool : config_.pools) {
        SlotTable& table = tables_.at(pool.name);
        const std::size_t slots_moved = table.update(hash_, weights);
        const std::size_t slots = table.owners()->size();
        if (slots_moved != 0) {
            moved.push_back(
                {pool.name, slots, slots_moved, pool.backends.size(), table.serving_count()});
        }
        tables::PlanPool record;
        record.name = tables::Name(pool.name);
        record.mode = mode_of(pool.mode);
        record.slot_count = static_cast<std::uint32_t>(slots);
        record.transition_hold_s = static_cast<std::uint32_t>(
            std::chrono::ceil<std::chrono::seconds>(pool.transition_hold).count());
        record.flow_budget_percent = static_cast<std::uint32_t>(pool.flow_budget_percent);
        record.digest = table.digest();
        record.has_tunnel_source = pool.tunnel_source.has_value();
        if (pool.tunnel_source) {
            record.tunnel_source = pool.tunnel_source->address;
            record.tunnel_source_length = pool.tunnel_source->length;
        }
        content.pools.push_back(record);
        content.owners.push_back(table.owners());
    }
}

void Planner::add_vips(PlanContent& content) const {
    for (const conf::Vip& vip : config_.vips) {
        const auto pool = std::ranges::find(config_.pools, vip.pool, &conf::Pool::name);
        CHECK(pool != config_.pools.end());
        tables::PlanVip record;
        record.name = tables::Name(vip.name);
        record.address = vip.prefix.network();
        record.prefix_length = vip.prefix.length;
        record.protocol = static_cast<std::uint8_t>(vip.protocol);
        record.port_first = vip.port_first;
        record.port_last = vip.port_last;
        record.pool = static_cast<std::uint16_t>(pool - config_.pools.begin());
        const auto group = std::ranges::find(config_.groups, vip.group, &conf::Group::name);
        if (group != config_.groups.end()) {
            record.group = static_cast<std::uint8_t>(group - config_.groups.begin());
        }
        record.udp_is_stateless = vip.udp == conf::UdpFlows::kStateless;
        record.digest = digest_of(hash_, record, content.pools[record.pool].digest);
        content.vips.push_back(record);
    }
}

}  // namespace tandem::plan
