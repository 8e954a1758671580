#include "perf/survival/fleet.h"

#include <utility>

#include "dataplane/base/check.h"

namespace tandem::survival {

namespace {

using tables::BackendIndex;
using tables::HealthState;

constexpr std::uint16_t kPort = 80;
const std::string kPool = "web";

IpAddress address_of(BackendNumber backend) {
    return IpAddress::from_v4({10, static_cast<std::uint8_t>(backend >> 16U),
                               static_cast<std::uint8_t>(backend >> 8U),
                               static_cast<std::uint8_t>(backend)});
}

health::Identity identity_of(const Fleet::Backend& backend) {
    return {kPool, backend.address, kPort};
}

}  // namespace

Fleet::Fleet(std::size_t backends, std::uint32_t slots, const HashKey& key)
    : hash_(key), slots_(slots), planner_({.key = key, .born_ms = 1}) {
    for (std::size_t i = 0; i < backends; ++i) set_health(add_new(), HealthState::kUp);
    update();
}

void Fleet::begin_life(BackendNumber backend) {
    backends_[backend].life = static_cast<Life>(backend_of_.size());
    backend_of_.push_back(backend);
    is_new_ = true;
}

void Fleet::set_health(BackendNumber backend, HealthState health) {
    CHECK(backends_[backend].is_configured());
    backends_[backend].health = health;
    is_new_ = true;
}

void Fleet::restart(BackendNumber backend) {
    begin_life(backend);
}

void Fleet::set_draining(BackendNumber backend, bool is_draining) {
    backends_[backend].is_draining = is_draining;
    configuration_is_new_ = true;
}

void Fleet::set_weight(BackendNumber backend, std::uint16_t weight) {
    backends_[backend].weight = weight;
    configuration_is_new_ = true;
}

void Fleet::set_weight_percent(BackendNumber backend, std::uint16_t percent) {
    backends_[backend].weight_percent = percent;
    is_new_ = true;
}

void Fleet::remove(BackendNumber backend) {
    Backend& removed = backends_[backend];
    CHECK(removed.is_configured());
    removed = {.address = removed.address};
    --configured_;
    configuration_is_new_ = true;
}

void Fleet::set_slots(std::uint32_t slots) {
    slots_ = slots;
    configuration_is_new_ = true;
}

BackendNumber Fleet::add_new() {
    const auto backend = static_cast<BackendNumber>(backends_.size());
    backends_.push_back({.address = address_of(backend)});
    add_again(backend);
    return backend;
}

void Fleet::add_again(BackendNumber removed) {
    CHECK(!backends_[removed].is_configured());
    backends_[removed].health = HealthState::kChecking;
    begin_life(removed);
    ++configured_;
    configuration_is_new_ = true;
}

bool Fleet::update() {
    if (!is_new_ && !configuration_is_new_) return false;
    if (configuration_is_new_) apply_configuration();
    is_new_ = configuration_is_new_ = false;
    life_at_.clear();
    for (const Backend& backend : backends_) {
        if (!backend.is_configured()) continue;
        const health::Identity identity = identity_of(backend);
        planner_.set_health(identity, backend.health);
        planner_.set_weight_percent(identity, backend.weight_percent);
        const BackendIndex index = planner_.index_of(identity);
        if (index >= life_at_.size()) life_at_.resize(index + 1U);
        life_at_[index] = backend.life;
    }
    const plan::PlanContent content = planner_.make().first;
    tables_.slots = content.owners[0];
    tables_.backends.assign(content.backends.size(), {});
    for (std::size_t i = 0; i < content.backends.size(); ++i) {
        tables_.backends[i].serves_flows = content.backends[i].serves_flows;
    }
    fill_maglev(content);
    return true;
}

void Fleet::apply_configuration() {
    conf::Config config;
    conf::Pool& pool = config.pools.emplace_back();
    pool.name = kPool;
    pool.slots = slots_;
    for (const Backend& backend : backends_) {
        if (!backend.is_configured()) continue;
        conf::Backend& entry = pool.backends.emplace_back();
        entry.address = backend.address;
        entry.port = kPort;
        entry.weight = backend.weight;
        entry.is_draining = backend.is_draining;
    }
    CHECK(planner_.apply(config));
}

/// As Maglev does without a layer above it: a table of those that serve, and of nobody else.
void Fleet::fill_maglev(const plan::PlanContent& content) {
    std::vector<plan::Member> members;
    std::vector<std::uint16_t> weights;
    for (std::size_t i = 0; i < content.backends.size(); ++i) {
        const tables::PlanBackend& backend = content.backends[i];
        weights.push_back(backend.weight_now);
        if (backend.weight_now == 0) continue;
        members.push_back({.address = backend.address,
                           .port = backend.port,
                           .index = static_cast<BackendIndex>(i),
                           .weight = backend.weight_now});
    }
    maglev_.configure(hash_, static_cast<std::uint32_t>(tables_.slots->size()), std::move(members));
    maglev_.update(hash_, weights);
    tables_.maglev = maglev_.owners();
}

}  // namespace tandem::survival
