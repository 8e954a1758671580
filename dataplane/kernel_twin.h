// The kernel's side of a port that DPDK has taken: a TAP device with the port's MAC. What is not
// for a VIP goes there, and what the kernel sends comes out of the port. Carried over by the main
// core.
#pragma once

#include <cstdint>
#include <string>

#include "dataplane/base/file_descriptor.h"
#include "dataplane/base/result.h"
#include "dataplane/net/headers.h"

struct rte_mbuf;
struct rte_mempool;
struct rte_ring;

namespace tandem {

class KernelTwin {
  public:
    /// Makes the TAP device `netdev` and brings it up. It vanishes with this object.
    /// Errors: the name is taken, or the right to make it is missing.
    static Result<KernelTwin> open(const std::string& netdev, const Mac& mac, std::uint16_t mtu,
                                   rte_mempool* pool);

    KernelTwin(KernelTwin&& other) noexcept;
    KernelTwin& operator=(KernelTwin&& other) noexcept;
    KernelTwin(const KernelTwin&) = delete;
    KernelTwin& operator=(const KernelTwin&) = delete;
    ~KernelTwin();

    /// -1: somebody has deleted the device.
    [[nodiscard]] int fd() const { return tap_.get(); }
    [[nodiscard]] rte_ring* to_kernel() const { return to_kernel_; }
    [[nodiscard]] rte_ring* from_kernel() const { return from_kernel_; }

    /// Moves up to a burst in each direction. True if there may be more.
    bool carry();

  private:
    explicit KernelTwin(FileDescriptor tap) : tap_(std::move(tap)) {}
    Status make_rings(const std::string& netdev);
    unsigned carry_out();
    unsigned carry_in();
    rte_mbuf* read_frame();

    std::string netdev_;
    FileDescriptor tap_;
    rte_mempool* pool_ = nullptr;
    unsigned frame_mbufs_ = 1;  ///< that the longest frame of the kernel takes
    rte_ring* to_kernel_ = nullptr;
    rte_ring* from_kernel_ = nullptr;
};

}  // namespace tandem
