// The flows that benchmarks look up: TCP over IPv4 from many clients to one VIP, in random order.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>

#include "dataplane/net/flow_key.h"

namespace tandem::perf {

/// No two numbers below 2^32 have the same key.
inline FlowKey flow_of(std::uint32_t number) {
    FlowKey key{};
    const auto byte = [number](unsigned at) { return static_cast<std::uint8_t>(number >> at); };
    key.source = IpAddress::from_v4({198, 51, byte(24), byte(16)});
    key.destination = IpAddress::from_v4({203, 0, 113, 10});
    key.source_port = static_cast<std::uint16_t>(number);
    key.destination_port = 0x5000;  // 80 in network order
    key.protocol = 6;
    return key;
}

class RandomFlows {
  public:
    explicit RandomFlows(std::uint32_t count) : number_(0, count - 1) {}
    /// A number below `count`.
    std::uint32_t next() { return number_(random_); }

  private:
    std::minstd_rand random_{1};
    std::uniform_int_distribution<std::uint32_t> number_;
};

}  // namespace tandem::perf
