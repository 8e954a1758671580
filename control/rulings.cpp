#include "control/rulings.h"

#include <fmt/format.h>

namespace tandem {

namespace {

using plan::Verdicts;
using tables::HealthState;

bool is_verdict(HealthState health) {
    return health == HealthState::kUp || health == HealthState::kDown;
}

std::string_view word_of(HealthState health) {
    if (health == HealthState::kUp) return "up";
    return health == HealthState::kDown ? "down" : "being checked";
}

/// Where what holds is not what this instance finds.
std::string deviation(const Verdicts& now) {
    if (!is_verdict(now.ours)) {
        return fmt::format("is {} by the peer's checks: not checked here yet", word_of(now.holds));
    }
    if (now.holds == HealthState::kUp) return "stays in: only this instance finds it down";
    return "is out: the peer finds it down, and is right about the rest";
}

/// Where it is so again.
std::string settlement(const Verdicts& now) {
    if (now.ours == now.peers) return fmt::format("{}: both find it so", word_of(now.holds));
    return fmt::format("{}: this instance finds it so{}", word_of(now.holds),
                       is_verdict(now.peers) ? "" : ", and the peer has no say");
}

}  // namespace

std::string name_of(const health::Identity& backend) {
    std::string address = backend.address.str();
    if (!backend.address.is_v4()) address = '[' + address + ']';
    return fmt::format("pool {}: backend {}:{}", backend.pool, address, backend.port);
}

std::optional<RulingLine> line_of(const plan::Ruling& ruling) {
    const auto& [backend, before, now] = ruling;
    const auto line = [&](bool is_alarm, const std::string& what) {
        return RulingLine{is_alarm, name_of(backend) + ' ' + what};
    };
    if (now.is_disputed) {
        if (before.is_disputed && before.ours == now.ours) return std::nullopt;
        return line(true,
                    fmt::format("stays in: disputed, only {} finds it down",
                                now.ours == HealthState::kDown ? "this instance" : "the peer"));
    }
    if (now.holds != now.ours) {
        if (!before.is_disputed && before.holds == now.holds && before.ours == now.ours) {
            return std::nullopt;
        }
        return line(is_verdict(now.ours), deviation(now));
    }
    if (before.is_disputed) return line(false, "is disputed no more, and " + settlement(now));
    if (before.holds != before.ours && before.holds != now.holds) {
        return line(false, "is " + settlement(now));
    }
    return std::nullopt;
}

}  // namespace tandem
