#include "dataplane/pair/replication.h"

#include <algorithm>
#include <set>
#include <utility>

namespace tandem::pair {

using tables::Domain;
using tables::FlowChange;
using tables::PeerFlows;
using tables::SlotTableId;

namespace {

/// Of a worker's changes at a step: others wait for the main core, too.
constexpr std::size_t kChangesAtOnce = 2048;
constexpr std::size_t kBucketsAtOnce = 512;  ///< of the peer's flows

}  // namespace

Replication::Replication(const Settings& settings, tables::SlotTables& slots, PeerFlows& flows,
                         std::span<tables::FlowJournal* const> journals,
                         tables::SlotTables::LastUse last_use)
    : settings_(settings),
      slots_(&slots),
      flows_(&flows),
      journals_(journals.begin(), journals.end()),
      last_use_(std::move(last_use)),
      teller_(settings.limits, settings.epoch),
      follower_(flows),
      is_answering_(journals.size()),
      has_answered_(journals.size()),
      inheritance_(settings.remembering, settings.use_cells) {}

bool Replication::answers_for(Domain domain) const {
    return domain == tables::kNoDomain || std::ranges::binary_search(domains_, domain);
}

void Replication::set_plan(std::vector<ToldBackend> backends,
                           std::vector<tables::HealthState> verdicts, std::uint64_t hash_key_id) {
    follower_.set_backends(backends);
    if (std::exchange(hash_key_id_, hash_key_id) != hash_key_id) {
        telling_is_due_ = true;
        receiver_.forget();  // what may still come of that telling is of other slots
    }
    for (std::size_t i = 1; i < std::max(backends.size(), backends_.size()); ++i) {
        const ToldBackend before = i < backends_.size() ? backends_[i] : ToldBackend{};
        ToldBackend now = i < backends.size() ? backends[i] : ToldBackend{};
        now.number = static_cast<tables::BackendIndex>(i);
        const bool is_same =
            before.pool == now.pool && before.address == now.address && before.port == now.port;
        if (is_telling() && !is_same) teller_.tell(now);
    }
    verdicts.resize(backends.size());
    for (std::size_t i = 1; i < verdicts.size(); ++i) {
        if (i < verdicts_.size() && verdicts_[i] == verdicts[i]) continue;
        if (is_telling())
            teller_.tell(ToldVerdict{static_cast<tables::BackendIndex>(i), verdicts[i]});
    }
    backends_ = std::move(backends);
    verdicts_ = std::move(verdicts);
    follows_anew_ = true;
    if (own_tables() != tables_in_telling_) telling_is_due_ = true;
}

CoarseTime Replication::last_use(std::uint64_t pool, std::uint32_t slot, CoarseTime now) const {
    return std::max(last_use_(pool, slot), inheritance_.last_use(pool, slot, now));
}

/// Those to be told: anew when there are others, or slots that are others at once.
std::vector<Replication::OwnTable> Replication::own_tables() const {
    std::vector<OwnTable> own;
    for (const auto& [id, table] : slots_->all()) {
        if (id.domain == tables::kNoDomain || !answers_for(id.domain)) continue;
        own.push_back({id, table.memory.foundings()});
    }
    return own;
}

bool Replication::set_domains(std::vector<Domain> domains, CoarseTime now,
                              const std::function<void()>& meanwhile) {
    if (domains == domains_) return false;
    // By the numbers of the latest plan.
    bool has_changed = follow_tables(std::exchange(follows_anew_, false));
    const std::vector<Domain> before = std::exchange(domains_, std::move(domains));
    telling_is_due_ = true;
    std::set<Domain> taken_over;
    for (const OwnTable& own : own_tables()) {
        const SlotTableId& id = own.id;
        if (std::ranges::binary_search(before, id.domain)) continue;
        meanwhile();
        const std::vector<bool> has_flows =
            follower_.slots_with_flows(id, slots_->find(id)->memory.slots().size());
        inheritance_.note_use(id.pool, has_flows, now);
        if (slots_->take_over(id, now, [&](std::uint32_t slot) { return has_flows[slot]; })) {
            taken_over.insert(id.domain);
            has_changed = true;
        } else {
            has_changed |= remember_flows(id, now);
        }
    }
    for (const Domain domain : taken_over) slots_->outdate(domain, now);
    inherit(before, now);
    follower_.ignore(domains_);
    await(before);
    return follow_tables(/*all=*/true) || has_changed;
}

void Replication::inherit(const std::vector<Domain>& before, CoarseTime now) {
    if (flows_->count() == 0) return;
    for (const Domain domain : domains_) {
        if (!std::ranges::binary_search(before, domain)) inheritance_.begin(domain, now);
    }
}

/// Whether a flow has been silent for as long as one may be, or is inherited and all of its slot go
/// where it does. The peer has gone on with it until this instance took over, however long it had
/// not been heard by then: an inherited one is silent since the takeover.
bool Replication::is_over(tables::FlowIdentity identity, const PeerFlows::Flow& flow, bool is_old,
                          CoarseTime now) {
    if (is_of_steady_slot(identity, flow.backend)) return true;
    const Domain domain = tables::domain_of(identity);
    const std::optional<bool> is_silent = inheritance_.meet(domain, now);
    if (is_silent && answers_for(domain)) return *is_silent;
    // Of a domain that was given up meanwhile, the peer says what is over.
    return is_old && is_silent.value_or(true);
}

/// A telling that began before the peer answered for them says nothing of these.
void Replication::await(const std::vector<Domain>& before) {
    for (const Domain domain : before) {
        const bool is_given_up =
            !answers_for(domain) && std::ranges::find(awaited_, domain) == awaited_.end();
        if (is_given_up) awaited_.push_back(domain);
    }
    await_no_longer();
}

void Replication::await_no_longer() {
    std::erase_if(awaited_, [&](Domain domain) {
        const bool is_there = std::ranges::any_of(
            slots_->all(), [&](const auto& table) { return table.first.domain == domain; });
        return !is_there || answers_for(domain) || follower_.is_told(domain);
    });
}

/// Of a table that is not gone on with, the peer may have told of flows all the same.
bool Replication::remember_flows(const SlotTableId& id, CoarseTime now) {
    if (flows_->count() == 0) return false;
    const auto slots = static_cast<std::uint32_t>(slots_->find(id)->memory.slots().size());
    std::vector<bool> has_flows(slots);
    flows_->walk_all([&](tables::FlowIdentity identity, const PeerFlows::Flow& flow) {
        if (tables::domain_of(identity) != id.domain) return true;
        // Where it belongs is not known here: no slot would look it up before it is another's.
        if (flow.backend == tables::kNoBackend || flow.backend >= backends_.size()) return false;
        if (backends_[flow.backend].pool == id.pool) {
            has_flows[tables::LiveView::slot_index(identity, slots)] = true;
        }
        return true;
    });
    inheritance_.note_use(id.pool, has_flows, now);
    return slots_->remember(id, [&](std::uint32_t slot) { return has_flows[slot]; });
}

/// Those that the peer answers for, and this instance does not.
bool Replication::follow_tables(bool all) {
    const std::vector<SlotTableId> changed = follower_.take_changed();
    bool any = false;
    for (const SlotTableId& id : all ? follower_.tables() : changed) {
        if (answers_for(id.domain)) continue;
        any |= slots_->follow(id, follower_.steady(id));
    }
    return any;
}

void Replication::peer_appears(bool is_new, CoarseTime now) {
    if (is_new) {
        receiver_.forget();
        awaited_.clear();  // its telling begins with what it answers for
        follower_.forget_verdicts();
    }
    is_peer_alive_ = true;
    follower_.set_alive(true, now);
    telling_is_due_ = true;
}

void Replication::peer_is_lost(CoarseTime now) {
    is_peer_alive_ = false;
    peers_key_id_ = 0;
    follower_.set_alive(false, now);
    teller_.stop();
    ask_journals(0);
    finish_alone(teller_.take_unacknowledged(), now);
}

/// With nobody to tell, transitions end without the peer's knowledge.
void Replication::finish_alone(const std::vector<Teller::Endings>& all, CoarseTime now) {
    for (const Teller::Endings& endings : all) {
        uncommitted_ += endings.slots.size();
        have_ended_alone_ |=
            slots_->finish(endings.id, endings.slots, now, settings_.remembering,
                           [&](auto pool, auto slot) { return last_use(pool, slot, now); });
    }
}

void Replication::take(const Batch& batch, CoarseTime now) {
    if (!has_same_key()) return;  // not acknowledged: it comes again
    const StreamReceiver::Taken taken = receiver_.take(batch);
    if (taken.is_new_epoch) follower_.begin(now);
    for (const Record& record : taken.records) {
        if (const std::optional<Told> told = decode_record(record)) follower_.take(*told);
    }
}

std::optional<Acknowledgement> Replication::acknowledgement() const {
    if (!receiver_.epoch()) return std::nullopt;
    return Acknowledgement{*receiver_.epoch(), receiver_.next()};
}

void Replication::take_request(std::uint32_t epoch) {
    if (is_telling() && epoch == teller_.stream().epoch()) telling_is_due_ = true;
}

void Replication::take(const Acknowledgement& acknowledgement, Instant now) {
    teller_.stream().acknowledged(acknowledgement.epoch, acknowledgement.next, now);
}

void Replication::ask_journals(std::uint32_t serial) {
    asked_ = serial;
    for (tables::FlowJournal* journal : journals_) journal->ask(serial);
    is_answering_.assign(journals_.size(), false);
    has_answered_.assign(journals_.size(), false);
}

void Replication::begin_telling() {
    telling_is_due_ = false;
    Teller::Contents contents;
    for (std::size_t i = 1; i < backends_.size(); ++i) {
        if (backends_[i].address == IpAddress{}) continue;
        contents.backends.push_back(backends_[i]);
        contents.backends.back().number = static_cast<tables::BackendIndex>(i);
        contents.verdicts.push_back({static_cast<tables::BackendIndex>(i), verdicts_[i]});
    }
    tables_in_telling_ = own_tables();
    for (const OwnTable& table : tables_in_telling_) contents.tables.push_back(table.id);
    teller_.begin(std::move(contents), *slots_);
    ask_journals(0);
    next_inherited_ = 0;
    are_inherited_told_ = false;
    ++tellings_;
}

/// Whether an inherited flow no longer matters: for so long was none of its slot seen, or all go
/// where it does.
bool Replication::is_of_steady_slot(tables::FlowIdentity identity,
                                    tables::BackendIndex backend) const {
    const Domain domain = tables::domain_of(identity);
    if (domain == tables::kNoDomain || !answers_for(domain)) return false;
    if (backend == tables::kNoBackend || backend >= backends_.size()) return false;
    const tables::SlotTables::Table* table = slots_->find({backends_[backend].pool, domain});
    if (table == nullptr || table->memory.slots().empty()) return false;
    const std::span<const tables::Slot> slots = table->memory.slots();
    const auto count = static_cast<std::uint32_t>(slots.size());
    return slots[tables::LiveView::slot_index(identity, count)].is_steady();
}

/// Flows of an earlier peer's that this instance answers for now. Before those of workers: what
/// they say of the same flow is newer. False: there are more.
bool Replication::tell_inherited() {
    if (are_inherited_told_) return true;
    next_inherited_ = flows_->walk(
        next_inherited_, kBucketsAtOnce,
        [&](tables::FlowIdentity identity, const PeerFlows::Flow& flow) {
            const Domain domain = tables::domain_of(identity);
            if (is_of_steady_slot(identity, flow.backend)) return false;
            if (domain != tables::kNoDomain && answers_for(domain) &&
                flow.backend != tables::kNoBackend) {
                teller_.tell({identity, flow.backend, flow.state, FlowChange::Kind::kIs});
            }
            return true;
        });
    are_inherited_told_ = next_inherited_ == 0;
    return are_inherited_told_;
}

void Replication::hear(std::size_t journal) {
    journals_[journal]->drain(kChangesAtOnce, [&](const FlowChange& change) {
        if (change.kind == FlowChange::Kind::kBegins) {
            is_answering_[journal] = change.identity == asked_;
            return;
        }
        if (!is_answering_[journal]) return;
        if (change.kind == FlowChange::Kind::kTold) {
            has_answered_[journal] = true;
            return;
        }
        const Domain domain = tables::domain_of(change.identity);
        if (!answers_for(domain)) return;
        teller_.tell(change);
        // An inherited flow is the worker's from now on, or has ended.
        if (domain != tables::kNoDomain) flows_->remove(change.identity);
    });
}

/// What the peer was to hear is more than there was room for: from then on it is degraded, for it
/// hears nothing more until it is told all anew.
bool Replication::has_overflowed() const {
    return teller_.is_broken() || std::ranges::any_of(journals_, [](const auto* journal) {
               return journal->has_overflowed();
           });
}

void Replication::tell_flows() {
    if (!teller_.takes_flows()) return;
    if (teller_.awaits_flows() && !tell_inherited()) return;
    if (asked_ == 0) ask_journals(static_cast<std::uint32_t>(tellings_) | 1U << 31U);
    for (std::size_t i = 0; i < journals_.size(); ++i) {
        if (teller_.takes_flows()) hear(i);
    }
    const bool all = std::ranges::find(has_answered_, false) == has_answered_.end();
    if (teller_.awaits_flows() && all) teller_.all_flows_told();
}

bool Replication::step(CoarseTime now) {
    if (is_peer_alive_ && has_same_key()) {
        const bool is_degraded = has_overflowed();
        overflows_ += is_degraded ? 1 : 0;
        if (telling_is_due_ || teller_.is_idle() || is_degraded) begin_telling();
        teller_.go_on(*slots_);
        tell_flows();
    } else if (is_telling()) {
        teller_.stop();
        ask_journals(0);
    }
    bool any = std::exchange(have_ended_alone_, false);
    any |= follow_tables(std::exchange(follows_anew_, false));
    if (!awaited_.empty()) await_no_longer();
    for (const Teller::Endings& endings : teller_.take_acknowledged()) {
        any |= slots_->finish(endings.id, endings.slots, now, settings_.remembering,
                              [&](auto pool, auto slot) { return last_use(pool, slot, now); });
    }
    // Who is told of an inherited flow is told of its end.
    const bool has_swept_all = follower_.sweep(
        now, settings_.remembering, kBucketsAtOnce,
        [&](tables::FlowIdentity identity, const PeerFlows::Flow& flow, bool is_old) {
            return is_over(identity, flow, is_old, now);
        },
        [&](tables::FlowIdentity identity) {
            if (answers_for(tables::domain_of(identity))) {
                teller_.tell({.identity = identity, .kind = FlowChange::Kind::kEnded});
            }
        });
    if (has_swept_all) inheritance_.end_sweep(flows_->count() == 0);
    return any;
}

bool Replication::settle(CoarseTime now) {
    if (!telling_is_due_) teller_.tell_digest(*slots_);
    return slots_->settle(
        now, settings_.remembering, [&](auto pool, auto slot) { return last_use(pool, slot, now); },
        [&](const SlotTableId& id, std::span<const tables::SlotMemory::Ending> endings) {
            return commit(id, endings, now);
        });
}

bool Replication::commit(const SlotTableId& id, std::span<const tables::SlotMemory::Ending> endings,
                         CoarseTime now) {
    if (!is_peer_alive_ || !teller_.tells(id)) {
        // Those before them first: told later, they would undo these.
        finish_alone(teller_.take_unacknowledged(id), now);
        uncommitted_ += endings.size();
        return false;
    }
    teller_.tell(Teller::Endings{id, {endings.begin(), endings.end()}});
    return true;
}

void Replication::want_openings(bool wanted) {
    for (tables::FlowJournal* journal : journals_) journal->want_openings(wanted);
    telling_is_due_ = true;
}

}  // namespace tandem::pair
