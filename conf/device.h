// What a port polls: `device = "af_xdp:eth1"`, a PCI address, or arguments of a DPDK driver.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "conf/config.h"
#include "conf/section.h"
#include "dataplane/base/result.h"

namespace tandem::conf {

struct Device {
    Driver driver = Driver::kPci;
    std::string name;  ///< without the driver; a PCI address with its domain, in lower case
};

/// The key `driver`; nullopt: "auto".
std::optional<Driver> read_driver(Section& section);

/// What `device` says. Without a wanted driver a bare netdev is af_packet's, which works with every
/// NIC and sees all its queues. Returns one sentence if the text is no device or not of `wanted`.
Result<Device> parse_device(std::string_view text, std::optional<Driver> wanted);

/// What only one port can have: the same text for two devices that would be in each other's way.
/// Empty: any number of ports can be like this.
std::string claim(const Device& device);

}  // namespace tandem::conf
