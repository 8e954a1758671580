#include "perf/survival/trace.h"

#include <algorithm>
#include <utility>

namespace tandem::survival {

namespace {

/// The machine's clock at the trace's begin; far enough from 0 for "long ago" to exist.
constexpr CoarseTime kBegin = 100'000;

/// Seeds of parts that must not depend on how much another part has drawn.
enum class Part : std::uint8_t { kKeys = 1, kChurn, kWorkload };

std::uint64_t seed_of(std::uint64_t seed, Part part) {
    return Random(seed * 256 + static_cast<std::uint64_t>(part)).next();
}

HashKey key_from(Random& random) {
    HashKey key;
    for (std::uint8_t& byte : key.bytes) byte = static_cast<std::uint8_t>(random.next());
    return key;
}

}  // namespace

Trace::Trace(const TraceShape& shape)
    : shape_(shape),
      keys_(seed_of(shape.seed, Part::kKeys)),
      hash_(key()),
      fleet_(shape.backends, shape.slots, key()),
      churn_(fleet_, shape.churn, shape.churn_until_s * 1000, seed_of(shape.seed, Part::kChurn)),
      workload_(shape.workload, seed_of(shape.seed, Part::kWorkload)) {}

HashKey Trace::key() {
    return key_from(keys_);
}

void Trace::add(std::unique_ptr<Balancer> balancer) {
    balancer->adopt(fleet_.tables(), now());
    lanes_.push_back({std::move(balancer), Judge(fleet_)});
}

CoarseTime Trace::now() const {
    return kBegin + now_ms_ / 1000;
}

void Trace::run(std::uint32_t until_s) {
    const auto send = [this](const Packet& packet) { deliver(packet); };
    if (now_ms_ == 0) workload_.begin(send);
    while (now_ms_ < until_s * 1000) {
        ++now_ms_;
        if (now_ms_ % 1000 == 0) {
            for (Lane& lane : lanes_) lane.balancer->tick(now());
            open_peak_ = std::max(open_peak_, workload_.open());
        }
        churn_.run(now_ms_);
        if (fleet_.update()) {
            for (Lane& lane : lanes_) lane.balancer->adopt(fleet_.tables(), now());
        }
        workload_.run(now_ms_, now_ms_ <= shape_.opening_until_s * 1000, send);
    }
}

void Trace::deliver(const Packet& packet) {
    ++packets_;
    const Arrival arrival{packet.flow, hash_.of_pair(packet.flow, 0), packet.signal};
    for (Lane& lane : lanes_) {
        if (packet.signal.opens) {
            lane.judge.opened(packet.record, lane.balancer->forward(arrival, now()));
        } else if (lane.judge.goes_on(packet.record)) {
            lane.judge.sent(packet.record, lane.balancer->forward(arrival, now()));
        }
    }
}

}  // namespace tandem::survival
