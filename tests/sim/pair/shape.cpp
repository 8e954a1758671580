#include "tests/sim/pair/shape.h"

#include <algorithm>
#include <utility>

namespace tandem::sim {

namespace {

constexpr std::array<std::uint32_t, 5> kSlotCounts{13, 17, 31, 43, 61};

std::uint32_t draw_slots(Random& random) {
    return kSlotCounts[random.below(kSlotCounts.size())];
}

Setting draw_setting(Random& random) {
    Setting setting;
    setting.pools.resize(random.between(1, kPoolsMax));
    for (PoolSetting& pool : setting.pools) {
        pool.slots = draw_slots(random);
        const std::uint32_t backends = random.between(2, kBackendsOfPool - 1);
        for (std::uint32_t i = 0; i < backends; ++i) {
            pool.backends[i] = {.is_configured = true,
                                .weight = static_cast<std::uint16_t>(random.between(1, 3))};
        }
    }
    return setting;
}

/// Most schedules have room for everything; in some it is short, so that much waits, and in few so
/// short that it overflows.
void draw_limits(Shape& shape, Random& random, Random& extras) {
    shape.journal_changes = 1024;
    if (random.chance(0.2)) shape.stream.queue_bytes = random.between(1500, 6000);
    if (random.chance(0.2)) shape.stream.bytes_per_second = random.between(40'000, 400'000);
    if (random.chance(0.2)) shape.journal_changes = random.between(10, 24);
    if (random.chance(0.1)) shape.buckets = 4;
    shape.is_short = extras.chance(0.03);
    if (!shape.is_short) return;
    shape.stream.bytes_per_second = extras.between(8'000, 40'000);
    shape.journal_changes = extras.between(10, 16);
}

}  // namespace

Shape draw_shape(Random& random, Random& extras) {
    Shape shape;
    shape.second = milliseconds(random.between(40, 100));
    shape.tick = microseconds(random.between(2500, 5000));
    shape.setting = draw_setting(random);
    shape.groups = random.between(1, kGroupsMax);
    shape.flows = random.between(8, 32);
    shape.workers = random.between(1, 2);
    for (std::size_t i = 0; i < shape.groups; ++i) {
        shape.priorities[i] = {200, 100};
        const bool is_crossed = i == 1 ? random.chance(0.7) : random.chance(0.5);
        if (is_crossed) std::swap(shape.priorities[i][0], shape.priorities[i][1]);
    }
    shape.advert_interval = milliseconds(10 * random.between(1, 3));
    shape.preempts = random.chance(0.7);
    if (random.chance(0.3)) shape.preempt_delay = milliseconds(random.between(1, 40));
    shape.sync_timeout = milliseconds(random.chance(0.2) ? random.between(100, 500) : 30'000);
    shape.agreement = static_cast<tables::Agreement>(random.below(4));
    const auto established = static_cast<std::uint16_t>(random.between(4, 6));
    shape.timeouts = {{2, established, established, 2, 3, 3}};
    shape.remembering = std::ranges::max(shape.timeouts.idle_s);
    shape.setting.hold = established + random.below(2);
    draw_limits(shape, random, extras);
    shape.hands_off = extras.chance(0.5);
    for (CoarseTime& begin : shape.clock_begins) begin = 100'000 + random.below(100'000);
    return shape;
}

void change(Setting& setting, Random& random) {
    PoolSetting& pool = setting.pools[random.below(setting.pools.size())];
    PoolSetting::Backend& backend = pool.backends[random.below(kBackendsOfPool)];
    if (random.chance(0.05)) {
        pool.slots = draw_slots(random);
    } else if (!backend.is_configured) {
        backend = {.is_configured = true,
                   .weight = static_cast<std::uint16_t>(random.between(1, 3))};
    } else if (random.chance(0.25)) {
        backend = {};
    } else if (random.chance(0.5)) {
        backend.is_draining = !backend.is_draining;
    } else {
        backend.weight = static_cast<std::uint16_t>(random.between(1, 3));
    }
}

}  // namespace tandem::sim
