// A port as workers see it: where to receive, where to send, who we are on it.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/net/headers.h"

struct rte_mbuf;
struct rte_ring;

namespace tandem::pipeline {

/// Where frames that are not for a VIP go.
enum class KernelPath : std::uint8_t {
    kNetdev,  ///< the kernel keeps the netdev and has them already
    kTwin,    ///< a TAP with the port's MAC; the main core carries frames over
    kNone,    ///< no kernel behind this port (pcap, null): they are dropped, counted as punted
};

/// What the main core says to other instances.
struct PairFrame {
    rte_mbuf* mbuf;
    std::uint64_t good_until;  ///< by rte_rdtsc(): later it is not sent
};

struct Port {
    std::uint16_t dpdk_port = 0;
    Mac mac{};
    KernelPath kernel_path = KernelPath::kNone;
    bool is_replay = false;           ///< a capture file: wait for tables before reading it
    rte_ring* to_kernel = nullptr;    ///< twin: workers in, main core out
    rte_ring* from_kernel = nullptr;  ///< twin: main core in, worker 0 out
    rte_ring* to_pair = nullptr;      ///< workers in, main core out
    rte_ring* from_pair = nullptr;    ///< of PairFrame: main core in, worker 0 out
};

using Ports = std::span<const Port>;

/// One worker's queue of every port has the worker's number.
struct QueueId {
    std::uint16_t value;
};

}  // namespace tandem::pipeline
