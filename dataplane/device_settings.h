// What a port is asked for of what its device can. Pure.
#pragma once

#include <cstdint>

struct rte_eth_conf;
struct rte_eth_dev_info;

namespace tandem {

/// RSS for several workers; frames in several buffers only where one buffer may be too small for a
/// frame of `mtu`, because devices are faster without.
rte_eth_conf device_settings(const rte_eth_dev_info& info, std::uint16_t workers,
                             std::uint16_t mtu);

/// Whether a frame of `mtu` always fits into one buffer.
bool fits_one_buffer(std::uint16_t mtu);

}  // namespace tandem
