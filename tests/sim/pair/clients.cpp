// Clients: what their flows send, and to which instance the network brings it.
#include <algorithm>

#include "tests/sim/pair/world.h"

namespace tandem::sim {

namespace {

constexpr Duration kLate = milliseconds(30);  ///< packets still come to who had the group before
constexpr double kLateShare = 0.2;
constexpr double kStrayShare = 0.01;
constexpr std::size_t kNicPackets = 64;

}  // namespace

/// The next packet of a flow, and when another one follows.
void World::send_next(std::size_t number) {
    Flow& flow = flows_[number];
    tables::FlowSignal signal{.is_udp = flow.is_udp};
    Duration pause = draw(random_, milliseconds(1), milliseconds(20));
    switch (flow.state) {
        case Flow::State::kClosed:
            open(flow);
            signal = {.is_udp = flow.is_udp,
                      .opens = !flow.is_udp || flow.is_quic,
                      .has_payload = flow.is_udp};
            break;
        case Flow::State::kOpening:
            signal.has_payload = flow.is_udp;
            break;
        case Flow::State::kEstablished: {
            signal.has_payload = flow.is_udp || random_.chance(0.7);
            signal.closes = !flow.is_udp && random_.chance(0.08);
            const double patience = random_.uniform();
            if (patience > 0.6) pause = draw(random_, milliseconds(10), milliseconds(120));
            if (patience > 0.9) {
                const Duration longest = shape_.idle_s(flow.is_udp) * shape_.second;
                pause = draw(random_, longest / 4, longest);
            }
        }
    }
    send(number, signal);
    if (signal.closes && flow.state == Flow::State::kEstablished) {
        flow.state = Flow::State::kClosed;
        ++flow.changes;
        pause = draw(random_, milliseconds(5), milliseconds(300));
    }
    at(pause, Kind::kFlow, 0, static_cast<std::uint32_t>(number));
}

/// On other ports than before, or now and then on the same.
void World::open(Flow& flow) {
    const bool is_again = flow.seen.key != 0 && !flow.is_udp && random_.chance(0.4);
    if (!is_again) {
        flow.seen = {.group = random_.below(shape_.groups),
                     .pool = random_.below(shape_.setting.pools.size()),
                     .key = ++keys_ << 20U | random_.below(1U << 20U)};
        flow.is_udp = random_.chance(0.2);
        flow.is_quic = flow.is_udp && random_.chance(0.5);
    }
    flow.backend = kNobody;
    ++flow.changes;
}

std::size_t World::target_of(const Flow& flow) {
    const std::size_t group = flow.seen.group;
    const bool may_be_late = now_ - moved_at_[group] < kLate && random_.chance(kLateShare);
    if (may_be_late) return former_[group];
    const bool strays = flow.state == Flow::State::kEstablished && random_.chance(kStrayShare);
    return strays ? 1 - holder_[group] : holder_[group];
}

void World::send(std::size_t number, const tables::FlowSignal& signal) {
    const Flow& flow = flows_[number];
    const std::size_t i = target_of(flow);
    Machine& machine = machines_[i];
    const ClientPacket packet{
        .flow = number, .changes = flow.changes, .seen = flow.seen, .signal = signal};
    if (!machine.dataplane) return;
    if (runs(i) && machine.dataplane->workers_run()) return arrive(packet, i);
    if (machine.nic.size() < kNicPackets) machine.nic.push_back(packet);
}

void World::arrive(const ClientPacket& packet, std::size_t i) {
    Dataplane& dataplane = *machines_[i].dataplane;
    const std::uint64_t crowded = dataplane.crowded();
    const std::string before = traces_ ? dataplane.describe(packet.seen) : std::string();
    const BackendId to = dataplane.forward(packet.seen, packet.signal);
    trace("{}: flow {}{}{} of group {} to {}", i, packet.flow, packet.signal.opens ? " opens" : "",
          packet.signal.closes ? " closes" : "", packet.seen.group, to);
    const bool is_crowded = shape_.buckets < 8 || dataplane.crowded() != crowded;
    const std::string wrong = judge_->forwarded(packet, i, to, dataplane, is_crowded, now_);
    if (!wrong.empty()) {
        trace("{}: before it: {}", i, before);
        for (std::size_t each = 0; each < kInstances; ++each) {
            if (!machines_[each].dataplane) continue;
            trace("{}: {}", each, machines_[each].dataplane->describe(packet.seen));
        }
    }
    broken(wrong);
}

}  // namespace tandem::sim
