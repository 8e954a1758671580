#include "tests/sim/pair/control.h"

#include <algorithm>
#include <string>

#include "dataplane/base/check.h"
#include "dataplane/tables/merge.h"

namespace tandem::sim {

namespace {

using tables::BackendIndex;
using tables::HealthState;

constexpr std::uint16_t kPort = 80;
const std::array<std::string, kPoolsMax> kPoolNames{"web", "api"};

IpAddress address_of(BackendId id) {
    return IpAddress::from_v4({10, 0, static_cast<std::uint8_t>(id / kBackendsOfPool),
                               static_cast<std::uint8_t>(id % kBackendsOfPool + 1)});
}

BackendId id_of(const IpAddress& address) {
    return static_cast<BackendId>(address.bytes[14] * kBackendsOfPool + address.bytes[15] - 1U);
}

const std::string& pool_of(BackendId id) {
    return kPoolNames[id / kBackendsOfPool];
}

conf::Agreement conf_agreement(tables::Agreement agreement) {
    switch (agreement) {
        case tables::Agreement::kCredible:
            return conf::Agreement::kCredible;
        case tables::Agreement::kAny:
            return conf::Agreement::kAny;
        case tables::Agreement::kBoth:
            return conf::Agreement::kBoth;
        case tables::Agreement::kLocal:
            break;
    }
    return conf::Agreement::kLocal;
}

conf::Config config_of(const Shape& shape, const Setting& setting) {
    conf::Config config;
    config.pair.emplace().agreement = conf_agreement(shape.agreement);
    for (std::size_t i = 0; i < setting.pools.size(); ++i) {
        conf::Pool& pool = config.pools.emplace_back();
        pool.name = kPoolNames[i];
        pool.slots = setting.pools[i].slots;
        for (std::size_t k = 0; k < kBackendsOfPool; ++k) {
            const PoolSetting::Backend& backend = setting.pools[i].backends[k];
            if (!backend.is_configured) continue;
            conf::Backend& entry = pool.backends.emplace_back();
            entry.address = address_of(static_cast<BackendId>(i * kBackendsOfPool + k));
            entry.port = kPort;
            entry.weight = backend.weight;
            entry.is_draining = backend.is_draining;
        }
        conf::Vip& vip = config.vips.emplace_back();
        vip.prefix = {IpAddress::from_v4({192, 0, 2, static_cast<std::uint8_t>(i)}), 128};
        vip.pool = pool.name;
    }
    return config;
}

}  // namespace

std::uint64_t pool_id(std::size_t pool) {
    static const std::array kIds{tables::name_id(tables::Name(kPoolNames[0])),
                                 tables::name_id(tables::Name(kPoolNames[1]))};
    return kIds[pool];
}

Control::Control(const Shape& shape, const Setting& setting, const plan::TableKey& key)
    : shape_(&shape), setting_(setting), planner_(key) {
    health_.fill(HealthState::kChecking);
    reload(setting);
}

void Control::reload(const Setting& setting) {
    setting_ = setting;
    CHECK(planner_.apply(config_of(*shape_, setting)));
    set_all_health();
}

/// Checks go by what a backend is, configured or not.
void Control::set_all_health() {
    for (std::size_t i = 0; i < kBackends; ++i) {
        const auto id = static_cast<BackendId>(i);
        planner_.set_health({pool_of(id), address_of(id), kPort}, health_[i]);
    }
}

void Control::set_health(BackendId backend, HealthState health) {
    health_[backend] = health;
    planner_.set_health({pool_of(backend), address_of(backend), kPort}, health);
}

void Control::see_peer(std::span<const HealthState> verdicts) {
    planner_.set_peer_health(verdicts);
}

std::shared_ptr<const Plan> Control::make() {
    const auto made = std::make_shared<Plan>();
    made->generation = ++generation_;
    made->content = planner_.make().first;
    made->hold = setting_.hold;
    for (std::size_t i = 0; i < setting_.pools.size(); ++i) {
        made->pool_ids.push_back(pool_id(i));
        made->inputs.push_back(setting_.pools[i].slots);
    }
    made->ids.assign(made->content.backends.size(), kNobody);
    for (std::size_t i = 1; i < made->content.backends.size(); ++i) {
        const tables::PlanBackend& backend = made->content.backends[i];
        if (backend.health == HealthState::kUnused) continue;
        const BackendId id = id_of(backend.address);
        made->ids[i] = id;
        made->index_of[id] = static_cast<BackendIndex>(i);
    }
    for (std::size_t id = 0; id < kBackends; ++id) {
        const tables::PlanBackend& backend = made->content.backends[made->index_of[id]];
        const std::uint64_t weights =
            std::uint64_t{backend.weight_base} << 16U | backend.weight_now;
        made->inputs.push_back(made->has(static_cast<BackendId>(id)) ? weights : 0);
    }
    return made;
}

}  // namespace tandem::sim
