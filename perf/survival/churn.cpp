#include "perf/survival/churn.h"

#include <array>
#include <utility>

namespace tandem::survival {

using tables::HealthState;

Churn::Churn(Fleet& fleet, const ChurnRates& rates, std::uint32_t until_ms, std::uint64_t seed)
    : fleet_(fleet), random_(seed), until_ms_(until_ms), fleet_size_(fleet.configured()) {
    again_and_again(rates.outages, &Churn::begin_outage);
    again_and_again(rates.drains, &Churn::begin_drain);
    again_and_again(rates.additions_and_removals, &Churn::add_or_remove);
    again_and_again(rates.weights, &Churn::change_weight);
    again_and_again(rates.resizings, &Churn::resize);
}

void Churn::run(std::uint32_t now_ms) {
    while (!events_.empty() && events_.begin()->first <= now_ms) {
        const auto event = events_.extract(events_.begin());
        now_ms_ = event.key();
        event.mapped()();
    }
    now_ms_ = now_ms;
}

void Churn::after(double seconds, Event event) {
    events_.emplace(now_ms_ + 1 + static_cast<std::uint32_t>(seconds * 1000), std::move(event));
}

void Churn::again_and_again(double per_minute, void (Churn::*begin)()) {
    if (per_minute <= 0) return;
    after(random_.exponential(60 / per_minute), [this, per_minute, begin] {
        if (now_ms_ >= until_ms_) return;
        (this->*begin)();
        again_and_again(per_minute, begin);
    });
}

std::optional<BackendNumber> Churn::any_configured() {
    if (fleet_.configured() == 0) return std::nullopt;
    for (;;) {
        const BackendNumber backend = random_.below(fleet_.backends().size());
        if (fleet_.backends()[backend].is_configured()) return backend;
    }
}

void Churn::begin_outage() {
    const auto backend = any_configured();
    if (backend && fleet_.backends()[*backend].health == HealthState::kUp) go_down(*backend, true);
}

void Churn::go_down(BackendNumber backend, bool may_fail_again) {
    fleet_.set_health(backend, HealthState::kDown);
    ++counts_.went_down;
    if (random_.chance(1.0 / 3)) {
        fleet_.restart(backend);
        ++counts_.restarted;
    }
    const double seconds = BoundedPareto(1.1, 2, 300).sample(random_);
    after(seconds, [this, backend, life = fleet_.backends()[backend].life, may_fail_again] {
        come_back(backend, life, may_fail_again);
    });
}

void Churn::come_back(BackendNumber backend, Life life, bool may_fail_again) {
    if (fleet_.backends()[backend].life != life) return;  // removed, or restarted since
    fleet_.set_health(backend, HealthState::kUp);
    if (!may_fail_again || !random_.chance(0.3)) return;
    after(1 + 19 * random_.uniform(), [this, backend, life] {
        const Fleet::Backend& now = fleet_.backends()[backend];
        if (now.life == life && now.health == HealthState::kUp) go_down(backend, false);
    });
}

void Churn::begin_drain() {
    const auto backend = any_configured();
    if (!backend || fleet_.backends()[*backend].is_draining) return;
    fleet_.set_draining(*backend, true);
    ++counts_.drained;
    after(60 + 540 * random_.uniform(),
          [this, backend = *backend, life = fleet_.backends()[*backend].life] {
              end_drain(backend, life);
          });
}

void Churn::end_drain(BackendNumber backend, Life life) {
    const Fleet::Backend& now = fleet_.backends()[backend];
    if (!now.is_configured() || !now.is_draining) return;  // removed, and perhaps added again
    const std::uint32_t how = random_.below(3);
    if (how == 0) return remove(backend);
    if (how == 1 && now.life == life && now.health == HealthState::kUp) go_down(backend, false);
    fleet_.set_draining(backend, false);
}

void Churn::add_or_remove() {
    // The fleet keeps about its size.
    const bool is_small = fleet_.configured() + 2 <= fleet_size_;
    const bool is_large = fleet_.configured() >= fleet_size_ + 2;
    if (is_small || (!is_large && random_.chance(0.5))) {
        add();
    } else if (const auto backend = any_configured()) {
        remove(*backend);
    }
}

void Churn::add() {
    BackendNumber backend = 0;
    if (!removed_.empty() && random_.chance(0.5)) {
        const std::uint32_t which = random_.below(removed_.size());
        backend = std::exchange(removed_[which], removed_.back());
        removed_.pop_back();
        fleet_.add_again(backend);
    } else {
        backend = fleet_.add_new();
    }
    ++counts_.added;
    after(2 + 8 * random_.uniform(), [this, backend, life = fleet_.backends()[backend].life] {
        come_back(backend, life, false);
    });
}

void Churn::remove(BackendNumber backend) {
    fleet_.remove(backend);
    removed_.push_back(backend);
    ++counts_.removed;
}

void Churn::change_weight() {
    const auto backend = any_configured();
    if (!backend) return;
    ++counts_.reweighted;
    if (random_.chance(0.5)) {
        const std::uint32_t weight = random_.between(Fleet::kWeight / 2, Fleet::kWeight * 2);
        fleet_.set_weight(*backend, static_cast<std::uint16_t>(weight));
    } else {
        constexpr std::array<std::uint16_t, 4> kPercents{25, 50, 75, 100};
        fleet_.set_weight_percent(*backend, kPercents[random_.below(kPercents.size())]);
    }
}

void Churn::resize() {
    constexpr std::array<std::uint32_t, 3> kPrimes{211, 431, 863};
    fleet_.set_slots(kPrimes[random_.below(kPrimes.size())]);
    ++counts_.resized;
}

}  // namespace tandem::survival
