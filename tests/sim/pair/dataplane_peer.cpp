// What is said to the other instance, and heard of it: as in peer_link.cpp and paired_tables.cpp.
#include <algorithm>

#include "tests/sim/pair/dataplane.h"

namespace tandem::sim {

namespace {

constexpr Duration kAnswerInterval = milliseconds(5);
constexpr int kBatchesAtOnce = 64;

}  // namespace

/// PeerLink::hear.
void Dataplane::hear_peer(Instant now) {
    suspicion_.looked(now);
    for (const auto& [datagram, at] : std::exchange(datagrams_, {})) believe(datagram, at, now);
    if (!heard_ || !suspicion_.is_dead(now)) return;
    heard_.reset();
    replication_->peer_is_lost(coarse(now));
    has_same_tables_ = false;
}

/// MainCore::follow_peer.
void Dataplane::follow_peer(Instant now) {
    if (heard_) {
        has_same_tables_ = heard_->hash_key_id == own_.hash_key_id && heard_->digest == own_.digest;
    }
    converse(now);
    report(/*is_asked=*/true);
    follow_roles(now);
    if (replication_->step(coarse(now))) merged_ = 0;
}

/// PeerLink::converse.
void Dataplane::converse(Instant now) {
    for (const pair::Answer& answer : std::exchange(answered_, {})) handoff_->on_answer(answer);
    for (const pair::Ask& ask : std::exchange(asked_, {})) {
        answer_ = handoff_->on_ask(ask, peer(), now);
    }
    ask_ = handoff_->next_ask(now);
}

/// PeerLink::believe.
void Dataplane::believe(const Datagram& datagram, Instant at, Instant now) {
    const std::optional<Channel::Opened> opened = channel_.open(datagram);
    if (!opened) return;
    if (!opened->is_known) {
        if (now - answered_at_ < kAnswerInterval) return;
        answered_at_ = now;
        sent_.push_back(channel_.answer(datagram));
        return;
    }
    is_new_life_ |= opened->is_new;
    const std::optional<pair::Message> message = pair::decode(datagram.payload);
    if (!message) return;
    if (!message->heartbeat && (!heard_ || is_new_life_)) return;
    suspicion_.heard(at);
    take(*message, std::exchange(is_new_life_, false), at, now);
}

/// PeerLink::take.
void Dataplane::take(const pair::Message& message, bool is_new, Instant at, Instant now) {
    if (message.heartbeat) {
        if (!heard_ || is_new) replication_->peer_appears(is_new, coarse(now));
        replication_->peer_has_key(message.heartbeat->hash_key_id);
        heard_ = message.heartbeat;
        claims_.insert(claims_.end(), heard_->claims.begin(), heard_->claims.end());
        heard_at_ = std::max(heard_at_, at);
    }
    const bool has_waited = now - at > kHeartbeat;
    if (message.ask && !has_waited) asked_.push_back(*message.ask);
    if (message.answer) answered_.push_back(*message.answer);
    if (message.acknowledgement) {
        replication_->take(*message.acknowledgement, now);
        const bool wants_telling = message.heartbeat && message.heartbeat->wants_telling;
        if (wants_telling) replication_->take_request(message.acknowledgement->epoch);
    }
    if (message.batch) {
        replication_->take(*message.batch, coarse(now));
        owes_answer_ = true;
    }
}

pair::Message Dataplane::heartbeat() const {
    pair::Message message;
    message.heartbeat = own_;
    message.heartbeat->interval_us = static_cast<std::uint32_t>(kHeartbeat / microseconds(1));
    message.heartbeat->is_fit = true;
    message.heartbeat->is_caught_up = replication_->is_caught_up();
    message.heartbeat->has_told_all = replication_->has_told_all();
    message.heartbeat->wants_telling = replication_->wants_telling();
    message.acknowledgement = replication_->acknowledgement();
    return message;
}

/// PeerLink::speak, then PeerLink::stream.
void Dataplane::speak(Instant now) {
    own_.holds_down = hold_down_.holds(now);
    own_.claims = routers_->claims();
    if (!is_fit_) return;
    if (now >= next_heartbeat_) {
        next_heartbeat_ = std::max(next_heartbeat_ + kHeartbeat, now);
        sent_.push_back(channel_.seal(encode(heartbeat())));
    }
    if (!heard_) return;
    for (int i = 0; i < kBatchesAtOnce; ++i) {
        std::optional<pair::Batch> batch = replication_->next_batch(now);
        if (!batch && !owes_answer_ && !ask_ && !answer_) return;
        owes_answer_ = false;
        pair::Message message;
        if (ask_ || answer_) message = heartbeat();
        if (message.heartbeat) message.heartbeat->claims.clear();
        message.ask = std::exchange(ask_, std::nullopt);
        message.answer = std::exchange(answer_, std::nullopt);
        message.acknowledgement = replication_->acknowledgement();
        message.batch = std::move(batch);
        sent_.push_back(channel_.seal(encode(message)));
    }
}

/// PeerLink::is_in_step.
bool Dataplane::is_in_step() const {
    return heard_ && stepped_at_ - heard_at_ <= kDeadAfter && heard_->has_told_all &&
           replication_->is_caught_up() && has_same_tables_;
}

/// MainCore::judge.
void Dataplane::judge(Instant now) {
    knows_verdicts_ =
        replication_->is_caught_up() || (knows_verdicts_ && replication_->hears_peer());
    is_plan_new_ = false;
    gate_.judge(is_in_step(), now);
    if (!heard_ || !heard_->holds_down) held_down_since_.reset();
    if (heard_ && heard_->holds_down && !held_down_since_) held_down_since_ = now;
    routers_->allow_preemption(gate_.is_open() && !held_down_since_ && !handoff_->awaits_group());
    const bool is_in_step = gate_.state() == pair::PreemptionGate::State::kInStep;
    orders_->take_back_own(is_in_step && !held_down_since_, peer(), now);
}

/// PairedTables::follow_plan.
void Dataplane::set_plan() {
    const std::vector<tables::PlanBackend>& planned = plan_->content.backends;
    std::vector<pair::ToldBackend> backends(planned.size());
    std::vector<tables::HealthState> verdicts(planned.size());
    for (std::size_t i = 1; i < planned.size(); ++i) {
        if (planned[i].health == tables::HealthState::kUnused) continue;
        backends[i] = {.number = static_cast<tables::BackendIndex>(i),
                       .pool = plan_->pool_ids[planned[i].pool],
                       .address = planned[i].address,
                       .port = planned[i].port};
        verdicts[i] = planned[i].health;
    }
    is_plan_new_ = true;
    replication_->set_plan(std::move(backends), std::move(verdicts), slot_hash_.of_pair(0, 0));
}

/// PairedTables::show_views, and PeerWatch.
std::span<const tables::HealthState> Dataplane::peers_verdicts() const {
    if (!knows_verdicts_) return {};
    return replication_->follower().verdicts();
}

bool Dataplane::has_heard_workers() const {
    return std::ranges::all_of(journals_, [&](const tables::FlowJournal& journal) {
        return journal.has_room(shape_->journal_changes) && !journal.has_overflowed();
    });
}

}  // namespace tandem::sim
