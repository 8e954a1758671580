// The part of a control process that the pair depends on: the real planner, fed by an operator, by
// checks and by what the dataplane shows of the peer's verdicts; its plans come a little later.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "control/plan/planner.h"
#include "tests/sim/pair/shape.h"

namespace tandem::sim {

struct Plan {
    std::uint64_t generation = 0;
    plan::PlanContent content;
    std::vector<std::uint64_t> pool_ids;                     ///< by pool
    std::vector<BackendId> ids;                              ///< by index
    std::array<tables::BackendIndex, kBackends> index_of{};  ///< by id
    CoarseTime hold = 0;
    /// All that the tables may depend on: of both instances alike, if their digests are to be.
    std::vector<std::uint64_t> inputs;

    /// Whether it knows the backend at all.
    [[nodiscard]] bool has(BackendId id) const { return index_of[id] != tables::kNoBackend; }
};

class Control {
  public:
    /// Its checks know nothing yet.
    Control(const Shape& shape, const Setting& setting, const plan::TableKey& key);

    void reload(const Setting& setting);
    void set_health(BackendId backend, tables::HealthState health);
    /// By index; empty: the peer is not heard.
    void see_peer(std::span<const tables::HealthState> verdicts);

    [[nodiscard]] const Setting& setting() const { return setting_; }
    std::shared_ptr<const Plan> make();

  private:
    void set_all_health();

    const Shape* shape_;
    Setting setting_;
    std::array<tables::HealthState, kBackends> health_{};
    plan::Planner planner_;
    std::uint64_t generation_ = 0;
};

std::uint64_t pool_id(std::size_t pool);

}  // namespace tandem::sim
