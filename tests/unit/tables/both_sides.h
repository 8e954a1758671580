// Control and the dataplane's main core in one process: a plan goes in, live tables come out.
// Shared by the tests of merging and of the stages that read live tables.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dataplane/tables/merge.h"
#include "tests/unit/tables/plan_content.h"
#include "tests/unit/tables/stamped.h"

namespace tandem::tables {

inline IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}

/// One VIP, one pool of two backends behind one next hop each.
inline PlanContent small_plan() {
    PlanContent plan;
    plan.head.hash_key.bytes = {1, 2, 3};
    PlanVip vip;
    vip.address = ip("203.0.113.10");
    vip.protocol = 6;
    vip.port_first = vip.port_last = 80;
    plan.vips = {vip};
    PlanPool pool;
    pool.name = Name("web");
    pool.slot_count = 101;
    plan.pools = {pool};
    plan.owners.emplace_back(101, BackendIndex{1});
    plan.owners[0][7] = 2;

    for (const char* address : {"10.0.0.11", "10.0.0.12"}) {
        PlanBackend backend;
        backend.address = ip(address);
        backend.health = HealthState::kUp;
        backend.serves_flows = 1;
        backend.next_hop = static_cast<std::uint16_t>(plan.backends.size());
        plan.backends.push_back(backend);
        PlanNextHop next_hop;
        next_hop.address = backend.address;
        next_hop.source = ip("10.0.0.1");
        next_hop.mac = {2, 0, 0, 0, 0, static_cast<std::uint8_t>(plan.next_hops.size())};
        next_hop.port = static_cast<std::uint8_t>(plan.next_hops.size() - 1);
        next_hop.resolved = true;
        plan.next_hops.push_back(next_hop);
    }
    return plan;
}

inline std::vector<PortInfo> two_ports() {
    std::vector<PortInfo> ports(2);
    ports[0].mac = {6, 0, 0, 0, 0, 1};
    ports[0].mtu = 1500;
    ports[1].mac = {6, 0, 0, 0, 0, 2};
    ports[1].mtu = 9000;
    return ports;
}

/// Control and main core in one process.
class Both {
  public:
    static constexpr std::size_t kPages = 200;

    explicit Both(std::size_t live_pages = kPages)
        : plan_region_(new_region(RegionKind::kPlan, 0, kPages * kPageBytes)),
          live_region_(new_region(RegionKind::kLive, sizeof(LiveFixed), live_pages * kPageBytes)),
          fixed_(*new (live_region_.fixed()) LiveFixed) {}

    Result<std::vector<BlockRef>> merge(PlanContent& content) {
        const std::uint64_t generation = publish_plan(plan_publisher_, content).value();
        plan_publisher_.collect(Instant{});
        const std::optional<PlanView> plan = PlanView::open(plan_region_, generation);
        CHECK(plan.has_value());
        return merger_.merge(
            plan_region_, *plan, generation, now, [] { return true; }, meanwhile);
    }

    /// Merges, publishes and opens what is live then.
    LiveView apply(PlanContent& content) {
        Result<std::vector<BlockRef>> references = merge(content);
        CHECK(references.has_value());
        const Result<std::uint64_t> generation = live_.publish(std::move(references.value()));
        merger_.published(generation.has_value());
        live_.collect(Instant{});
        return view();
    }

    LiveBackend backend(PlanContent& content, std::size_t index = 1) {
        const LiveView live = apply(content);
        EXPECT_EQ(live.backends().size(), content.backends.size());
        return live.backends()[index];
    }

    LiveView view() {
        LiveView view;
        EXPECT_TRUE(view.open(live_region_, live_.generation()));
        return view;
    }

    CoarseTime now = 1000;  ///< what merging takes for the time
    std::function<void()> meanwhile = [] {};

    Publisher& live() { return live_; }
    Merger& merger() { return merger_; }
    Region& live_region() { return live_region_; }
    LiveFixed& fixed() { return fixed_; }
    Publisher& plan_publisher() { return plan_publisher_; }

  private:
    Region plan_region_;
    Region live_region_;
    LiveFixed& fixed_;
    std::vector<PortInfo> ports_ = two_ports();
    Publisher plan_publisher_{plan_region_, {}};
    Publisher live_{live_region_, fixed_.worker_readers};
    Merger merger_{live_region_, live_, ports_};
};

}  // namespace tandem::tables
