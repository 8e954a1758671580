#include "dataplane/ports.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <net/if.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/device_settings.h"
#include "dataplane/eal.h"
#include "dataplane/mbuf_ring.h"

namespace tandem {

namespace {

using pipeline::KernelPath;

constexpr unsigned kMbufCache = 256;
constexpr unsigned kPairRingSize = 4096;  ///< frames: an announcement of every VIP

std::string why(int code) {
    return rte_strerror(code < 0 ? -code : code);
}

std::string mac_text(const Mac& mac) {
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3],
                       mac[4], mac[5]);
}

Status set_up_queues(const conf::Port& config, std::uint16_t port, std::uint16_t workers,
                     const rte_eth_dev_info& info, rte_mempool* pool) {
    const rte_eth_conf settings = device_settings(info, workers, config.mtu);
    int result = rte_eth_dev_configure(port, workers, workers, &settings);
    std::uint16_t rx_descriptors = kQueueDescriptors;
    std::uint16_t tx_descriptors = kQueueDescriptors;
    if (result == 0) {
        result = rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx_descriptors, &tx_descriptors);
    }
    const auto socket = static_cast<unsigned>(std::max(rte_eth_dev_socket_id(port), 0));
    for (std::uint16_t queue = 0; queue < workers && result == 0; ++queue) {
        result = rte_eth_rx_queue_setup(port, queue, rx_descriptors, socket, nullptr, pool);
        if (result != 0) break;
        result = rte_eth_tx_queue_setup(port, queue, tx_descriptors, socket, nullptr);
    }
    if (result == 0) return Nothing{};
    return Error{fmt::format("port {}: {} cannot be set up with {} queues and an MTU of {}: {}",
                             config.name, config.device, workers, config.mtu, why(result))};
}

/// The way between workers and the main core, for what instances say to each other.
Status make_pair_rings(const conf::Port& config, pipeline::Port& port) {
    const int socket = static_cast<int>(rte_socket_id());
    const auto name = [&](const char* direction) {
        return fmt::format("pair_{}_{}", port.dpdk_port, direction);
    };
    port.to_pair = rte_ring_create(name("in").c_str(), kPairRingSize, socket, RING_F_SC_DEQ);
    port.from_pair = rte_ring_create_elem(name("out").c_str(), sizeof(pipeline::PairFrame),
                                          kPairRingSize, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
    if (port.to_pair != nullptr && port.from_pair != nullptr) return Nothing{};
    return Error{fmt::format("port {}: too little memory for its queues", config.name)};
}

void drain_pair_frames(rte_ring* ring) {
    pipeline::PairFrame frame{};
    while (ring != nullptr && rte_ring_dequeue_elem(ring, &frame, sizeof(frame)) == 0) {
        rte_pktmbuf_free(frame.mbuf);
    }
    rte_ring_free(ring);
}

/// Frames for VIPs' IPv6 addresses come to multicast groups that nobody tells the NIC about.
void listen_to_groups(const conf::Port& config, std::uint16_t port) {
    if (rte_eth_allmulticast_enable(port) == 0 || rte_eth_promiscuous_enable(port) == 0) return;
    spdlog::debug("port {}: takes multicast as it is", config.name);
}

bool keeps_netdev(conf::Driver driver) {
    return driver == conf::Driver::kAfPacket || driver == conf::Driver::kAfXdp;
}

}  // namespace

Result<OpenPorts> OpenPorts::open(const conf::Config& config, std::uint16_t workers,
                                  std::uint32_t mbuf_count) {
    OpenPorts open;
    open.kernel_ = FileDescriptor(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    open.pool_.reset(rte_pktmbuf_pool_create("tandem_packets", mbuf_count, kMbufCache, 0,
                                             RTE_MBUF_DEFAULT_BUF_SIZE,
                                             static_cast<int>(rte_socket_id())));
    if (open.pool_ == nullptr) {
        return Error{fmt::format(
            "too little memory for {} packet buffers ({}): free some, or set packet_memory lower",
            mbuf_count, why(rte_errno))};
    }
    for (const conf::Port& port : config.ports) {
        if (Status status = open.open_one(port, workers); !status) return status.error();
    }
    return open;
}

Status OpenPorts::open_one(const conf::Port& config, std::uint16_t workers) {
    pipeline::Port port;
    tables::PortInfo info;
    rte_eth_dev_info device{};
    if (rte_eth_dev_get_port_by_name(device_name(config).c_str(), &port.dpdk_port) != 0 ||
        rte_eth_dev_info_get(port.dpdk_port, &device) != 0) {
        return Error{
            fmt::format("port {}: DPDK found no device {}; is the driver's package "
                        "(librte-net-…) installed?",
                        config.name, config.device)};
    }
    if (device.max_rx_queues < workers || device.max_tx_queues < workers) {
        return Error{
            fmt::format("port {}: {} has {} queues, too few for {} workers; set "
                        "dataplane.workers",
                        config.name, config.device,
                        std::min(device.max_rx_queues, device.max_tx_queues), workers)};
    }
    if (Status status = set_up_queues(config, port.dpdk_port, workers, device, pool_.get());
        !status) {
        return status;
    }
    rte_ether_addr mac{};
    if (const int result = rte_eth_dev_start(port.dpdk_port); result != 0) {
        return Error{
            fmt::format("port {}: {} does not start: {}", config.name, config.device, why(result))};
    }
    rte_eth_macaddr_get(port.dpdk_port, &mac);
    std::memcpy(port.mac.data(), &mac, port.mac.size());
    listen_to_groups(config, port.dpdk_port);

    if (Status status = make_pair_rings(config, port); !status) return status;
    port.is_replay = config.driver == conf::Driver::kPcap;
    info.name = tables::Name(config.name);
    info.driver = tables::Name(device.driver_name);
    info.mac = port.mac;
    info.mtu = config.mtu;
    ports_.push_back(port);
    infos_.push_back(info);
    if (Status status = open_kernel_path(config, ports_.back(), infos_.back()); !status) {
        return status;
    }
    spdlog::info(
        "port {}: {} ({}), MAC {}, MTU {}, {} queue{}, kernel {}", config.name, config.device,
        device.driver_name, mac_text(port.mac), config.mtu, workers, workers == 1 ? "" : "s",
        infos_.back().netdev[0] == '\0' ? "not involved"
                                        : "at " + std::string(infos_.back().netdev.data()));
    return Nothing{};
}

Status OpenPorts::open_kernel_path(const conf::Port& config, pipeline::Port& port,
                                   tables::PortInfo& info) {
    if (!conf::has_kernel(config.driver)) return Nothing{};
    if (keeps_netdev(config.driver)) {
        port.kernel_path = KernelPath::kNetdev;
        return open_netdev_path(config, info);
    }
    port.kernel_path = KernelPath::kTwin;
    return open_twin_path(config, port, info);
}

Status OpenPorts::open_netdev_path(const conf::Port& config, tables::PortInfo& info) {
    config.device_name.copy(info.netdev.data(), info.netdev.size() - 1);
    Result<pipeline::VipFilter> filter = config.driver == conf::Driver::kAfXdp
                                             ? pipeline::VipFilter::adopt_xdp(config.device_name)
                                             : pipeline::VipFilter::attach_tc(config.device_name);
    if (!filter) return Error{fmt::format("port {}: {}", config.name, filter.error().message)};
    filters_.push_back(std::move(filter.value()));
    if (config.driver == conf::Driver::kAfXdp) return Nothing{};  // its frames come before that
    Result<ReceiveMerging> merging = ReceiveMerging::switch_off(config.device_name);
    if (merging) {
        merging_.push_back(std::move(merging.value()));
    } else {
        spdlog::warn("port {}: packets that the kernel merges as they come in (GRO) are lost: {}",
                     config.name, merging.error().message);
    }
    return Nothing{};
}

Status OpenPorts::open_twin_path(const conf::Port& config, pipeline::Port& port,
                                 tables::PortInfo& info) {
    const std::string netdev = fmt::format("tandem{}", ports_.size() - 1);
    Result<KernelTwin> twin = KernelTwin::open(netdev, port.mac, config.mtu, pool_.get());
    if (!twin) return Error{fmt::format("port {}: {}", config.name, twin.error().message)};
    port.to_kernel = twin.value().to_kernel();
    port.from_kernel = twin.value().from_kernel();
    netdev.copy(info.netdev.data(), info.netdev.size() - 1);
    info.netdev_is_twin = true;
    twins_.push_back(std::move(twin.value()));
    return Nothing{};
}

void OpenPorts::set_rss_key(const tables::RssKey& key) {
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        const std::uint16_t port = ports_[i].dpdk_port;
        rte_eth_dev_info device{};
        rte_eth_rss_conf present{};
        if (rte_eth_dev_info_get(port, &device) != 0 ||
            rte_eth_dev_rss_hash_conf_get(port, &present) != 0 || present.rss_hf == 0) {
            continue;  // its driver spreads in its own way, which is the same after a restart
        }
        constexpr std::uint8_t kUsualBytes = 40;
        const std::uint8_t bytes = device.hash_key_size == 0 ? kUsualBytes : device.hash_key_size;
        tables::RssKey own = key;  // DPDK wants to write to it
        rte_eth_rss_conf wanted{};
        wanted.rss_key = own.data();
        wanted.rss_key_len = static_cast<std::uint8_t>(std::min<std::size_t>(bytes, own.size()));
        wanted.rss_hf = present.rss_hf;
        const int result = rte_eth_dev_rss_hash_update(port, &wanted);
        if (result == 0) continue;
        spdlog::info(
            "port {}: the device keeps its own RSS key, so senders may know which flows "
            "share a worker ({})",
            infos_[i].name.view(), why(result));
    }
}

Status OpenPorts::set_vips(std::span<const Prefix> vips) {
    Status outcome = Nothing{};
    for (pipeline::VipFilter& filter : filters_) {
        if (Status status = filter.set_vips(vips); !status) outcome = std::move(status);
    }
    return outcome;
}

void OpenPorts::take_mac(std::size_t port, const Mac& mac) {
    if (!macs_.emplace(port, mac).second) return;
    rte_ether_addr address{};
    std::memcpy(&address, mac.data(), mac.size());
    const std::uint16_t dpdk_port = ports_[port].dpdk_port;
    if (rte_eth_dev_mac_addr_add(dpdk_port, &address, 0) == 0 ||
        rte_eth_promiscuous_enable(dpdk_port) == 0) {
        return;
    }
    spdlog::debug("port {}: takes any MAC as it is", infos_[port].name.view());
}

bool OpenPorts::has_link(std::size_t port) const {
    const tables::PortInfo& info = infos_[port];
    if (info.netdev[0] != '\0' && !info.netdev_is_twin) {  // its driver asks nobody
        ifreq request{};
        std::memcpy(request.ifr_name, info.netdev.data(), info.netdev.size());
        if (::ioctl(kernel_.get(), SIOCGIFFLAGS, &request) != 0) return errno != ENODEV;
        return (request.ifr_flags & IFF_RUNNING) != 0;
    }
    rte_eth_link link{};
    return rte_eth_link_get_nowait(ports_[port].dpdk_port, &link) != 0 ||
           link.link_status == RTE_ETH_LINK_UP;
}

void OpenPorts::FreePool::operator()(rte_mempool* pool) const {
    rte_mempool_free(pool);
}

OpenPorts::~OpenPorts() {
    twins_.clear();
    filters_.clear();
    for (const pipeline::Port& port : ports_) {
        drain_and_free(port.to_pair);
        drain_pair_frames(port.from_pair);
        rte_eth_dev_stop(port.dpdk_port);
        rte_eth_dev_close(port.dpdk_port);
    }
}

}  // namespace tandem
