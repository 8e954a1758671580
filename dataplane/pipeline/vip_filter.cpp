#include "dataplane/pipeline/vip_filter.h"

#include <array>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <memory>
#include <net/if.h>
#include <set>
#include <string_view>
#include <sys/mman.h>
#include <utility>
#include <vector>

#include "dataplane/pipeline/bpf_program.h"

// What the linker made of the compiled programs; see dataplane/bpf/meson.build.
extern "C" {
extern const char _binary_dataplane_bpf_vip_filter_tc_bpf_o_start[];
extern const char _binary_dataplane_bpf_vip_filter_tc_bpf_o_end[];
extern const char _binary_dataplane_bpf_vip_filter_xdp_bpf_o_start[];
extern const char _binary_dataplane_bpf_vip_filter_xdp_bpf_o_end[];
}

namespace tandem::pipeline {

namespace {

// The names in vip_filter.bpf.c. They tell our programs from others, also those of a dead process.
constexpr const char* kTcProgram = "tandem_tc";
constexpr const char* kXdpProgram = "tandem_xdp";
constexpr const char* kVipsMap = "tandem_vips";

// Where in the netdev's list of filters ours stands: before all others, at a handle of its own, so
// that the next process finds it again.
constexpr std::uint32_t kTcPriority = 1;
constexpr std::uint32_t kTcHandle = 0x74646d;  // "tdm"

/// The key of the map, struct vip_prefix in vip_filter.bpf.c.
struct VipKey {
    std::uint32_t length_bits;
    std::array<std::uint8_t, 16> address;

    friend auto operator<=>(const VipKey&, const VipKey&) = default;
};
static_assert(sizeof(VipKey) == 20);

Result<int> index_of(const std::string& netdev) {
    const unsigned index = if_nametoindex(netdev.c_str());
    if (index == 0) return errno_error("cannot find netdev " + netdev);
    return static_cast<int>(index);
}

Error in_use(const std::string& netdev, const std::string& pid) {
    return {netdev + " is in use by another dataplane, process " + pid + ": stop that one first"};
}

// ---- tc

bpf_tc_hook ingress_of(int ifindex) {
    bpf_tc_hook hook{};
    hook.sz = sizeof(hook);
    hook.ifindex = ifindex;
    hook.attach_point = BPF_TC_INGRESS;
    return hook;
}

bpf_tc_opts our_place() {
    bpf_tc_opts options{};
    options.sz = sizeof(options);
    options.handle = kTcHandle;
    options.priority = kTcPriority;
    return options;
}

/// The program in our place, 0 if there is none.
std::uint32_t tc_program_at(const bpf_tc_hook& hook) {
    bpf_tc_opts place = our_place();
    return bpf_tc_query(&hook, &place) == 0 ? place.prog_id : 0;
}

/// Whether the ingress or egress of a clsact qdisc has any filter; true if that cannot be found
/// out.
bool has_filters(int ifindex) {
    using Socket = std::unique_ptr<mnl_socket, decltype(&mnl_socket_close)>;
    const Socket socket(mnl_socket_open(NETLINK_ROUTE), &mnl_socket_close);
    if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return true;
    std::array<char, 32768> buffer{};
    for (const std::uint32_t side : {TC_H_MIN_INGRESS, TC_H_MIN_EGRESS}) {
        nlmsghdr* header = mnl_nlmsg_put_header(buffer.data());
        header->nlmsg_type = RTM_GETTFILTER;
        header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        auto* wanted = static_cast<tcmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(tcmsg)));
        wanted->tcm_family = AF_UNSPEC;
        wanted->tcm_ifindex = ifindex;
        wanted->tcm_parent = TC_H_MAKE(TC_H_CLSACT, side);
        if (mnl_socket_sendto(socket.get(), header, header->nlmsg_len) < 0) return true;
        // The first answer is a filter, or the end of the list.
        const ssize_t received = mnl_socket_recvfrom(socket.get(), buffer.data(), buffer.size());
        if (received < static_cast<ssize_t>(sizeof(nlmsghdr))) return true;
        if (header->nlmsg_type != NLMSG_DONE) return true;
    }
    return false;
}

using BpfObject = std::unique_ptr<bpf_object, decltype(&bpf_object__close)>;

Result<BpfObject> load_tc() {
    const char* start = _binary_dataplane_bpf_vip_filter_tc_bpf_o_start;
    const char* end = _binary_dataplane_bpf_vip_filter_tc_bpf_o_end;
    BpfObject object(bpf_object__open_mem(start, static_cast<std::size_t>(end - start), nullptr),
                     &bpf_object__close);
    if (!object) return errno_error("cannot read the tc filter for VIPs");
    if (const int result = bpf_object__load(object.get()); result < 0)
        return bpf_error("cannot load the tc filter for VIPs into the kernel", result);
    return object;
}

/// Whether our place holds the filter of a dead process; an error if it is somebody else's.
Result<bool> find_leftover(const bpf_tc_hook& hook, const std::string& netdev) {
    const std::uint32_t id = tc_program_at(hook);
    if (id == 0) return false;
    Result<BpfProgram> program = bpf_program_of(id);
    if (!program) return program.error();
    if (program.value().name != kTcProgram)
        return Error{"the place of our tc filter on " + netdev + " is taken by BPF program " +
                     program.value().name + ": remove it with tc filter del dev " + netdev +
                     " ingress pref " + std::to_string(kTcPriority)};
    program.value().fd.reset();  // or we would find ourselves
    if (const auto holder = holder_of(id)) return in_use(netdev, *holder);
    return true;
}

// ---- XDP

struct Attached {
    std::uint32_t id;
    std::uint32_t mode;  ///< the flag that names it
};

/// A netdev can have one XDP program per mode; nearly always it has one or none.
Result<std::vector<Attached>> attached_xdp(int ifindex, const std::string& netdev) {
    bpf_xdp_query_opts query{};
    query.sz = sizeof(query);
    if (const int result = bpf_xdp_query(ifindex, 0, &query); result < 0)
        return bpf_error("cannot ask for the XDP program of " + netdev, result);
    std::vector<Attached> found;
    if (query.drv_prog_id != 0) found.push_back({query.drv_prog_id, XDP_FLAGS_DRV_MODE});
    if (query.skb_prog_id != 0) found.push_back({query.skb_prog_id, XDP_FLAGS_SKB_MODE});
    if (query.hw_prog_id != 0) found.push_back({query.hw_prog_id, XDP_FLAGS_HW_MODE});
    return found;
}

/// Takes `program` off, unless another has taken its place meanwhile.
int detach_xdp(int ifindex, std::uint32_t mode, int program) {
    bpf_xdp_attach_opts options{};
    options.sz = sizeof(options);
    options.old_prog_fd = program;
    return bpf_xdp_detach(ifindex, mode | XDP_FLAGS_REPLACE, &options);
}

Result<std::set<VipKey>> keys_of(int map) {
    std::set<VipKey> keys;
    VipKey key{};
    int result = bpf_map_get_next_key(map, nullptr, &key);
    for (; result == 0; result = bpf_map_get_next_key(map, &key, &key)) keys.insert(key);
    if (result != -ENOENT) return bpf_error("cannot read the filtered VIPs", result);
    return keys;
}

}  // namespace

Result<VipFilter> VipFilter::attach_tc(const std::string& netdev) {
    const QuietLibbpf quiet;
    const Result<int> ifindex = index_of(netdev);
    if (!ifindex) return ifindex.error();
    Result<BpfObject> object = load_tc();
    if (!object) return object.error();

    bpf_tc_hook hook = ingress_of(ifindex.value());
    const int created = bpf_tc_hook_create(&hook);
    if (created == -ENOENT || created == -EOPNOTSUPP)
        return Error{"cannot filter VIPs on " + netdev +
                     ": this kernel has no clsact (CONFIG_NET_SCH_INGRESS)"};
    if (created < 0 && created != -EEXIST)
        return bpf_error("cannot make a clsact qdisc on " + netdev, created);

    VipFilter filter;  // from here on its destructor removes what was made
    filter.hook_ = Hook::kTc;
    filter.netdev_ = netdev;
    filter.ifindex_ = ifindex.value();
    filter.owns_qdisc_ = created == 0;
    const Result<bool> leftover = find_leftover(hook, netdev);
    if (!leftover) return leftover.error();
    filter.owns_qdisc_ |= leftover.value();

    const bpf_program* program = bpf_object__find_program_by_name(object.value().get(), kTcProgram);
    CHECK(program != nullptr);
    const int map = bpf_object__find_map_fd_by_name(object.value().get(), kVipsMap);
    CHECK(map >= 0);
    bpf_tc_opts options = our_place();
    options.prog_fd = bpf_program__fd(program);
    options.flags = BPF_TC_F_REPLACE;
    const int attached = bpf_tc_attach(&hook, &options);
    if (attached == -ENOENT || attached == -EOPNOTSUPP)
        return Error{"cannot filter VIPs on " + netdev +
                     ": this kernel has no BPF classifier (CONFIG_NET_CLS_BPF)"};
    if (attached == -EINVAL)
        return Error{"cannot filter VIPs on " + netdev +
                     ": another tc filter has priority 1 there; see tc filter show dev " + netdev +
                     " ingress"};
    if (attached < 0)
        return bpf_error("cannot attach the tc filter for VIPs to " + netdev, attached);
    filter.program_id_ = options.prog_id;
    filter.program_ = FileDescriptor(fcntl(options.prog_fd, F_DUPFD_CLOEXEC, 0));
    filter.vips_ = FileDescriptor(fcntl(map, F_DUPFD_CLOEXEC, 0));
    if (!filter.program_.is_open() || !filter.vips_.is_open())
        return errno_error("cannot keep the tc filter for VIPs open");
    return filter;
}

Result<int> VipFilter::xdp_object_fd() {
    const char* start = _binary_dataplane_bpf_vip_filter_xdp_bpf_o_start;
    const auto size =
        static_cast<std::size_t>(_binary_dataplane_bpf_vip_filter_xdp_bpf_o_end - start);
    const int fd = memfd_create("tandem-vip-filter", MFD_CLOEXEC);
    if (fd < 0) return errno_error("cannot make a file for the XDP program");
    if (write(fd, start, size) == static_cast<ssize_t>(size)) return fd;
    const Error error = errno_error("cannot write the XDP program to memory");
    close(fd);
    return error;
}

Result<VipFilter> VipFilter::adopt_xdp(const std::string& netdev) {
    const QuietLibbpf quiet;
    const Result<int> ifindex = index_of(netdev);
    if (!ifindex) return ifindex.error();
    const Result<std::vector<Attached>> attached = attached_xdp(ifindex.value(), netdev);
    if (!attached) return attached.error();
    for (const Attached& candidate : attached.value()) {
        Result<BpfProgram> program = bpf_program_of(candidate.id);
        if (!program) return program.error();
        if (program.value().name != kXdpProgram) continue;
        Result<FileDescriptor> vips = bpf_map_of(program.value(), kVipsMap);
        if (!vips) return vips.error();
        VipFilter filter;
        filter.hook_ = Hook::kXdp;
        filter.netdev_ = netdev;
        filter.ifindex_ = ifindex.value();
        filter.program_id_ = candidate.id;
        filter.program_ = std::move(program.value().fd);
        filter.vips_ = std::move(vips.value());
        return filter;
    }
    return Error{netdev + " does not have our XDP program: is its port an af_xdp port that runs?"};
}

Status VipFilter::remove_stale_xdp(const std::string& netdev) {
    const QuietLibbpf quiet;
    const Result<int> ifindex = index_of(netdev);
    if (!ifindex) return ifindex.error();
    const Result<std::vector<Attached>> attached = attached_xdp(ifindex.value(), netdev);
    if (!attached) return attached.error();
    for (const Attached& found : attached.value()) {
        Result<BpfProgram> program = bpf_program_of(found.id);
        if (!program) return program.error();
        if (program.value().name != kXdpProgram)
            return Error{netdev + " has an XDP program that is not ours (" + program.value().name +
                         "): remove it with ip link set " + netdev +
                         " xdp off, or use af_packet:" + netdev};
        program.value().fd.reset();  // or we would find ourselves
        if (const auto holder = holder_of(found.id)) return in_use(netdev, *holder);
        Result<BpfProgram> again = bpf_program_of(found.id);
        if (!again) return again.error();
        const int result = detach_xdp(ifindex.value(), found.mode, again.value().fd.get());
        if (result < 0) return bpf_error("cannot remove the old XDP program of " + netdev, result);
    }
    return Nothing{};
}

Status VipFilter::set_vips(std::span<const Prefix> vips) {
    if (vips.size() > kVipsMax)
        return Error{"cannot filter " + std::to_string(vips.size()) + " VIPs on " + netdev_ +
                     ": at most " + std::to_string(kVipsMax) + " are possible"};
    const Result<std::set<VipKey>> old = keys_of(vips_.get());
    if (!old) return old.error();
    std::set<VipKey> wanted;
    for (const Prefix& vip : vips) wanted.insert({vip.length, vip.network().bytes});

    constexpr std::uint8_t kPresent = 1;
    for (const VipKey& key : wanted) {
        if (old.value().contains(key)) continue;
        const int result = bpf_map_update_elem(vips_.get(), &key, &kPresent, BPF_ANY);
        if (result < 0) return bpf_error("cannot filter another VIP on " + netdev_, result);
    }
    for (const VipKey& key : old.value()) {
        if (wanted.contains(key)) continue;
        const int result = bpf_map_delete_elem(vips_.get(), &key);
        if (result < 0) return bpf_error("cannot stop to filter a VIP on " + netdev_, result);
    }
    return Nothing{};
}

void VipFilter::detach_tc() const {
    bpf_tc_hook hook = ingress_of(ifindex_);
    if (program_id_ != 0 && tc_program_at(hook) == program_id_) {
        const bpf_tc_opts place = our_place();
        bpf_tc_detach(&hook, &place);
    }
    if (owns_qdisc_ && !has_filters(ifindex_)) {
        hook.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
        bpf_tc_hook_destroy(&hook);
    }
}

void VipFilter::detach() {
    const QuietLibbpf quiet;
    switch (std::exchange(hook_, Hook::kNone)) {
        case Hook::kNone:
            return;
        case Hook::kTc:
            return detach_tc();
        case Hook::kXdp:
            // The driver does the same when it closes the port; whoever is first.
            const Result<std::vector<Attached>> attached = attached_xdp(ifindex_, netdev_);
            if (!attached) return;
            for (const Attached& found : attached.value())
                if (found.id == program_id_) detach_xdp(ifindex_, found.mode, program_.get());
    }
}

VipFilter::VipFilter(VipFilter&& other) noexcept {
    *this = std::move(other);
}

VipFilter& VipFilter::operator=(VipFilter&& other) noexcept {
    if (this == &other) return *this;
    detach();
    hook_ = std::exchange(other.hook_, Hook::kNone);
    netdev_ = std::move(other.netdev_);
    ifindex_ = other.ifindex_;
    program_id_ = other.program_id_;
    program_ = std::move(other.program_);
    vips_ = std::move(other.vips_);
    owns_qdisc_ = other.owns_qdisc_;
    return *this;
}

VipFilter::~VipFilter() {
    detach();
}

}  // namespace tandem::pipeline
