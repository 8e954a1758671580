// Instances of virtual routers for tests: one, and two that hear each other.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "dataplane/pair/advert.h"
#include "dataplane/pair/routers.h"

namespace tandem::pair {

inline constexpr Mac kPortMac{2, 0, 0, 0, 0, 1};
inline constexpr Mac kOtherMac{2, 0, 0, 0, 0, 2};
inline constexpr std::uint8_t kRouterId = 51;
inline constexpr Duration kEvery = std::chrono::milliseconds(10);
inline constexpr Instant kNoon{std::chrono::hours(1)};

inline IpAddress address(const char* text) {
    return *IpAddress::parse(text);
}

inline tables::PlanVip vip(const char* text, std::uint8_t group) {
    tables::PlanVip vip;
    vip.address = address(text);
    vip.group = group;
    return vip;
}

inline tables::PlanGroup group(const char* name, std::uint8_t priority = 100) {
    tables::PlanGroup group;
    group.name = tables::Name(name);
    group.router_id = kRouterId;
    group.priority = priority;
    group.interval_ms = 10;
    group.source_v4 = address("192.0.2.20");
    group.source_v6 = address("fe80::20");
    return group;
}

/// An instance with one port, and what it was told last.
struct Instance {
    explicit Instance(const Mac& mac = kPortMac) {
        ports[0].mac = mac;
        ports[0].mtu = 1500;
    }

    Routers::Numbers follow(Instant now) { return routers.follow(groups, vips, now); }
    void step(Instant now) {
        routers.wake(now);
        routers.on_time(now);
    }
    /// Until it is active, step by step of a millisecond. When that was.
    Instant run(Instant from, Duration time) {
        for (Instant now = from; now < from + time; now += std::chrono::milliseconds(1)) step(now);
        return from + time;
    }

    tables::Roles roles;
    std::vector<tables::PortInfo> ports{1};
    std::vector<tables::PlanGroup> groups{group("web")};
    std::vector<tables::PlanVip> vips{vip("192.0.2.80", 0)};
    Routers routers{roles, ports};
};

/// The advertisements among the frames.
inline std::vector<Advert> adverts_in(const std::vector<Routers::Frame>& frames) {
    std::vector<Advert> adverts;
    for (const Routers::Frame& frame : frames) {
        const auto read = read_advert(std::span(frame.bytes).subspan(ethernet::kHeaderBytes));
        if (const auto* advert = std::get_if<Advert>(&read)) adverts.push_back(*advert);
    }
    return adverts;
}

/// Two instances that hear each other, the first of the higher priority and active.
struct Pair {
    Pair() {
        high.groups[0].priority = 200;
        low.groups[0].source_v4 = address("192.0.2.21");
        high.follow(now);
        low.follow(now);
        run(20 * kEvery);
    }
    void run(Duration time) {
        const Instant end = now + time;
        for (; now < end; now += std::chrono::milliseconds(1)) {
            deliver(high, low);
            deliver(low, high);
            high.step(now);
            low.step(now);
        }
    }
    void deliver(Instance& from, Instance& to) const {
        for (const Routers::Frame& frame : from.routers.take_frames()) {
            to.routers.on_frame(0, frame.bytes, now);
        }
    }
    void finds(Instance& instance, tables::GatewayState state) {
        instance.groups[0].gateway = state;
        instance.follow(now);
        run(20 * kEvery);
    }
    /// 2: the first is active, 1: the second, 3: both.
    [[nodiscard]] int active() const {
        return (high.roles.is_silent(0, true) ? 0 : 2) + (low.roles.is_silent(0, true) ? 0 : 1);
    }
    std::size_t changes() {
        return high.routers.take_changes().size() + low.routers.take_changes().size();
    }

    Instant now = kNoon;
    Instance high;
    Instance low{kOtherMac};
};

}  // namespace tandem::pair
