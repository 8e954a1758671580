#include "control/plan/gateways.h"

namespace tandem::plan {

using tables::GatewayState;

void Gateways::follow(const std::set<Gateway>& gateways) {
    std::erase_if(gateways_, [&](const auto& each) { return !gateways.contains(each.first); });
    for (const Gateway& gateway : gateways) gateways_.try_emplace(gateway);
}

void Gateways::heard(const Gateway& gateway, bool answers, Instant now) {
    const auto found = gateways_.find(gateway);
    if (found == gateways_.end()) return;
    Known& known = found->second;
    if (known.answers == answers) return;
    const bool is_first = !known.answers;
    known.answers = answers;
    known.settled_at = is_first && answers ? now : now + kSettling;
}

GatewayState Gateways::state_of(const Known& known, Instant now) {
    if (!known.answers || now < known.settled_at) return GatewayState::kDoubtful;
    return *known.answers ? GatewayState::kAnswers : GatewayState::kSilent;
}

std::vector<Gateways::Change> Gateways::changes(Instant now) {
    std::vector<Change> changes;
    for (auto& [gateway, known] : gateways_) {
        const GatewayState state = state_of(known, now);
        const GatewayState before = known.said.value_or(GatewayState::kAnswers);
        if (known.said == state) continue;
        known.said = state;
        changes.push_back({gateway, before, state});
    }
    return changes;
}

}  // namespace tandem::plan
