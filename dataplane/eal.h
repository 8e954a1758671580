// Starting DPDK without asking the operator for its arguments: memory, cores and devices are
// decided here from the configuration and the machine, and logged.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "conf/config.h"
#include "dataplane/base/result.h"

namespace tandem {

/// What matters of the machine for the decision.
struct Machine {
    std::vector<unsigned> cpus;         ///< that this process may run on
    std::uint64_t free_huge_bytes = 0;  ///< in free huge pages of the default size
    std::uint64_t available_bytes = 0;  ///< of normal pages, MemAvailable of /proc/meminfo
};
Machine this_machine();

struct EalPlan {
    std::vector<std::string> arguments;  ///< argv, program name included
    std::uint16_t workers = 1;
    bool huge_pages = false;
    std::uint32_t mbuf_count = 0;
    std::string summary;  ///< for the log: what was decided and why
};

/// Errors: more workers than CPUs, a CPU list that names others, huge pages demanded but missing,
/// more memory wanted for packets than there is.
/// `xdp_objects` has, by port, the path of the program an AF_XDP port is to load; else empty.
Result<EalPlan> plan_eal(const conf::Config& config, const Machine& machine,
                         const std::vector<std::string>& xdp_objects);

/// DPDK's name for a port: "net_af_packet_wan", or the PCI address.
std::string device_name(const conf::Port& port);

/// Runs rte_eal_init. Errors: DPDK's own last words, in one line.
Status start_eal(const EalPlan& plan);

/// Descriptors per queue and direction.
inline constexpr std::uint16_t kQueueDescriptors = 1024;

}  // namespace tandem
