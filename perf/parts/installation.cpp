#include "perf/parts/installation.h"

#include <fcntl.h>
#include <new>
#include <utility>

#include "dataplane/base/check.h"

namespace tandem::perf {

namespace {

using tables::Region;
using tables::RegionKind;

constexpr std::size_t kArenaBytes = std::size_t{64} << 20U;
constexpr CoarseTime kHold = 900;
constexpr std::uint16_t kPort = 80;
constexpr HashKey kKey{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

IpAddress address_of(std::uint32_t backend) {
    const std::uint32_t host = backend + 256;  // 10.0.0.x is the port's own
    return IpAddress::from_v4(
        {10, 0, static_cast<std::uint8_t>(host >> 8U), static_cast<std::uint8_t>(host)});
}

health::Identity identity_of(std::uint32_t backend) {
    return {"web", address_of(backend), kPort};
}

conf::Config config_of(std::uint32_t backends, std::uint32_t slots) {
    conf::Config config;
    conf::Pool& pool = config.pools.emplace_back();
    pool.name = "web";
    pool.slots = slots;
    for (std::uint32_t i = 0; i < backends; ++i) {
        const IpAddress address = address_of(i);
        pool.backends.push_back({address.str() + ":80", address, kPort, 1});
    }
    conf::Vip& vip = config.vips.emplace_back();
    vip.name = "web";
    vip.prefix = *Prefix::parse("203.0.113.10");
    vip.port_first = vip.port_last = kPort;
    vip.pool = "web";
    return config;
}

Region new_region(RegionKind kind, std::size_t fixed_bytes) {
    return std::move(
        Region::create(kind, fixed_bytes, kArenaBytes, tables::Pages::kNormal).value());
}

tables::LiveFixed& fixed_of(Region& live) {
    return *reinterpret_cast<tables::LiveFixed*>(live.fixed());
}

Region new_live_region() {
    Region region = new_region(RegionKind::kLive, sizeof(tables::LiveFixed));
    new (region.fixed()) tables::LiveFixed{};
    return region;
}

FileDescriptor copy_of(int fd) {
    return FileDescriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

}  // namespace

Installation::Installation(std::uint32_t backends, std::uint32_t slots)
    : plan_region_(new_region(RegionKind::kPlan, 0)),
      live_region_(new_live_region()),
      config_(config_of(backends, slots)),
      planner_({.key = kKey, .born_ms = 1}),
      control_(std::move(
          PlanRegion::map({copy_of(plan_region_.fd()), copy_of(live_region_.fd()), {}}).value())),
      plan_reader_(plan_region_.header().generations, fixed_of(live_region_).plan_reader),
      live_(live_region_, fixed_of(live_region_).worker_readers),
      merger_(live_region_, live_, ports_),
      worker_(live_region_.header().generations, fixed_of(live_region_).worker_readers[0]) {
    CHECK(planner_.apply(config_));
    planner_.set_ports({{0, {*Prefix::parse("10.0.0.1/16")}, {}}});
    for (std::uint32_t i = 0; i < backends; ++i) {
        set_up(i, true);
        planner_.set_mac({0, address_of(i)}, {2, 0, 0, 0, 0, 1});
    }
    plan();
    merge();
    adopt();
}

void Installation::set_up(std::uint32_t backend, bool is_up) {
    planner_.set_health(identity_of(backend),
                        is_up ? tables::HealthState::kUp : tables::HealthState::kDown);
}

void Installation::plan() {
    control_.collect(Instant{});
    const auto [content, moved] = planner_.make();
    CHECK(control_.publish(content));
}

void Installation::merge() {
    live_.collect(Instant{});
    const std::uint64_t generation = plan_reader_.adopt();
    const auto plan = tables::PlanView::open(plan_region_, generation);
    CHECK(plan.has_value());
    Result<std::vector<tables::BlockRef>> references = merger_.merge(
        plan_region_, *plan, generation, now_, [&] { return plan_reader_.still_intact(); });
    CHECK(references);
    CHECK(live_.publish(std::move(references.value())));
    merger_.published(true);
}

void Installation::adopt() {
    CHECK(view_.open(live_region_, worker_.adopt()));
}

void Installation::settle() {
    now_ += 2 * kHold;
    merger_.slots().settle(now_, 0, [](std::uint64_t, std::uint32_t) { return CoarseTime{0}; });
    CHECK(merger_.slots().in_transition() == 0);
}

}  // namespace tandem::perf
