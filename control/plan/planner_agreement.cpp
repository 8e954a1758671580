// The part of the planner that settles, from what both instances say, who serves.
#include "control/plan/planner.h"
#include "dataplane/tables/agreement.h"

namespace tandem::plan {

namespace {

using tables::HealthState;

/// Without a pair there is nobody to agree with.
tables::Agreement policy_of(const conf::Config& config) {
    if (!config.pair) return tables::Agreement::kLocal;
    switch (config.pair->agreement) {
        case conf::Agreement::kCredible:
            return tables::Agreement::kCredible;
        case conf::Agreement::kAny:
            return tables::Agreement::kAny;
        case conf::Agreement::kBoth:
            return tables::Agreement::kBoth;
        case conf::Agreement::kLocal:
            return tables::Agreement::kLocal;
    }
    return tables::Agreement::kLocal;
}

bool is_news(const Verdicts& before, const Verdicts& now) {
    return before.ours != now.ours || before.holds != now.holds ||
           before.is_disputed != now.is_disputed;
}

}  // namespace

void Planner::set_health(const health::Identity& backend, HealthState health) {
    const auto found = backends_.find(backend);
    if (found == backends_.end()) return;
    found->second.ours = health;
    is_settled_ = false;
}

void Planner::set_peer_health(std::span<const HealthState> verdicts) {
    for (auto& [identity, backend] : backends_) {
        backend.peers =
            backend.index < verdicts.size() ? verdicts[backend.index] : HealthState::kUnused;
    }
    is_settled_ = false;
}

HealthState Planner::health(const health::Identity& backend) const {
    const auto found = backends_.find(backend);
    return found == backends_.end() ? HealthState::kUnused : found->second.ours;
}

Verdicts Planner::verdicts(const health::Identity& backend) const {
    const auto found = backends_.find(backend);
    if (found != backends_.end()) return found->second.settled;
    return {.ours = HealthState::kUnused, .holds = HealthState::kUnused};
}

std::vector<health::Identity> Planner::disputed() const {
    std::vector<health::Identity> found;
    for (const auto& [identity, backend] : backends_) {
        if (backend.settled.is_disputed) found.push_back(identity);
    }
    return found;
}

std::vector<Ruling> Planner::agree() {
    std::vector<Ruling> rulings;
    if (is_settled_) return rulings;
    is_settled_ = true;
    const tables::Agreement policy = policy_of(config_);
    std::vector<tables::Opinions> opinions;
    for (std::size_t first = 0; first < configured_.size(); first += opinions.size()) {
        opinions.clear();
        const std::uint16_t pool = configured_[first].pool;
        for (std::size_t i = first; i < configured_.size() && configured_[i].pool == pool; ++i) {
            opinions.push_back({configured_[i].known->ours, configured_[i].known->peers});
        }
        const std::vector<tables::Agreed> agreed = tables::agree(policy, opinions);
        for (std::size_t i = 0; i < agreed.size(); ++i) {
            const Configured& each = configured_[first + i];
            const Verdicts before = each.known->settled;
            const Verdicts now{opinions[i].ours, opinions[i].peers, agreed[i].health,
                               agreed[i].is_disputed};
            each.known->settled = now;
            if (!is_news(before, now)) continue;
            rulings.push_back(
                {{config_.pools[pool].name, each.backend->address, each.backend->port},
                 before,
                 now});
        }
    }
    return rulings;
}

}  // namespace tandem::plan
