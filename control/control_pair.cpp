// The part of control that is about the other instance: the key of both, what both say of backends,
// and the orders that move groups from one to the other.
#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <spdlog/spdlog.h>

#include "conf/diagnostic.h"
#include "conf/spelling.h"
#include "control/control.h"
#include "control/hash_key.h"
#include "control/rulings.h"

namespace tandem {

namespace {

using tables::HealthState;
using tables::OrderKind;

/// Both instances are to have the same tables soon after one of them has noticed something.
constexpr auto kPeerInterval = std::chrono::milliseconds(10);
/// So many backends are named one by one, of those for which something changes at once.
constexpr std::size_t kRulingsNamedMax = 20;

OrderKind kind_of(const admin::Request& request) {
    switch (request.verb) {
        case admin::Verb::kTakeBack:
            return OrderKind::kTakeBack;
        case admin::Verb::kDrill:
            return request.is_hard ? OrderKind::kHardDrill : OrderKind::kDrill;
        case admin::Verb::kHandoff:
        case admin::Verb::kPeer:
            break;
    }
    return OrderKind::kHandoff;
}

admin::Answer answer_of(const Result<tables::OrderReport>& outcome) {
    if (!outcome) return admin::refused(outcome.error().message);
    const tables::OrderReport& report = outcome.value();
    return {.is_ok = report.is_done != 0,
            .said = report.said.data(),
            .gap_us = report.gap_us,
            .facts = {}};
}

}  // namespace

void Control::watch_peer() {
    peer_timer_.expires_after(kPeerInterval);
    peer_timer_.async_wait([this](const boost::system::error_code& error) {
        if (error || is_stopped_) return;
        if (link_.is_connected()) look_at_peer();
        watch_peer();
    });
}

/// What the peer says is often only what was known: then nothing is published, for the dataplane
/// may say it again after each plan.
void Control::look_at_peer() {
    if (!config_.pair || !peer_.look(link_.region()->dataplane().peer_views)) return;
    if (peer_.key() && plan::is_to_be_adopted(*peer_.key(), planner_.key(), peer_.key_holds())) {
        adopt_key(*peer_.key());
        request_publish();
    }
    planner_.set_peer_health(peer_.verdicts());
    if (settle_health()) request_publish();
}

void Control::adopt_key(const plan::TableKey& key) {
    spdlog::info(
        "the peer's hash key is that of the pair, for {}: all tables are made anew with it",
        peer_.key_holds() == tables::KeyHolds::kPeers ? "it serves" : "it is the older one");
    planner_.adopt(key);
    const Status saved = save_hash_key(config_.control.state_dir, key);
    if (!saved) spdlog::warn("{}", saved.error().message);
}

/// Returns whether another state holds of any backend.
bool Control::settle_health() {
    const std::vector<plan::Ruling> rulings = planner_.agree();
    std::size_t unnamed = 0;
    std::size_t named = 0;
    bool is_other = false;
    for (const plan::Ruling& ruling : rulings) {
        is_other = is_other || ruling.before.holds != ruling.now.holds;
        on_ruling(ruling);
        const std::optional<RulingLine> line = line_of(ruling);
        if (!line) continue;
        if (++named > kRulingsNamedMax) {
            ++unnamed;
            continue;
        }
        spdlog::log(line->is_alarm ? spdlog::level::warn : spdlog::level::info, "{}", line->text);
    }
    if (unnamed != 0) {
        spdlog::warn("of {} more backends the two instances' states differ, or do no more",
                     unnamed);
    }
    if (!self_suspicion_.is_idle()) judge_self(Instant::clock::now());
    return is_other;
}

void Control::on_ruling(const plan::Ruling& ruling) {
    if (ruling.before.holds == ruling.now.holds) return;
    slow_starts_.erase(ruling.backend);
    planner_.set_weight_percent(ruling.backend, 100);
    if (ruling.now.holds == HealthState::kUp && slow_start_of(ruling.backend).count() > 0) {
        slow_starts_.emplace(ruling.backend, Instant::clock::now());
        planner_.set_weight_percent(ruling.backend, 1);
    }
}

void Control::judge_self(Instant now) {
    using Outcome = plan::SelfSuspicion::Outcome;
    for (const conf::Pool& pool : config_.pools) {
        std::vector<plan::SelfSuspicion::Subject> subjects;
        for (const conf::Backend& backend : pool.backends) {
            health::Identity identity{pool.name, backend.address, backend.port};
            const plan::Verdicts verdicts = planner_.verdicts(identity);
            subjects.push_back({std::move(identity), verdicts.ours, verdicts.peers});
        }
        const Outcome outcome = self_suspicion_.judge(pool.name, subjects, now);
        if (outcome == Outcome::kSuspicious) hand_off(pool.name);
        if (outcome == Outcome::kOver) {
            spdlog::info(
                "pool {}: most of its backends are no longer down here alone; what was handed off "
                "stays with the peer until it is taken back",
                pool.name);
        }
    }
}

void Control::hand_off(const std::string& pool) {
    std::set<std::string> groups;
    for (const conf::Vip& vip : config_.vips) {
        if (vip.pool == pool && !vip.group.empty()) groups.insert(vip.group);
    }
    spdlog::error(
        "pool {}: most of its backends went down within a second here, and the peer finds them up: "
        "the fault is probably ours; {}",
        pool,
        groups.empty() ? "its VIPs belong to no group that the peer could take"
                       : fmt::format("handing off group {}", fmt::join(groups, ", ")));
    for (const std::string& group : groups) {
        link_.give_order(
            OrderKind::kHandoff, group, [group](const Result<tables::OrderReport>& outcome) {
                const admin::Answer answer = answer_of(outcome);
                spdlog::log(answer.is_ok ? spdlog::level::info : spdlog::level::err,
                            "group {}: {}: {}", group,
                            answer.is_ok ? "handed off" : "not handed off", answer.said);
            });
    }
}

std::string Control::wrong_with(const admin::Request& request) const {
    if (request.verb == admin::Verb::kPeer) return "";
    if (config_.groups.empty()) return "there are no groups: this instance answers for all VIPs";
    const auto named = std::ranges::find(config_.groups, request.group, &conf::Group::name);
    if (request.group.empty() || named != config_.groups.end()) return "";
    std::vector<std::string_view> names;
    for (const conf::Group& group : config_.groups) names.push_back(group.name);
    const std::string_view near = conf::nearest(request.group, names);
    return fmt::format("there is no group {}{}", conf::in_quotes(request.group),
                       near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near));
}

void Control::on_request(const admin::Request& request, const admin::Server::Respond& respond) {
    if (request.verb == admin::Verb::kPeer) return respond(describe_peer());
    const std::string wrong = wrong_with(request);
    if (!wrong.empty()) return respond(admin::refused(wrong));
    spdlog::info("order: {}{}{}", admin::name(request.verb), request.is_hard ? ", hard" : "",
                 request.group.empty() ? ", all groups" : ", group " + request.group);
    link_.give_order(
        kind_of(request), request.group, [respond](const Result<tables::OrderReport>& outcome) {
            const admin::Answer answer = answer_of(outcome);
            spdlog::info("order: {}: {}", answer.is_ok ? "done" : "not done", answer.said);
            respond(answer);
        });
}

admin::Answer Control::describe_peer() {
    if (!config_.pair) return admin::refused("there is no section [pair] in the configuration");
    if (!link_.is_connected()) return admin::refused("the dataplane is not there");
    const tables::PeerState& state = link_.region()->dataplane().peer;
    const bool is_alive = state.is_alive.load(std::memory_order_relaxed);
    const bool has_same_tables = state.has_same_tables.load(std::memory_order_relaxed);
    boost::json::array disputed;
    for (const health::Identity& backend : planner_.disputed()) {
        disputed.emplace_back(name_of(backend));
    }
    admin::Answer answer{.is_ok = true, .said = "", .gap_us = -1, .facts = {}};
    answer.said = fmt::format("the peer is {}{}", is_alive ? "alive" : "not heard",
                              !is_alive         ? ""
                              : has_same_tables ? ", and has the same tables"
                                                : ", and has other tables");
    const std::optional<plan::TableKey>& key = peer_.key();
    answer.facts = {{"alive", is_alive},
                    {"same_tables", has_same_tables},
                    {"same_hash_key", key && key->key == planner_.key().key},
                    {"verdicts_known", peer_.is_known()},
                    {"serial", peer_.serial()},
                    {"suspicion_milli", state.phi_milli.load(std::memory_order_relaxed)},
                    {"deaths", state.deaths.load(std::memory_order_relaxed)},
                    {"disputed", std::move(disputed)}};
    return answer;
}

}  // namespace tandem
