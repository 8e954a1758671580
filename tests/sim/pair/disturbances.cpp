// What goes wrong, and what operators do meanwhile.
#include <algorithm>

#include "tests/sim/pair/world.h"

namespace tandem::sim {

namespace {

constexpr Duration kNoticeMax = milliseconds(60);  ///< checks find what has happened
constexpr std::array<std::string_view, 4> kOrders{"hand off", "take back", "drill", "drill hard"};

}  // namespace

void World::disturb() {
    const std::size_t i = random_.below(kInstances);
    const double what = random_.uniform();
    if (what < 0.45) {
        disturb_backends(i);
    } else if (what < 0.75) {
        disturb_machine(i);
    } else {
        disturb_network();
    }
}

void World::disturb_machine(std::size_t i) {
    Machine& machine = machines_[i];
    if (!machine.dataplane) return start(i);
    switch (random_.below(8)) {
        case 0:
        case 1:
            return pause(i);
        case 2: {
            if (!machine.dataplane->workers_run()) return;
            const Duration span = draw(random_, milliseconds(5), milliseconds(160));
            trace("{}: workers stand still for {} ms", i, span / milliseconds(1));
            machine.dataplane->set_workers_run(false);
            promises_->workers_stop(i, now_);
            return at(span, Kind::kWorkersGoOn, i, machine.outages);
        }
        case 3: {
            if (!runs(i) || machine.is_leaving || machine.is_stopping) return;
            trace("{} is told to stop", i);
            if (!shape_.hands_off || extras_.chance(0.3)) return stop(i);
            machine.is_leaving = true;
            return machine.dataplane->leave(now_);
        }
        case 4:
            kill(i, /*all=*/true);
            break;
        default:
            kill(i, /*all=*/false);
    }
    if (random_.chance(0.8)) {
        at(draw(random_, milliseconds(1), milliseconds(200)), Kind::kRestart, i, machine.outages);
    }
}

/// An operator's, at either instance.
void World::order() {
    constexpr std::array kKinds{tables::OrderKind::kHandoff, tables::OrderKind::kTakeBack,
                                tables::OrderKind::kDrill, tables::OrderKind::kHardDrill};
    const std::size_t i = extras_.below(kInstances);
    tables::Order order;
    order.kind = kKinds[extras_.below(kKinds.size())];
    if (extras_.chance(0.7)) order.group = name_of(extras_.below(shape_.groups));
    if (!machines_[i].dataplane || machines_[i].is_stopping) return;
    trace("{} is ordered to {} {}", i, kOrders[static_cast<std::size_t>(order.kind)],
          order.group.view().empty() ? "all groups" : order.group.view());
    machines_[i].dataplane->on_order(order);
}

/// Whatever has been handed off, as soon as that can be.
void World::take_back() {
    for (std::size_t group = 0; group < shape_.groups; ++group) {
        const std::size_t i = shape_.higher(group);
        Dataplane& dataplane = *machines_[i].dataplane;
        if (!runs(i) || dataplane.is_active(group) || !dataplane.is_idle()) continue;
        tables::Order order;
        order.kind = tables::OrderKind::kTakeBack;
        order.group = name_of(group);
        dataplane.on_order(order);
    }
}

void World::disturb_network() {
    const bool is_lan = random_.chance(0.4);
    Link& link = is_lan ? lan_ : channel_;
    const std::string_view name = is_lan ? "LAN" : "channel";
    switch (random_.below(5)) {
        case 0:
        case 1:
            link.heal();
            trace("the {} is whole", name);
            return;
        case 2: {
            const std::size_t from = random_.below(kInstances);
            link.is_cut[from] = true;
            if (random_.chance(0.5)) link.is_cut[1 - from] = true;
            trace("the {} is cut{}", name, link.is_cut[1 - from] ? "" : " one way");
            return;
        }
        case 3:
            link.lost = random_.uniform() * 0.4;
            trace("the {} loses {:.0f} %", name, link.lost * 100);
            return;
        default:
            link.slow = random_.uniform() * 0.5;
            link.repeated = random_.uniform() * 0.3;
            trace("the {} is slow for {:.0f} %", name, link.slow * 100);
    }
}

void World::disturb_backends(std::size_t i) {
    const auto backend =
        static_cast<BackendId>(random_.below(shape_.setting.pools.size()) * kBackendsOfPool +
                               random_.below(kBackendsOfPool));
    if (random_.chance(0.4)) {
        change(wanted_, random_);
        trace("the operator changes the configuration");
        const bool both = random_.chance(0.7);
        at(draw(random_, Duration{}, milliseconds(5)), Kind::kReload, i);
        if (both) at(draw(random_, Duration{}, milliseconds(120)), Kind::kReload, 1 - i);
        return;
    }
    if (random_.chance(0.5)) {
        is_dead_[backend] = !is_dead_[backend];
        trace("backend {} {}", backend, is_dead_[backend] ? "dies" : "lives again");
        for (std::size_t each = 0; each < kInstances; ++each) {
            at(draw(random_, Duration{}, kNoticeMax), Kind::kVerdict, each, backend);
        }
        return;
    }
    machines_[i].seems_down[backend] = !machines_[i].seems_down[backend];
    trace("backend {} {} from {}", backend,
          machines_[i].seems_down[backend] ? "cannot be reached" : "can be reached again", i);
    at(draw(random_, Duration{}, kNoticeMax), Kind::kVerdict, i, backend);
}

void World::set_verdict(std::size_t i, BackendId backend) {
    Machine& machine = machines_[i];
    const bool is_down = is_dead_[backend] || machine.seems_down[backend];
    machine.control->set_health(backend,
                                is_down ? tables::HealthState::kDown : tables::HealthState::kUp);
    want_publish(i);
}

void World::reload(std::size_t i) {
    if (machines_[i].control->setting() == wanted_) return;
    trace("{} reloads", i);
    machines_[i].control->reload(wanted_);
    want_publish(i);
}

/// Everything runs and reaches everything from now on.
void World::heal() {
    trace("all is well from now on");
    lan_.heal();
    channel_.heal();
    is_dead_ = {};
    for (std::size_t i = 0; i < kInstances; ++i) {
        Machine& machine = machines_[i];
        machine.seems_down = {};
        for (std::size_t backend = 0; backend < kBackends; ++backend) {
            set_verdict(i, static_cast<BackendId>(backend));
        }
        reload(i);
        if (machine.is_leaving || machine.is_stopping) kill(i, false);
        if (!machine.dataplane) {
            start(i);
        } else {
            workers_go_on(i);
            if (machine.is_paused) go_on(i);
        }
    }
}

}  // namespace tandem::sim
