#include "dataplane/pair/handoff.h"

#include <algorithm>
#include <utility>

namespace tandem::pair {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kAskInterval = milliseconds(1);
constexpr Duration kTellingMax = seconds(5);
/// A hard drill waits as long as anybody would: up to four of the longest intervals (40.95 s).
constexpr Duration kTakingMax = seconds(1);
constexpr Duration kHardTakingMax = seconds(170);
constexpr Duration kStay = milliseconds(300);
constexpr Duration kReturnMax = seconds(10);

}  // namespace

std::optional<std::string> Handoff::begin(Kind kind, std::uint64_t group, const Peer& peer,
                                          Instant now) {
    if (is_under_way()) return "another handoff is under way";
    const Routers::Standing standing = routers_->standing(group);
    if (!standing.is_there) return "there is no such group";
    if (kind == Kind::kBack && standing.is_active) {
        routers_->set_yields(group, false, now);
        return "the group is here already";
    }
    if (kind != Kind::kBack && !standing.is_active) return "the group is not active here";
    if (kind != Kind::kBack && standing.peer_claims) return "the peer is active for the group, too";
    if (!peer.is_alive) return "the peer is not heard";
    kind_ = kind;
    group_ = group;
    is_for_peer_ = false;
    gap_ = {};
    silent_since_.reset();
    if (kind == Kind::kBack) {
        routers_->set_yields(group_, false, now);
        enter(Stage::kReturning, now);
    } else {
        enter(Stage::kTelling, now);
        replication_->want_openings(kind != Kind::kHardDrill);
    }
    return std::nullopt;
}

void Handoff::enter(Stage stage, Instant now) {
    stage_ = stage;
    since_ = now;
    next_ask_ = now;
    was_told_ = was_backup_ = peer_moves_it_ = false;
    const bool leaves = stage == Stage::kTelling || stage == Stage::kLeaving;
    const bool is_planned = leaves && kind_ != Kind::kHardDrill;
    routers_->set_hands_off(is_planned ? std::optional(group_) : std::nullopt);
    outcome_.reset();
    sent_.fill({});
}

/// Whoever else claims the group has it from now on.
void Handoff::leave(Instant now) {
    enter(Stage::kLeaving, now);
    if (kind_ == Kind::kHardDrill) {
        routers_->set_muted(group_, true);
        silent_since_ = now;  // for who cannot hear this instance any more
    }
    routers_->set_yields(group_, true, now);
}

std::optional<Handoff::Result> Handoff::end(Result result, Instant now) {
    stage_ = Stage::kIdle;
    routers_->set_hands_off(std::nullopt);
    replication_->want_openings(false);
    routers_->set_muted(group_, false);
    const bool stays_away = result.is_done && kind_ == Kind::kAway && !is_for_peer_;
    if (!stays_away) routers_->set_yields(group_, false, now);
    if (!std::exchange(is_for_peer_, false)) return result;
    if (const std::optional<Waiting> waiting = std::exchange(waiting_, std::nullopt)) {
        kind_ = waiting->kind;
        group_ = waiting->group;
        gap_ = waiting->gap;
        silent_since_ = waiting->silent_since;
        enter(Stage::kReturning, now);
    }
    return std::nullopt;
}

std::optional<Handoff::Result> Handoff::fail(const std::string& why, Instant now) {
    return end({.is_done = false, .gap = gap(), .said = why}, now);
}

/// One of the two is known to have been active at that time.
void Handoff::note_active(Instant at) {
    if (silent_since_) gap_ = std::max(gap_, at - *silent_since_);
    silent_since_.reset();
}

std::optional<Handoff::Result> Handoff::step(const Peer& peer, Instant now) {
    const Duration passed = now - since_;
    const Routers::Standing standing = routers_->standing(group_);
    switch (stage_) {
        case Stage::kIdle:
            return std::nullopt;
        case Stage::kTelling:
            if (!peer.is_alive) return fail("the peer is not heard any more", now);
            if (!standing.is_active) return fail("the group is not active here any more", now);
            if (standing.peer_claims) return fail("the peer is active for the group, too", now);
            if (passed > kTellingMax) {
                return fail("the peer is not in step: it could not go on with all flows", now);
            }
            // The telling that has to end is one that began after this.
            if (!replication_->has_told_all()) was_told_ = true;
            if (was_told_ && replication_->has_told_all() && replication_->has_sent_all() &&
                peer.is_caught_up) {
                leave(now);
            }
            return std::nullopt;
        case Stage::kLeaving: {
            // It becomes a backup when it hears who is active; without that it was made to stop.
            const bool is_stopped = !standing.is_active && !standing.is_fit;
            const bool peer_is_active = outcome_ == Answer::Outcome::kActive;
            if (is_stopped && !peer_is_active && !silent_since_) silent_since_ = now;
            if (peer_moves_it_) return fail("the peer drills, or hands off, the same group", now);
            const bool is_refused =
                outcome_ == Answer::Outcome::kNotInStep || outcome_ == Answer::Outcome::kUnfit;
            if (is_refused) return fail("the peer refuses it: it is not in step, or unfit", now);
            const Duration most = kind_ == Kind::kHardDrill ? kHardTakingMax : kTakingMax;
            if (passed > most) return fail("the peer does not take over", now);
            was_backup_ |= standing.is_backup;
            if (was_backup_ && standing.is_active) {
                return fail("the peer has taken over, and let go of it at once", now);
            }
            // That it is not heard is no reason to end a hard drill before it has taken over.
            if (!peer.is_alive && (standing.is_backup || kind_ != Kind::kHardDrill)) {
                return fail("the peer is not heard any more", now);
            }
            if (!standing.is_backup || !peer_is_active) return std::nullopt;
            if (!is_drill()) return end({.is_done = true, .gap = {}, .said = "handed off"}, now);
            enter(Stage::kStaying, now);
            return std::nullopt;
        }
        case Stage::kStaying:
            if (passed < kStay) return std::nullopt;
            routers_->set_yields(group_, false, now);
            enter(Stage::kReturning, now);
            return std::nullopt;
        case Stage::kReturning:
            if (standing.is_active) {
                note_active(now);
                return end({.is_done = true,
                            .gap = gap(),
                            .said = is_drill() ? "handed off and taken back" : "taken back"},
                           now);
            }
            if (outcome_ == Answer::Outcome::kNotInStep && passed > kTellingMax) {
                return fail("this instance is not in step with the peer, which keeps the group",
                            now);
            }
            if (passed > kReturnMax) return fail("the peer does not give the group back", now);
            return std::nullopt;
    }
    return std::nullopt;
}

std::optional<Ask> Handoff::next_ask(Instant now) {
    const bool asks = stage_ == Stage::kLeaving || stage_ == Stage::kReturning;
    if (!asks || now < next_ask_) return std::nullopt;
    next_ask_ = now + kAskInterval;
    Ask ask{.verb = Ask::Verb::kGiveBack, .id = next_id_++, .group = group_};
    if (stage_ == Stage::kLeaving) {
        ask.verb = kind_ == Kind::kHardDrill ? Ask::Verb::kProbe : Ask::Verb::kTake;
        ask.told = replication_->told();
    }
    sent_[ask.id % sent_.size()] = {ask.id, now};
    return ask;
}

void Handoff::on_answer(const Answer& answer) {
    const Sent& sent = sent_[answer.id % sent_.size()];
    if (sent.id != answer.id || !is_under_way()) return;
    outcome_ = answer.outcome;
    // It was so when the question had arrived, which was after it was sent.
    if (answer.outcome == Answer::Outcome::kActive) note_active(sent.at);
    const bool peer_is_silent =
        answer.outcome == Answer::Outcome::kNotActive || answer.outcome == Answer::Outcome::kUnfit;
    const bool is_silent =
        stage_ == Stage::kReturning && peer_is_silent && !routers_->standing(group_).is_active;
    if (is_silent && !silent_since_) silent_since_ = sent.at;
}

Answer Handoff::on_ask(const Ask& ask, const Peer& peer, Instant now) {
    using Outcome = Answer::Outcome;
    const Routers::Standing standing = routers_->standing(ask.group);
    const auto answer = [&](Outcome outcome) { return Answer{ask.id, outcome}; };
    const bool moves_it = ask.verb != Ask::Verb::kGiveBack && ask.group == group_ &&
                          stage_ == Stage::kLeaving && kind_ == Kind::kHardDrill;
    if (moves_it) {
        peer_moves_it_ = true;
        routers_->set_muted(group_, false);  // or the two would not hear each other
    }
    if (!standing.is_there || !standing.is_fit) return answer(Outcome::kUnfit);
    if (ask.verb == Ask::Verb::kTake && !standing.is_active) {
        if (!replication_->has_heard(ask.told)) return answer(Outcome::kNotActive);
        if (!replication_->is_caught_up()) return answer(Outcome::kNotInStep);
        routers_->claim(ask.group, now);
        return answer(Outcome::kActive);
    }
    // If each waits for a group that the other one has, one of them gives way.
    const bool gives_way = stage_ == Stage::kReturning && ask.group < group_;
    if (ask.verb == Ask::Verb::kGiveBack && standing.is_active && (!is_under_way() || gives_way)) {
        if (!peer.is_caught_up) return answer(Outcome::kNotInStep);
        give_back(ask.group, now);
    }
    return answer(standing.is_active ? Outcome::kActive : Outcome::kNotActive);
}

void Handoff::give_back(std::uint64_t group, Instant now) {
    if (is_under_way()) waiting_ = {kind_, group_, gap_, silent_since_};
    is_for_peer_ = true;
    kind_ = Kind::kAway;
    group_ = group;
    gap_ = {};
    silent_since_.reset();
    enter(Stage::kTelling, now);
    replication_->want_openings(true);
}

}  // namespace tandem::pair
