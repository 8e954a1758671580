#include "dataplane/tables/slot_tables.h"

#include <algorithm>
#include <utility>

namespace tandem::tables {

namespace {

constexpr CoarseTime kNever = std::numeric_limits<CoarseTime>::max();

}  // namespace

const SlotTables::Table* SlotTables::find(const SlotTableId& id) const {
    const auto known = tables_.find(id);
    return known == tables_.end() ? nullptr : &known->second;
}

void SlotTables::keep_only(std::span<const SlotTableId> ids) {
    for (const SlotTableId& id : ids) {
        if (tables_.contains(id)) continue;
        const auto like = tables_.lower_bound({.pool = id.pool, .domain = kNoDomain});
        const bool is_known = like != tables_.end() && like->first.pool == id.pool;
        Table table;
        if (is_known) table.memory = like->second.memory;
        table.void_before = void_before(id.domain);
        tables_[id] = std::move(table);
    }
    std::erase_if(tables_, [&](const auto& entry) {
        return std::ranges::find(ids, entry.first) == ids.end();
    });
}

void SlotTables::set_hold(const SlotTableId& id, CoarseTime hold) {
    const auto known = tables_.find(id);
    if (known != tables_.end()) known->second.hold = hold;
}

void SlotTables::update(const SlotTableId& id, std::span<const BackendIndex> owners,
                        CoarseTime now) {
    const auto known = tables_.find(id);
    if (known == tables_.end()) return;
    Table& table = known->second;
    // What is seen from now on counts as seen then. A flow that is seen in one second again and
    // again is noted once, perhaps by a slot of the table before: a transition that seemed to begin
    // in the second before that would end while the flow may still be silent.
    const CoarseTime changed_at = std::max(now, table.void_before);
    if (table.memory.update(owners, changed_at) != 0) ++table.revision;
    if (table.peers && table.peers->owners.size() != owners.size()) table.peers.reset();
}

bool SlotTables::follow(const SlotTableId& id, SlotMemory::Steady peers) {
    const auto known = tables_.find(id);
    if (known == tables_.end()) return false;
    Table& table = known->second;
    if (table.memory.slots().size() != peers.owners.size() || table.peers == peers) return false;
    table.peers = std::move(peers);
    ++table.revision;
    return true;
}

bool SlotTables::take_over(const SlotTableId& id, CoarseTime now,
                           const std::function<bool(std::uint32_t)>& is_remembered) {
    const auto known = tables_.find(id);
    if (known == tables_.end() || !known->second.peers) return false;
    Table& table = known->second;
    table.memory.take_over(*table.peers, now, is_remembered);
    table.peers.reset();
    ++table.revision;
    return true;
}

bool SlotTables::remember(const SlotTableId& id,
                          const std::function<bool(std::uint32_t)>& has_flows) {
    const auto known = tables_.find(id);
    if (known == tables_.end() || known->second.memory.remember(has_flows) == 0) return false;
    ++known->second.revision;
    return true;
}

CoarseTime SlotTables::void_before(Domain domain) const {
    CoarseTime latest = 0;
    for (const auto& [id, table] : tables_) {
        if (id.domain == domain) latest = std::max(latest, table.void_before);
    }
    return latest;
}

void SlotTables::outdate(Domain domain, CoarseTime now) {
    // What was remembered in this second, too, before this moment.
    const CoarseTime before = std::max(now, void_before(domain)) + 1;
    for (auto& [id, table] : tables_) {
        if (id.domain != domain) continue;
        table.void_before = before;
        ++table.revision;
    }
}

bool SlotTables::settle(CoarseTime now, CoarseTime remembering, const LastUse& last_use,
                        const Commit& commit) {
    bool any = false;
    for (auto& [id, table] : tables_) {
        if (table.peers) continue;
        const auto of_slot = [&, pool = id.pool](std::uint32_t slot) {
            return last_use(pool, slot);
        };
        std::size_t changed =
            table.memory.settle(now, {.hold = kNever, .remembering = remembering}, of_slot);
        const std::vector<SlotMemory::Ending> endings = table.memory.take_endings(now, table.hold);
        if (!endings.empty() && !(commit && commit(id, endings))) {
            changed += table.memory.finish(endings, now, remembering, of_slot);
        }
        if (changed == 0) continue;
        ++table.revision;
        any = true;
    }
    return any;
}

bool SlotTables::finish(const SlotTableId& id, std::span<const SlotMemory::Ending> endings,
                        CoarseTime now, CoarseTime remembering, const LastUse& last_use) {
    const auto known = tables_.find(id);
    if (known == tables_.end() || known->second.peers) return false;
    const auto of_slot = [&](std::uint32_t slot) { return last_use(id.pool, slot); };
    if (known->second.memory.finish(endings, now, remembering, of_slot) == 0) return false;
    ++known->second.revision;
    return true;
}

std::vector<std::uint32_t> SlotTables::waiting_by_backend(std::size_t backends) const {
    std::vector<std::uint32_t> waiting(backends);
    for (const auto& [id, table] : tables_) {
        if (!table.peers) table.memory.count_waiting(waiting);
    }
    return waiting;
}

std::size_t SlotTables::in_transition() const {
    std::size_t total = 0;
    for (const auto& [id, table] : tables_) total += table.memory.in_transition();
    return total;
}

}  // namespace tandem::tables
