#include "perf/survival/workload.h"

#include <algorithm>
#include <utility>

#include "dataplane/base/check.h"

namespace tandem::survival {

namespace {

constexpr double kLifetimeAlpha = 1.1;
constexpr double kSilenceAlpha = 1.2;
constexpr double kSilenceSecondsMin = 0.5;
constexpr std::uint32_t kRoundTripMsMin = 10;
constexpr std::uint32_t kRoundTripMsMax = 300;
constexpr std::uint32_t kNobody = 0xffff'ffff;
/// More milliseconds than the longest silence has.
constexpr std::uint32_t kWheelMs = 1U << 20U;

std::uint32_t ms_of(double seconds) {
    return static_cast<std::uint32_t>(seconds * 1000);
}

}  // namespace

Workload::Workload(const WorkloadShape& shape, std::uint64_t seed)
    : shape_(shape),
      random_(seed),
      lifetime_s_(BoundedPareto::with_mean(
          kLifetimeAlpha, static_cast<double>(shape.connections) / shape.new_per_second,
          shape.lifetime_s_max)),
      silence_s_(kSilenceAlpha, kSilenceSecondsMin, shape.silence_s_max),
      due_(kWheelMs, kNobody) {
    CHECK(shape.silence_s_max < kWheelMs / 1000);
}

void Workload::begin(const Visit& visit) {
    const BoundedPareto as_met = lifetime_s_.as_met();
    for (std::uint32_t i = 0; i < shape_.connections; ++i) {
        open(0, as_met.sample(random_) * random_.uniform(), visit);
    }
}

void Workload::run(std::uint32_t now_ms, bool opens_new, const Visit& visit) {
    std::uint32_t record = std::exchange(due_[now_ms % kWheelMs], kNobody);
    while (record != kNobody) {
        const std::uint32_t next = records_[record].next;
        send(record, now_ms, visit);
        record = next;
    }
    if (opens_new) owed_ += shape_.new_per_second / 1000.0;
    for (; owed_ >= 1; owed_ -= 1) open(now_ms, lifetime_s_.sample(random_), visit);
}

void Workload::open(std::uint32_t now_ms, double lifetime_s, const Visit& visit) {
    if (free_.empty()) {
        free_.push_back(static_cast<std::uint32_t>(records_.size()));
        records_.emplace_back();
    }
    const std::uint32_t record = free_.back();
    free_.pop_back();
    const std::uint32_t answered_ms = now_ms + random_.between(kRoundTripMsMin, kRoundTripMsMax);
    records_[record].flow = ++opened_;
    records_[record].ends_ms = std::max(answered_ms, now_ms + ms_of(lifetime_s));
    send_at(record, answered_ms);
    visit({opened_, record, {.opens = true}});
}

void Workload::send(std::uint32_t record, std::uint32_t now_ms, const Visit& visit) {
    const Connection& connection = records_[record];
    if (now_ms >= connection.ends_ms) {
        visit({connection.flow, record, {.closes = true}});
        free_.push_back(record);
        return;
    }
    const std::uint32_t silence_ms = std::max(1U, ms_of(silence_s_.sample(random_)));
    send_at(record, std::min(now_ms + silence_ms, connection.ends_ms));
    visit({connection.flow, record, {.has_payload = true}});
}

void Workload::send_at(std::uint32_t record, std::uint32_t at_ms) {
    records_[record].next = std::exchange(due_[at_ms % kWheelMs], record);
}

}  // namespace tandem::survival
