#include "control/plan/self_suspicion.h"

namespace tandem::plan {

namespace {

using tables::HealthState;

bool is_down_here_alone(const SelfSuspicion::Subject& subject) {
    return subject.ours == HealthState::kDown && subject.peers == HealthState::kUp;
}

}  // namespace

void SelfSuspicion::on_fall(const health::Identity& backend, Instant now) {
    falls_[backend] = now;
}

SelfSuspicion::Outcome SelfSuspicion::judge(const std::string& pool,
                                            std::span<const Subject> backends, Instant now) {
    std::erase_if(falls_, [&](const auto& fall) { return now - fall.second > kAtOnce; });
    std::size_t alone = 0;
    std::size_t alone_at_once = 0;
    for (const Subject& subject : backends) {
        if (!is_down_here_alone(subject)) continue;
        ++alone;
        if (falls_.contains(subject.backend)) ++alone_at_once;
    }
    if (suspicious_.contains(pool)) {
        if (2 * alone > backends.size()) return Outcome::kNothingNew;
        suspicious_.erase(pool);
        return Outcome::kOver;
    }
    if (backends.size() < kBackendsMin || 2 * alone_at_once <= backends.size()) {
        return Outcome::kNothingNew;
    }
    suspicious_.insert(pool);
    return Outcome::kSuspicious;
}

}  // namespace tandem::plan
