#include "dataplane/tables/agreement.h"

namespace tandem::tables {

namespace {

/// Right about the rest: about nine of ten of the others.
constexpr std::size_t kRightOf = 10;
constexpr std::size_t kRight = 9;

bool is_verdict(HealthState health) {
    return health == HealthState::kUp || health == HealthState::kDown;
}

bool both_judge(const Opinions& backend) {
    return is_verdict(backend.ours) && is_verdict(backend.peers);
}

/// How often the two have the same verdict.
struct Record {
    std::size_t judged = 0;  ///< backends that both have a verdict on
    std::size_t equal = 0;
};

Record record_of(std::span<const Opinions> pool) {
    Record record;
    for (const Opinions& backend : pool) {
        if (!both_judge(backend)) continue;
        ++record.judged;
        if (backend.ours == backend.peers) ++record.equal;
    }
    return record;
}

/// `record` is that of the whole pool, in which this backend counts as judged, and not as equal.
bool is_credible(const Record& record) {
    const std::size_t others = record.judged - 1;
    return others > 0 && record.equal * kRightOf >= others * kRight;
}

Agreed agree_on(Agreement policy, const Opinions& backend, const Record& record) {
    if (policy == Agreement::kLocal || !is_verdict(backend.peers)) {
        const bool is_open = backend.ours == HealthState::kUnused;
        return {is_open ? HealthState::kChecking : backend.ours};
    }
    if (!is_verdict(backend.ours) || backend.ours == backend.peers) return {backend.peers};
    switch (policy) {
        case Agreement::kAny:
            return {HealthState::kDown};
        case Agreement::kBoth:
        case Agreement::kLocal:
            return {HealthState::kUp};
        case Agreement::kCredible:
            break;
    }
    if (is_credible(record)) return {HealthState::kDown};
    return {HealthState::kUp, /*is_disputed=*/true};
}

}  // namespace

std::vector<Agreed> agree(Agreement policy, std::span<const Opinions> pool) {
    const Record record = record_of(pool);
    std::vector<Agreed> agreed;
    agreed.reserve(pool.size());
    for (const Opinions& backend : pool) agreed.push_back(agree_on(policy, backend, record));
    return agreed;
}

}  // namespace tandem::tables
