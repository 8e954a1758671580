#include "dataplane/kernel_twin.h"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/mbuf_ring.h"

namespace tandem {

namespace {

constexpr unsigned kRingSize = 1024;
constexpr unsigned kBurst = 32;
constexpr unsigned kSegmentsMax = 8;

ifreq request_for(const std::string& netdev) {
    ifreq request{};
    netdev.copy(request.ifr_name, IFNAMSIZ - 1);
    return request;
}

Status configure(const std::string& netdev, const Mac& mac, std::uint16_t mtu) {
    const FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request = request_for(netdev);
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    std::memcpy(request.ifr_hwaddr.sa_data, mac.data(), mac.size());
    if (::ioctl(socket.get(), SIOCSIFHWADDR, &request) != 0) {
        return errno_error("cannot give " + netdev + " the port's MAC");
    }
    request = request_for(netdev);
    request.ifr_mtu = mtu;
    if (::ioctl(socket.get(), SIOCSIFMTU, &request) != 0) {
        return errno_error("cannot set the MTU of " + netdev);
    }
    request = request_for(netdev);
    request.ifr_flags = IFF_UP;
    if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) {
        return errno_error("cannot bring up " + netdev);
    }
    return Nothing{};
}

}  // namespace

Result<KernelTwin> KernelTwin::open(const std::string& netdev, const Mac& mac, std::uint16_t mtu,
                                    rte_mempool* pool) {
    FileDescriptor tap(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!tap.is_open()) return errno_error("cannot open /dev/net/tun");
    ifreq request = request_for(netdev);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (::ioctl(tap.get(), TUNSETIFF, &request) != 0) {
        return errno_error("cannot make the TAP device " + netdev);
    }
    if (Status status = configure(netdev, mac, mtu); !status) return status.error();
    KernelTwin twin(std::move(tap));
    twin.netdev_ = netdev;
    twin.pool_ = pool;
    const unsigned frame_bytes = mtu + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN;
    const unsigned room = rte_pktmbuf_data_room_size(pool) - unsigned{RTE_PKTMBUF_HEADROOM};
    twin.frame_mbufs_ = (frame_bytes + room - 1) / room;
    if (twin.frame_mbufs_ > kSegmentsMax) {
        return Error{"an MTU of " + std::to_string(mtu) + " is more than " + netdev +
                     " can have: " +
                     std::to_string(kSegmentsMax * room - RTE_ETHER_HDR_LEN - RTE_VLAN_HLEN)};
    }
    if (Status status = twin.make_rings(netdev); !status) return status.error();
    return twin;
}

Status KernelTwin::make_rings(const std::string& netdev) {
    const int socket = static_cast<int>(rte_socket_id());
    to_kernel_ = rte_ring_create((netdev + "_in").c_str(), kRingSize, socket, RING_F_SC_DEQ);
    from_kernel_ = rte_ring_create((netdev + "_out").c_str(), kRingSize, socket,
                                   RING_F_SP_ENQ | RING_F_SC_DEQ);
    if (to_kernel_ == nullptr || from_kernel_ == nullptr) {
        return Error{"too little memory for the queues of " + netdev};
    }
    return Nothing{};
}

KernelTwin::KernelTwin(KernelTwin&& other) noexcept
    : netdev_(std::move(other.netdev_)),
      tap_(std::move(other.tap_)),
      pool_(other.pool_),
      frame_mbufs_(other.frame_mbufs_),
      to_kernel_(std::exchange(other.to_kernel_, nullptr)),
      from_kernel_(std::exchange(other.from_kernel_, nullptr)) {}

KernelTwin& KernelTwin::operator=(KernelTwin&& other) noexcept {
    std::swap(netdev_, other.netdev_);
    std::swap(tap_, other.tap_);
    std::swap(pool_, other.pool_);
    std::swap(frame_mbufs_, other.frame_mbufs_);
    std::swap(to_kernel_, other.to_kernel_);
    std::swap(from_kernel_, other.from_kernel_);
    return *this;
}

KernelTwin::~KernelTwin() {
    drain_and_free(to_kernel_);
    drain_and_free(from_kernel_);
}

bool KernelTwin::carry() {
    const unsigned in = carry_in();
    const unsigned out = carry_out();
    return in == kBurst || out == kBurst;
}

unsigned KernelTwin::carry_in() {
    std::array<void*, kBurst> mbufs;
    const unsigned count = rte_ring_dequeue_burst(to_kernel_, mbufs.data(), kBurst, nullptr);
    for (unsigned i = 0; i < count; ++i) {
        auto* mbuf = static_cast<rte_mbuf*>(mbufs[i]);
        std::array<iovec, kSegmentsMax> parts;
        std::size_t used = 0;
        const rte_mbuf* part = mbuf;
        for (; part != nullptr && used < kSegmentsMax; part = part->next) {
            parts[used++] = {rte_pktmbuf_mtod(part, void*), rte_pktmbuf_data_len(part)};
        }
        // The kernel drops what it has no room for, as from any NIC; half a frame is none.
        if (part == nullptr) {
            static_cast<void>(::writev(tap_.get(), parts.data(), static_cast<int>(used)));
        }
        rte_pktmbuf_free(mbuf);
    }
    return count;
}

unsigned KernelTwin::carry_out() {
    unsigned count = 0;
    for (; count < kBurst; ++count) {
        rte_mbuf* mbuf = read_frame();
        if (mbuf == nullptr) break;
        if (rte_ring_enqueue(from_kernel_, mbuf) != 0) rte_pktmbuf_free(mbuf);
    }
    return count;
}

/// The kernel's next frame, in as many buffers as it takes; nullptr if there is none, or no buffer.
rte_mbuf* KernelTwin::read_frame() {
    if (!tap_.is_open()) return nullptr;
    std::array<rte_mbuf*, kSegmentsMax> mbufs;
    if (rte_pktmbuf_alloc_bulk(pool_, mbufs.data(), frame_mbufs_) != 0) return nullptr;
    std::array<iovec, kSegmentsMax> parts;
    for (unsigned i = 0; i < frame_mbufs_; ++i) {
        parts[i] = {rte_pktmbuf_mtod(mbufs[i], void*), rte_pktmbuf_tailroom(mbufs[i])};
    }
    const ssize_t length = ::readv(tap_.get(), parts.data(), static_cast<int>(frame_mbufs_));
    if (length < 0 && errno == EBADFD) {  // and poll() would report that for ever
        spdlog::error("{} is gone: what the kernel sends and is sent there is lost until a restart",
                      netdev_);
        tap_.reset();
    }
    auto left = static_cast<std::size_t>(std::max<ssize_t>(length, 0));
    unsigned used = 0;
    for (; used < frame_mbufs_ && left != 0; ++used) {
        const std::size_t bytes = std::min(left, parts[used].iov_len);
        rte_pktmbuf_append(mbufs[used], static_cast<std::uint16_t>(bytes));
        left -= bytes;
        if (used != 0) rte_pktmbuf_chain(mbufs[0], mbufs[used]);
    }
    rte_pktmbuf_free_bulk(mbufs.data() + used, frame_mbufs_ - used);
    return used == 0 ? nullptr : mbufs[0];
}

}  // namespace tandem
