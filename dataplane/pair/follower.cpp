#include "dataplane/pair/follower.h"

#include <algorithm>
#include <utility>

#include "dataplane/tables/live.h"

namespace tandem::pair {

using tables::BackendIndex;
using tables::HealthState;
using tables::kNoBackend;
using tables::PeerFlows;

namespace {

constexpr std::uint32_t kSlotsMax = 1U << 24U;  ///< no table is larger

bool is_none(const ToldBackend& backend) {
    return backend.address == IpAddress{};
}

}  // namespace

void Follower::set_backends(std::span<const ToldBackend> own) {
    std::vector<bool> is_other(std::max(own.size(), own_.size()));
    bool any_is_gone = false;
    for (std::size_t i = 0; i < is_other.size(); ++i) {
        const ToldBackend before = i < own_.size() ? own_[i] : ToldBackend{};
        const ToldBackend now = i < own.size() ? own[i] : ToldBackend{};
        is_other[i] = identity_of(before) != identity_of(now);
        any_is_gone |= is_other[i] && !is_none(before);
    }
    if (std::ranges::find(is_other, true) == is_other.end()) return;
    own_.assign(own.begin(), own.end());
    own_numbers_.clear();
    for (std::size_t i = 1; i < own_.size(); ++i) {
        if (!is_none(own_[i])) {
            own_numbers_.emplace(identity_of(own_[i]), static_cast<BackendIndex>(i));
        }
    }
    // What is left of earlier tellings knows a backend by its number here only.
    if (any_is_gone) {
        const auto forget = [&](BackendIndex& backend) {
            if (backend < is_other.size() && is_other[backend]) backend = kNoBackend;
        };
        flows_->walk_all([&](tables::FlowIdentity, PeerFlows::Flow& flow) {
            forget(flow.backend);
            return true;
        });
        for (auto& [id, table] : tables_) {
            if (!table.is_by_own_numbers) continue;
            for (std::uint16_t& owner : table.steady.owners) forget(owner);
            for (tables::EarlierOwner& earlier : table.steady.earlier) forget(earlier.owner);
        }
    }
    map_backends();
    map_verdicts();
    ++verdict_revision_;  // the same numbers may mean others now
}

BackendIndex Follower::own_number(BackendIndex peers) const {
    return peers < to_own_.size() ? to_own_[peers] : kNoBackend;
}

void Follower::map_backends() {
    std::vector<BackendIndex> to_own(peers_.size(), kNoBackend);
    for (std::size_t i = 1; i < peers_.size(); ++i) {
        const auto known = own_numbers_.find(identity_of(peers_[i]));
        if (known != own_numbers_.end()) to_own[i] = known->second;
    }
    if (to_own == to_own_) return;
    to_own_ = std::move(to_own);
    flows_->walk_all([&](tables::FlowIdentity, PeerFlows::Flow& flow) {
        if (flow.serial == serial_) flow.backend = own_number(flow.peers);
        return true;
    });
    for (const auto& [id, table] : tables_) changed_.push_back(id);
}

void Follower::map_verdicts() {
    std::vector<HealthState> verdicts(is_alive_ ? own_.size() : 0, HealthState::kUnused);
    for (std::size_t i = 0; is_alive_ && i < peers_verdicts_.size(); ++i) {
        const BackendIndex own = own_number(static_cast<BackendIndex>(i));
        if (own != kNoBackend) verdicts[own] = peers_verdicts_[i];
    }
    if (verdicts == verdicts_) return;
    verdicts_ = std::move(verdicts);
    ++verdict_revision_;
}

void Follower::begin(CoarseTime now) {
    // The numbers of the telling before mean nothing in this one.
    for (auto& [id, table] : tables_) {
        if (!table.is_by_own_numbers) translate(table.steady);
        table.is_by_own_numbers = true;
    }
    peers_.clear();
    to_own_.clear();
    peers_verdicts_.clear();
    incoming_.clear();
    filling_.reset();
    if (old_since_[serial_] == 0) old_since_[serial_] = std::max<CoarseTime>(now, 1);
    ++serial_;
    if (old_since_[serial_] != 0) {  // 256 tellings ago
        flows_->walk_all([&](tables::FlowIdentity, const PeerFlows::Flow& flow) {
            return flow.serial != serial_;
        });
    }
    old_since_[serial_] = 0;
    is_caught_up_ = false;
    has_lost_ = has_flows_ = has_ignored_ = wants_telling_ = false;
}

void Follower::ignore(std::vector<tables::Domain> domains) {
    wants_telling_ |= has_ignored_ && !std::ranges::includes(domains, ignored_);
    ignored_ = std::move(domains);
    for (std::map<tables::SlotTableId, Table>* tables : {&incoming_, &tables_}) {
        std::erase_if(*tables, [&](const auto& entry) {
            return !entry.second.is_by_own_numbers
                       ? ignores(entry.first.domain)
                       : std::ranges::binary_search(ignored_, entry.first.domain);
        });
    }
    if (filling_ && !incoming_.contains(*filling_)) filling_.reset();
}

bool Follower::ignores(tables::Domain domain) {
    const bool ignores = std::ranges::binary_search(ignored_, domain);
    has_ignored_ |= ignores;
    return ignores;
}

void Follower::set_alive(bool is_alive, CoarseTime now) {
    old_since_[serial_] = is_alive ? 0 : std::max<CoarseTime>(now, 1);
    // It may never have lost us, and goes on from what it has told: that is not told again.
    if (std::exchange(is_alive_, is_alive) != is_alive) map_verdicts();
}

void Follower::forget_verdicts() {
    peers_verdicts_.clear();
}

struct Follower::Sees {
    Follower& self;

    void operator()(const ToldBackend& told) const {
        if (told.number == kNoBackend || told.number > tables::kBackendsMax) return;
        if (told.number >= self.peers_.size()) {
            self.peers_.resize(told.number + 1U);
            self.to_own_.resize(self.peers_.size(), kNoBackend);
        }
        const ToldBackend before = std::exchange(self.peers_[told.number], told);
        const auto own = self.own_numbers_.find(identity_of(told));
        const BackendIndex number = own == self.own_numbers_.end() ? kNoBackend : own->second;
        if (std::exchange(self.to_own_[told.number], number) != number) {
            // Its verdict is the number's: that is not repeated.
            if (told.number < self.peers_verdicts_.size()) self.map_verdicts();
            for (const auto& [id, table] : self.tables_) self.changed_.push_back(id);
        }
        if (!self.has_flows_ || identity_of(before) == identity_of(told)) return;
        self.flows_->walk_all([&](tables::FlowIdentity identity, PeerFlows::Flow& flow) {
            if (flow.serial != self.serial_ || flow.peers != told.number) return true;
            flow.backend = number;
            self.note_slot(identity, told.number);
            return true;
        });
    }
    void operator()(const ToldTable& told) const {
        self.filling_.reset();
        if (told.slot_count > kSlotsMax || self.ignores(told.id.domain)) return;
        self.filling_ = told.id;
        Table& table = self.incoming_[told.id];
        table = {.slot_count = told.slot_count, .steady = {}};
        table.has_flows.resize(told.slot_count);
    }
    void operator()(const ToldSteady& told) const {
        if (!self.filling_) return;
        Table& table = self.incoming_[*self.filling_];
        if (table.steady.owners.size() + told.owners.size() > table.slot_count) return;
        table.steady.owners.insert(table.steady.owners.end(), told.owners.begin(),
                                   told.owners.end());
    }
    void operator()(const ToldEarlier& told) const {
        if (!self.filling_) return;
        Table& table = self.incoming_[*self.filling_];
        if (table.steady.earlier.size() > kSlotsMax) return;
        table.steady.earlier.insert(table.steady.earlier.end(), told.owners.begin(),
                                    told.owners.end());
    }
    void operator()(const ToldEndings& told) const {
        const auto known = self.tables_.find(told.id);
        if (known == self.tables_.end() || known->second.is_by_own_numbers) return;
        std::vector<std::uint16_t>& owners = known->second.steady.owners;
        for (const ToldEndings::Slot& slot : told.slots) {
            if (slot.slot < owners.size()) owners[slot.slot] = slot.owner;
        }
        self.changed_.push_back(told.id);
    }
    void operator()(const ToldVerdict& told) const {
        if (told.number > tables::kBackendsMax) return;
        if (told.number >= self.peers_verdicts_.size()) {
            self.peers_verdicts_.resize(told.number + 1U, HealthState::kUnused);
        }
        self.peers_verdicts_[told.number] = told.health;
        const BackendIndex own = self.own_number(told.number);
        if (own == kNoBackend) return;
        self.verdicts_.resize(self.own_.size(), HealthState::kUnused);
        if (std::exchange(self.verdicts_[own], told.health) != told.health) {
            ++self.verdict_revision_;
        }
    }
    void operator()(const ToldFlow& told) const {
        if (!self.ignores(tables::domain_of(told.identity))) self.note_flow(told);
    }
    void operator()(const ToldEnd& told) const {
        if (!self.ignores(tables::domain_of(told.identity))) self.flows_->remove(told.identity);
    }
    void operator()(const AllTold& /*told*/) const { self.all_told(); }
    void operator()(const ToldDigest& told) const {
        if (self.wants_telling_ || self.ignores(told.id.domain)) return;
        const auto known = self.tables_.find(told.id);
        const bool is_same = known != self.tables_.end() && !known->second.is_by_own_numbers &&
                             digest_of(known->second.steady.owners) == told.digest;
        if (is_same) return;
        ++self.differences_;
        self.wants_telling_ = true;
    }
};

void Follower::take(const Told& told) {
    std::visit(Sees{*this}, told);
}

void Follower::note_flow(const ToldFlow& told) {
    has_flows_ = true;
    const bool has_room = flows_->put(told.identity, {.backend = own_number(told.backend),
                                                      .peers = told.backend,
                                                      .state = told.state,
                                                      .serial = serial_});
    has_lost_ |= !has_room;
    note_slot(told.identity, told.backend);
}

/// That the slot of a flow has one, if it is known by now whose slot that is.
void Follower::note_slot(tables::FlowIdentity identity, BackendIndex peers) {
    if (peers >= peers_.size()) return;
    const tables::SlotTableId id{peers_[peers].pool, tables::domain_of(identity)};
    for (std::map<tables::SlotTableId, Table>* tables : {&incoming_, &tables_}) {
        const auto table = tables->find(id);
        if (table == tables->end() || table->second.has_flows.empty()) continue;
        const auto slots = static_cast<std::uint32_t>(table->second.has_flows.size());
        table->second.has_flows[tables::LiveView::slot_index(identity, slots)] = true;
    }
}

/// Of tables that were told now, what an earlier telling said is void, flows included.
void Follower::all_told() {
    std::vector<tables::Domain> domains{tables::kNoDomain};
    for (auto& [id, table] : incoming_) {
        if (table.steady.owners.size() != table.slot_count) continue;
        tables_[id] = std::move(table);
        changed_.push_back(id);
        if (domains.back() != id.domain) domains.push_back(id.domain);
    }
    incoming_.clear();
    filling_.reset();
    flows_->walk_all([&](tables::FlowIdentity identity, const PeerFlows::Flow& flow) {
        return flow.serial == serial_ ||
               std::ranges::find(domains, tables::domain_of(identity)) == domains.end();
    });
    is_caught_up_ = true;
    map_verdicts();
}

std::vector<tables::SlotTableId> Follower::tables() const {
    std::vector<tables::SlotTableId> ids;
    for (const auto& [id, table] : tables_) ids.push_back(id);
    return ids;
}

tables::SlotMemory::Steady Follower::steady(const tables::SlotTableId& id) const {
    const Table& table = tables_.at(id);
    tables::SlotMemory::Steady steady = table.steady;
    if (!table.is_by_own_numbers) translate(steady);
    return steady;
}

std::vector<bool> Follower::slots_with_flows(const tables::SlotTableId& id,
                                             std::size_t slot_count) const {
    const auto table = tables_.find(id);
    if (table == tables_.end()) return std::vector<bool>(slot_count);
    const std::vector<bool>& has_flows = table->second.has_flows;
    return has_flows.size() == slot_count ? has_flows : std::vector<bool>(slot_count, true);
}

/// From the peer's numbers.
void Follower::translate(tables::SlotMemory::Steady& steady) const {
    for (std::uint16_t& owner : steady.owners) {
        if (owner != tables::Slot::kByHash) owner = own_number(owner);
    }
    for (tables::EarlierOwner& earlier : steady.earlier) earlier.owner = own_number(earlier.owner);
}

std::vector<tables::SlotTableId> Follower::take_changed() {
    std::ranges::sort(changed_);
    changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
    std::erase_if(changed_, [&](const tables::SlotTableId& id) { return !has(id); });
    return std::exchange(changed_, {});
}

bool Follower::sweep(CoarseTime now, CoarseTime remembering, std::size_t buckets,
                     const IsOver& is_over, const OnGone& on_gone) {
    if (counting_.size() != own_.size()) counting_.assign(own_.size(), 0);
    if (flows_->count() == 0) {
        counted_.assign(own_.size(), 0);
        return true;
    }
    if (swept_ == 0 && std::exchange(sweep_began_, now) == now) return false;
    const auto keeps = [&](tables::FlowIdentity identity, const PeerFlows::Flow& flow) {
        const CoarseTime since = old_since_[flow.serial];
        const bool is_old = since != 0 && now - since > remembering;
        const bool goes = is_over ? is_over(identity, flow, is_old) : is_old;
        // If its teller is heard again, it does not know that they are gone.
        wants_telling_ |= goes && is_old && flow.serial == serial_;
        if (goes && on_gone) on_gone(identity);
        if (!goes && flow.backend < counting_.size()) ++counting_[flow.backend];
        return !goes;
    };
    swept_ = flows_->walk(swept_, buckets, keeps);
    if (swept_ != 0) return false;
    counted_ = std::exchange(counting_, std::vector<std::uint32_t>(own_.size()));
    return true;
}

}  // namespace tandem::pair
