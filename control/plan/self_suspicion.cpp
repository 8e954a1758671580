#include "control/plan/self_suspicion.h"

namespace tandem::plan {

namespace {

using tables::HealthState;

bool is_down_here_alone(const SelfSuspicion::Subject& subject) {
    return subject.ours == HealthState::kDown && subject.peers == HealthState::kUp;
}

}  // namespace

void SelfSuspicion::on_fall(const health::Identity& backend, Duration patience, Instant now) {
    falls_[backend] = now + patience;
}

SelfSuspicion::Outcome SelfSuspicion::judge(const std::string& pool,
                                            std::span<const Subject> backends, Instant now) {
    std::erase_if(falls_, [&](const auto& fall) { return now - fall.second > kAtOnce; });
    std::size_t alone = 0;
    std::size_t alone_at_once = 0;
    for (const Subject& subject : backends) {
        if (!is_down_here_alone(subject)) continue;
        ++alone;
        const auto fall = falls_.find(subject.backend);
        if (fall != falls_.end() && now >= fall->second) ++alone_at_once;
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
