// The backends as they are, and the tables that the real control plane makes of them.
//
// A connection is to one life of a backend's server: a restart or a removal ends it. Whether that
// life could serve it now is what the comparison is judged by, for every balancer alike.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "control/plan/planner.h"
#include "dataplane/tables/live.h"

namespace tandem::survival {

/// A position among all backends that there have ever been.
using BackendNumber = std::uint32_t;

/// One life of a backend's server, from its start or its addition to its end. 0: none.
using Life = std::uint32_t;

/// What balancers get to know.
struct Tables {
    std::shared_ptr<const plan::Owners> slots;   ///< by the table function (control/plan)
    std::shared_ptr<const plan::Owners> maglev;  ///< filled anew over those that serve new flows
    std::vector<tables::LiveBackend> backends;   ///< by index; only `serves_flows` is filled in
};

class Fleet {
  public:
    /// `slots`: 0 for as many as that many backends get. All are up, with the same weight.
    Fleet(std::size_t backends, std::uint32_t slots, const HashKey& key);

    struct Backend {
        IpAddress address;
        Life life = 0;
        tables::HealthState health = tables::HealthState::kUnused;
        bool is_draining = false;
        std::uint16_t weight = kWeight;
        std::uint16_t weight_percent = 100;

        [[nodiscard]] bool is_configured() const { return health != tables::HealthState::kUnused; }
    };
    static constexpr std::uint16_t kWeight = 10;

    [[nodiscard]] std::span<const Backend> backends() const { return backends_; }
    [[nodiscard]] std::size_t configured() const { return configured_; }

    // What happens to a backend that is configured.
    void set_health(BackendNumber backend, tables::HealthState health);
    void restart(BackendNumber backend);  ///< its connections end
    void set_draining(BackendNumber backend, bool is_draining);
    void set_weight(BackendNumber backend, std::uint16_t weight);
    void set_weight_percent(BackendNumber backend, std::uint16_t percent);
    void remove(BackendNumber backend);
    void set_slots(std::uint32_t slots);  ///< of the pool's table: a prime
    // It begins with `checking`.
    BackendNumber add_new();
    void add_again(BackendNumber removed);

    /// True if tables() are others than at the last call.
    bool update();
    [[nodiscard]] const Tables& tables() const { return tables_; }

    /// Who gets what is sent to an index of the tables. 0: nobody.
    [[nodiscard]] Life life_at(tables::BackendIndex index) const {
        return index < life_at_.size() ? life_at_[index] : 0;
    }
    /// Whether a connection to it could go on: it is the backend's present life, and the backend is
    /// configured and up, draining or not (the design's "may serve", with `on_down = "rehash"`).
    [[nodiscard]] bool may_serve(Life life) const {
        if (life == 0) return false;
        const Backend& backend = backends_[backend_of_[life]];
        return backend.life == life && backend.health == tables::HealthState::kUp;
    }

  private:
    void begin_life(BackendNumber backend);
    void apply_configuration();
    void fill_maglev(const plan::PlanContent& content);

    KeyedHash hash_;
    std::uint32_t slots_;
    plan::Planner planner_;
    plan::SlotTable maglev_;
    std::vector<Backend> backends_;
    std::size_t configured_ = 0;
    std::vector<BackendNumber> backend_of_{0};  ///< by Life
    std::vector<Life> life_at_;                 ///< by index
    bool configuration_is_new_ = false;
    bool is_new_ = false;
    Tables tables_;
};

}  // namespace tandem::survival
