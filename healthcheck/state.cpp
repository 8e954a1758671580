#include "healthcheck/state.h"

#include "dataplane/base/check.h"

namespace tandem::health {

std::string_view name(Health health) {
    switch (health) {
        case Health::kChecking:
            return "checking";
        case Health::kUp:
            return "up";
        case Health::kDown:
            return "down";
    }
    CHECK(false);
}

BackendState::BackendState(Thresholds thresholds, Instant now, Health health)
    : thresholds_(thresholds), health_(health), since_(now) {
    CHECK(thresholds.rise >= 1 && thresholds.fall >= 1);
}

std::optional<Transition> BackendState::on_result(const ProbeResult& result, Instant now) {
    last_result_ = result;
    if (result.outcome() == Outcome::kInconclusive) return std::nullopt;

    const bool passed = result.outcome() == Outcome::kPass;
    if (health_ == Health::kChecking && passed) return change_to(Health::kUp, {1, 1}, now);
    if (health_ == (passed ? Health::kUp : Health::kDown)) {
        count_ = 0;
        return std::nullopt;
    }
    ++count_;
    const Progress reached = progress();
    if (reached.count < reached.needed) return std::nullopt;
    return change_to(passed ? Health::kUp : Health::kDown, reached, now);
}

std::optional<Transition> BackendState::on_unchecked(Instant now) {
    count_ = 0;
    last_result_.reset();
    if (health_ == Health::kUp) return std::nullopt;
    return change_to(Health::kUp, {}, now);
}

void BackendState::on_check_changed(Thresholds thresholds) {
    CHECK(thresholds.rise >= 1 && thresholds.fall >= 1);
    thresholds_ = thresholds;
    count_ = 0;
}

Progress BackendState::progress() const {
    return {count_, health_ == Health::kDown ? thresholds_.rise : thresholds_.fall};
}

Transition BackendState::change_to(Health health, Progress progress, Instant now) {
    const Transition transition{health_, health, progress, now - since_};
    health_ = health;
    since_ = now;
    count_ = 0;
    return transition;
}

}  // namespace tandem::health
