#include "control/netlink.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <span>

namespace tandem {

namespace {

constexpr std::uint32_t kGatewayMetric = 10'000;
constexpr std::size_t kRequestBytes = 512;
constexpr int kDumpsMax = 20;  ///< one that changes while it is read is asked for again
using Request = std::array<char, kRequestBytes>;

int family_of(const IpAddress& address) {
    return address.is_v4() ? AF_INET : AF_INET6;
}

/// The address as the kernel takes it, 4 or 16 bytes.
std::span<const std::uint8_t> raw(const IpAddress& address) {
    return std::span(address.bytes).subspan(address.is_v4() ? 12 : 0);
}

std::uint8_t kernel_length(const Prefix& prefix) {
    return static_cast<std::uint8_t>(prefix.address.is_v4() ? prefix.length - 96 : prefix.length);
}

std::optional<IpAddress> address_in(const nlattr* attribute) {
    const auto* bytes = static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute));
    IpAddress address;
    if (mnl_attr_get_payload_len(attribute) == 4) {
        return IpAddress::from_v4({bytes[0], bytes[1], bytes[2], bytes[3]});
    }
    if (mnl_attr_get_payload_len(attribute) != sizeof(address.bytes)) return std::nullopt;
    std::copy_n(bytes, sizeof(address.bytes), address.bytes.begin());
    return address;
}

/// The attributes of a message, by type; those beyond `kMax` are passed over.
template <std::size_t kMax>
using Attributes = std::array<const nlattr*, kMax + 1>;

template <std::size_t kMax>
Attributes<kMax> attributes_of(const nlmsghdr& message, std::size_t offset) {
    Attributes<kMax> found{};
    const auto note = [](const nlattr* attribute, void* context) {
        if (mnl_attr_get_type(attribute) <= kMax) {
            (*static_cast<Attributes<kMax>*>(context))[mnl_attr_get_type(attribute)] = attribute;
        }
        return MNL_CB_OK;
    };
    mnl_attr_parse(&message, static_cast<unsigned>(offset), note, &found);
    return found;
}

std::optional<KernelNeighbour> neighbour_in(const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWNEIGH) return std::nullopt;
    const auto* header = static_cast<const ndmsg*>(mnl_nlmsg_get_payload(&message));
    constexpr unsigned kFixed = NUD_PERMANENT | NUD_NOARP;
    constexpr unsigned kValid = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | kFixed;
    const auto attributes = attributes_of<NDA_LLADDR>(message, sizeof(ndmsg));
    const nlattr* destination = attributes[NDA_DST];
    const nlattr* mac = attributes[NDA_LLADDR];
    if (destination == nullptr) return std::nullopt;
    const std::optional<IpAddress> address = address_in(destination);
    if (!address) return std::nullopt;
    KernelNeighbour neighbour{.ifindex = header->ndm_ifindex, .address = *address};
    neighbour.is_fixed = (header->ndm_state & kFixed) != 0;
    if ((header->ndm_state & (NUD_REACHABLE | kFixed)) != 0) {
        neighbour.reach = KernelNeighbour::Reach::kAnswers;
    } else if ((header->ndm_state & NUD_FAILED) != 0) {
        neighbour.reach = KernelNeighbour::Reach::kSilent;
    }
    if ((header->ndm_state & kValid) != 0 && mac != nullptr &&
        mnl_attr_get_payload_len(mac) == sizeof(Mac)) {
        std::memcpy(neighbour.mac.emplace().data(), mnl_attr_get_payload(mac), sizeof(Mac));
    }
    return neighbour;
}

mnl_socket* open_socket(int flags) {
    mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags);
    if (socket == nullptr) return nullptr;
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0) return socket;
    mnl_socket_close(socket);
    return nullptr;
}

nlmsghdr* new_request(Request& buffer, int type, int flags) {
    nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
    request->nlmsg_type = static_cast<std::uint16_t>(type);
    request->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    return request;
}

template <class Header>
Header& put_header(nlmsghdr* request) {
    return *static_cast<Header*>(mnl_nlmsg_put_extra_header(request, sizeof(Header)));
}

void put_address(nlmsghdr* request, std::uint16_t type, const IpAddress& address) {
    mnl_attr_put(request, type, raw(address).size(), raw(address).data());
}

}  // namespace

void Netlink::Close::operator()(mnl_socket* socket) const {
    mnl_socket_close(socket);
}

Result<Netlink> Netlink::open() {
    mnl_socket* socket = open_socket(0);
    if (socket == nullptr) return errno_error("cannot ask the kernel for neighbours");
    return Netlink(socket);
}

/// Sends a request and hands on the answers until the kernel says that there are no more. Returns 0
/// or what errno says. After an error in the midst of answers the rest of them would be taken for
/// those of the next request: that one has another socket.
int Netlink::exchange(nlmsghdr* request, const Each& each) {
    request->nlmsg_seq = ++sequence_;
    const unsigned port = mnl_socket_get_portid(socket_.get());
    const auto on_message = [](const nlmsghdr* message, void* context) {
        (*static_cast<const Each*>(context))(*message);
        return MNL_CB_OK;
    };
    std::vector<char> buffer(static_cast<std::size_t>(MNL_SOCKET_BUFFER_SIZE));
    auto* context = const_cast<void*>(static_cast<const void*>(&each));
    ssize_t done = mnl_socket_sendto(socket_.get(), request, request->nlmsg_len);
    while (done > 0) {
        done = mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size());
        if (done < 0) break;
        done = mnl_cb_run(buffer.data(), static_cast<std::size_t>(done), sequence_, port,
                          on_message, context);
    }
    if (done == MNL_CB_STOP) return 0;
    const int why = errno;
    if (mnl_socket* fresh = open_socket(0); fresh != nullptr) socket_.reset(fresh);
    return why;
}

Status Netlink::ask(nlmsghdr* request, const Each& each) {
    errno = exchange(request, each);
    if (errno != 0) return errno_error("netlink");
    return Nothing{};
}

Status Netlink::dump(nlmsghdr* request, const std::function<void()>& begin, const Each& each) {
    for (int i = 1;; ++i) {
        begin();
        errno = exchange(request, each);
        if (errno == 0) return Nothing{};
        if (errno != EINTR || i == kDumpsMax) return errno_error("netlink");
    }
}

Result<std::vector<Prefix>> Netlink::addresses(int ifindex) {
    const Result<std::vector<Address>> all = addresses_of_all_scopes(ifindex);
    if (!all) return all.error();
    std::vector<Prefix> found;
    for (const Address& address : all.value()) {
        if (address.scope == RT_SCOPE_UNIVERSE) found.push_back(address.prefix);
    }
    return found;
}

Result<std::vector<Netlink::Address>> Netlink::addresses_of_all_scopes(int ifindex) {
    Request buffer;
    nlmsghdr* request = new_request(buffer, RTM_GETADDR, NLM_F_DUMP);
    put_header<ifaddrmsg>(request).ifa_family = AF_UNSPEC;
    std::vector<Address> found;
    const auto begin = [&] { found.clear(); };
    const Status status = dump(request, begin, [&](const nlmsghdr& message) {
        const auto* header = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(&message));
        if (message.nlmsg_type != RTM_NEWADDR || static_cast<int>(header->ifa_index) != ifindex) {
            return;
        }
        const auto attributes = attributes_of<IFA_LOCAL>(message, sizeof(ifaddrmsg));
        // Of a point-to-point link IFA_ADDRESS is the other end.
        const nlattr* ours =
            attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
        if (ours == nullptr) return;
        const std::optional<IpAddress> address = address_in(ours);
        if (!address) return;
        const unsigned length = header->ifa_prefixlen + (address->is_v4() ? 96U : 0U);
        found.push_back({{*address, static_cast<std::uint8_t>(length)}, header->ifa_scope});
    });
    if (!status) return status.error();
    return found;
}

Result<std::vector<KernelNeighbour>> Netlink::neighbours() {
    Request buffer;
    nlmsghdr* request = new_request(buffer, RTM_GETNEIGH, NLM_F_DUMP);
    put_header<ndmsg>(request).ndm_family = AF_UNSPEC;
    std::vector<KernelNeighbour> found;
    const auto begin = [&] { found.clear(); };
    const Status status = dump(request, begin, [&](const nlmsghdr& message) {
        if (const auto neighbour = neighbour_in(message)) found.push_back(*neighbour);
    });
    if (!status) return status.error();
    return found;
}

// What `ip neigh replace ADDRESS dev NETDEV use` does.
Status Netlink::resolve(int ifindex, const IpAddress& address) {
    return enter(ifindex, address, NLM_F_CREATE, NUD_NONE, NTF_USE);
}

// What `ip neigh change ADDRESS dev NETDEV nud probe` does.
Status Netlink::probe(int ifindex, const IpAddress& address) {
    return enter(ifindex, address, NLM_F_REPLACE, NUD_PROBE, 0);
}

Status Netlink::enter(int ifindex, const IpAddress& address, int how, std::uint16_t state,
                      std::uint8_t flags) {
    Request buffer;
    nlmsghdr* request = new_request(buffer, RTM_NEWNEIGH, NLM_F_ACK | how);
    auto& header = put_header<ndmsg>(request);
    header.ndm_family = static_cast<std::uint8_t>(family_of(address));
    header.ndm_ifindex = ifindex;
    header.ndm_state = state;
    header.ndm_flags = flags;
    put_address(request, NDA_DST, address);
    return ask(request, [](const nlmsghdr&) {});
}

// The kernel announces an address that is given again as if it were new, and whoever hears of that
// and gives it again would never come to rest.
Status Netlink::add_address(int ifindex, const Prefix& address) {
    const Result<std::vector<Address>> present = addresses_of_all_scopes(ifindex);
    if (!present) return present.error();
    if (std::ranges::find(present.value(), address, &Address::prefix) != present.value().end()) {
        return Nothing{};
    }
    Request buffer;
    nlmsghdr* request = new_request(buffer, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
    auto& header = put_header<ifaddrmsg>(request);
    header.ifa_family = static_cast<std::uint8_t>(family_of(address.address));
    header.ifa_prefixlen = kernel_length(address);
    header.ifa_flags = IFA_F_NODAD;  // VRRP and the pair's own rules say who has what
    header.ifa_index = static_cast<std::uint32_t>(ifindex);
    put_address(request, IFA_LOCAL, address.address);
    put_address(request, IFA_ADDRESS, address.address);
    return ask(request, [](const nlmsghdr&) {});
}

Status Netlink::add_gateway(int ifindex, const IpAddress& gateway) {
    Request buffer;
    nlmsghdr* request = new_request(buffer, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
    auto& header = put_header<rtmsg>(request);
    header.rtm_family = static_cast<std::uint8_t>(family_of(gateway));
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = RTPROT_STATIC;
    header.rtm_scope = RT_SCOPE_UNIVERSE;
    header.rtm_type = RTN_UNICAST;
    put_address(request, RTA_GATEWAY, gateway);
    mnl_attr_put_u32(request, RTA_OIF, static_cast<std::uint32_t>(ifindex));
    mnl_attr_put_u32(request, RTA_PRIORITY, kGatewayMetric);
    return ask(request, [](const nlmsghdr&) {});
}

void NetlinkMonitor::Close::operator()(mnl_socket* socket) const {
    mnl_socket_close(socket);
}

Result<NetlinkMonitor> NetlinkMonitor::open() {
    NetlinkMonitor monitor(open_socket(SOCK_NONBLOCK));
    if (!monitor.socket_) return errno_error("cannot hear of neighbours from the kernel");
    for (int group : {RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR}) {
        if (mnl_socket_setsockopt(monitor.socket_.get(), NETLINK_ADD_MEMBERSHIP, &group,
                                  sizeof(group)) != 0) {
            return errno_error("cannot hear of neighbours from the kernel");
        }
    }
    return monitor;
}

int NetlinkMonitor::fd() const {
    return mnl_socket_get_fd(socket_.get());
}

NetlinkEvents NetlinkMonitor::receive() {
    NetlinkEvents events;
    std::vector<char> buffer(static_cast<std::size_t>(MNL_SOCKET_BUFFER_SIZE));
    for (;;) {
        const ssize_t received = mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size());
        if (received < 0 && errno == EINTR) continue;
        if (received < 0 && errno == ENOBUFS) {
            events.missed_some = true;
            continue;
        }
        if (received <= 0) return events;
        int left = static_cast<int>(received);
        for (auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
             mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
            if (const auto neighbour = neighbour_in(*message)) {
                events.neighbours.push_back(*neighbour);
            }
            events.addresses_changed |=
                message->nlmsg_type == RTM_NEWADDR || message->nlmsg_type == RTM_DELADDR;
        }
    }
}

}  // namespace tandem
