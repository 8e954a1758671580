// Opens and closes the ports: DPDK devices, configured for one queue per worker, and the kernel's
// side of each.
#pragma once

#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "conf/config.h"
#include "dataplane/base/file_descriptor.h"
#include "dataplane/base/result.h"
#include "dataplane/kernel_twin.h"
#include "dataplane/pipeline/port.h"
#include "dataplane/pipeline/vip_filter.h"
#include "dataplane/receive_merging.h"
#include "dataplane/tables/flow_memory.h"
#include "dataplane/tables/live.h"

struct rte_mempool;

namespace tandem {

/// Everything open about the ports, in the order of the configuration. Closes it all at the end.
class OpenPorts {
  public:
    /// Errors: a device DPDK did not find, too few queues, too little memory: one line each.
    static Result<OpenPorts> open(const conf::Config& config, std::uint16_t workers,
                                  std::uint32_t mbuf_count);

    OpenPorts(OpenPorts&&) noexcept = default;
    OpenPorts& operator=(OpenPorts&&) noexcept = default;
    OpenPorts(const OpenPorts&) = delete;
    OpenPorts& operator=(const OpenPorts&) = delete;
    ~OpenPorts();

    [[nodiscard]] pipeline::Ports ports() const { return ports_; }
    [[nodiscard]] rte_mempool* memory() { return pool_.get(); }
    /// Has the device take frames for this MAC as well.
    void take_mac(std::size_t port, const Mac& mac);
    /// Whether the port has a link; true if its driver cannot say.
    [[nodiscard]] bool has_link(std::size_t port) const;
    [[nodiscard]] std::span<KernelTwin> twins() { return twins_; }
    [[nodiscard]] std::span<const tables::PortInfo> infos() const { return infos_; }

    /// Has devices spread flows over several workers by a key that no sender knows. The same key
    /// brings a flow to the same worker, where it is remembered, after a restart as well.
    void set_rss_key(const tables::RssKey& key);

    /// Tells the kernel which addresses are VIPs, so that it leaves their packets to us. Errors:
    /// one port's; the others know all the same.
    Status set_vips(std::span<const Prefix> vips);

  private:
    OpenPorts() = default;
    Status open_one(const conf::Port& config, std::uint16_t workers);
    Status open_kernel_path(const conf::Port& config, pipeline::Port& port, tables::PortInfo& info);
    Status open_netdev_path(const conf::Port& config, tables::PortInfo& info);
    Status open_twin_path(const conf::Port& config, pipeline::Port& port, tables::PortInfo& info);

    struct FreePool {
        void operator()(rte_mempool* pool) const;
    };
    std::unique_ptr<rte_mempool, FreePool> pool_;
    std::vector<pipeline::Port> ports_;
    std::vector<tables::PortInfo> infos_;
    FileDescriptor kernel_{-1};  ///< to ask it about netdevs
    std::vector<KernelTwin> twins_;
    std::set<std::pair<std::size_t, Mac>> macs_;  ///< that devices take besides their own
    std::vector<pipeline::VipFilter> filters_;
    std::vector<ReceiveMerging> merging_;
};

}  // namespace tandem
