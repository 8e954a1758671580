// Keeps frames for VIPs from the kernel on a netdev that the kernel keeps, and nothing else: the
// netdev stays the way to the kernel for everything that is not for a VIP.
//
// af_packet: a tc filter at the ingress drops them, after the packet socket has seen them.
// af_xdp: the driver's XDP program redirects them to the dataplane, and only them.
// The programs know addresses, not ports. See dataplane/bpf/vip_filter.bpf.c.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "dataplane/base/file_descriptor.h"
#include "dataplane/base/result.h"
#include "dataplane/net/address.h"

namespace tandem::pipeline {

/// One filter on one netdev. Attached without VIPs; detached when destroyed, if it is still there.
/// Main core only. Needs root: CAP_NET_ADMIN and CAP_BPF, for af_xdp CAP_SYS_ADMIN too.
class VipFilter {
  public:
    /// As many as a configuration may have, and the two groups that VRRP speaks to.
    static constexpr std::size_t kVipsMax = 4096 + 2;

    /// For an af_packet port. Replaces what a killed process has left on the netdev; an error if
    /// that process lives, or if the place is taken by a filter that is not ours.
    static Result<VipFilter> attach_tc(const std::string& netdev);

    /// The program for an af_xdp port, as the file /proc/self/fd/N that the driver's argument
    /// xdp_prog wants. The caller closes it, not before the port's queues are set up.
    static Result<int> xdp_object_fd();
    /// For an af_xdp port, once its queues are set up: the program that the driver has attached.
    static Result<VipFilter> adopt_xdp(const std::string& netdev);
    /// Before an af_xdp port is made: takes away the program that a killed process has left. An
    /// error if that process lives, or if the netdev has an XDP program that is not ours.
    static Status remove_stale_xdp(const std::string& netdev);

    /// Replaces the set of VIPs. What is in the old and the new set is filtered all the while.
    [[nodiscard]] Status set_vips(std::span<const Prefix> vips);

    VipFilter(VipFilter&& other) noexcept;
    VipFilter& operator=(VipFilter&& other) noexcept;
    VipFilter(const VipFilter&) = delete;
    VipFilter& operator=(const VipFilter&) = delete;
    ~VipFilter();

  private:
    enum class Hook { kNone, kTc, kXdp };
    VipFilter() = default;
    void detach();
    void detach_tc() const;

    Hook hook_ = Hook::kNone;
    std::string netdev_;
    int ifindex_ = 0;
    std::uint32_t program_id_ = 0;
    FileDescriptor program_;
    FileDescriptor vips_;      ///< the map
    bool owns_qdisc_ = false;  ///< clsact is ours to remove once it is empty
};

}  // namespace tandem::pipeline
