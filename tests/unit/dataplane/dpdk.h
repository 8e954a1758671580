// A DPDK without NICs, huge pages or files, for the parts of the program that need one. Whoever
// includes this links dpdk.cpp, which starts it before the first test.
#pragma once

#include <cstdint>
#include <string>

#include "conf/config.h"

struct rte_mempool;

namespace tandem {

inline constexpr unsigned kBuffersOfTests = 255;
inline constexpr int kPatienceMs = 10'000;  // for what must happen, with both cores busy

/// A null device, of which there are kNullDevices; each can be opened once.
conf::Port next_null_port();

/// Buffers of the usual size, for whoever has no port.
rte_mempool* pool_of_tests();

}  // namespace tandem
