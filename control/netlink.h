// rtnetlink: what the kernel knows of addresses and neighbours, and what we ask it to do.
//
// Requests are answered by the kernel at once, so they are made synchronously. Needs CAP_NET_ADMIN
// for all that changes something.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/net/address.h"
#include "dataplane/net/headers.h"

struct mnl_socket;
struct nlmsghdr;

namespace tandem {

/// An entry of the kernel's neighbour table.
struct KernelNeighbour {
    enum class Reach : std::uint8_t {
        kUnknown,  ///< it may be that nobody has asked for long
        kAnswers,  ///< or is not to be asked: somebody has set its MAC
        kSilent,   ///< it was asked, and did not answer
    };
    int ifindex = 0;
    IpAddress address;
    std::optional<Mac> mac{};  ///< that is, or was lately, valid
    Reach reach = Reach::kUnknown;
    bool is_fixed = false;  ///< never to be asked
};

class Netlink {
  public:
    static Result<Netlink> open();

    /// Addresses of a netdev with the length of their subnets; no link-local ones.
    Result<std::vector<Prefix>> addresses(int ifindex);
    Result<std::vector<KernelNeighbour>> neighbours();

    /// Has the kernel find out (again) who has an address: as if it had a packet for it.
    Status resolve(int ifindex, const IpAddress& address);
    /// Has the kernel ask one whose MAC it knows whether it is still there: it asks three times in
    /// as many seconds before it gives up. Errors: it does not know it.
    Status probe(int ifindex, const IpAddress& address);
    /// No error if the netdev has it.
    Status add_address(int ifindex, const Prefix& address);
    /// A default route that leaves every other default route its precedence.
    Status add_gateway(int ifindex, const IpAddress& gateway);

  private:
    struct Close {
        void operator()(mnl_socket* socket) const;
    };
    explicit Netlink(mnl_socket* socket) : socket_(socket) {}
    Status enter(int ifindex, const IpAddress& address, int how, std::uint16_t state,
                 std::uint8_t flags);
    using Each = std::function<void(const nlmsghdr&)>;
    Status ask(nlmsghdr* request, const Each& each);
    /// Asks for all of a kind; `begin` is called before the first of them, and again if the kernel
    /// had to begin anew.
    Status dump(nlmsghdr* request, const std::function<void()>& begin, const Each& each);
    int exchange(nlmsghdr* request, const Each& each);
    struct Address {
        Prefix prefix;
        std::uint8_t scope;
    };
    Result<std::vector<Address>> addresses_of_all_scopes(int ifindex);

    std::unique_ptr<mnl_socket, Close> socket_;
    std::uint32_t sequence_ = 0;
};

/// What has happened since it was asked last.
struct NetlinkEvents {
    std::vector<KernelNeighbour> neighbours;
    bool addresses_changed = false;
    bool missed_some = false;  ///< the kernel could not keep up with telling us: ask for all
};

/// Hears what changes.
class NetlinkMonitor {
  public:
    static Result<NetlinkMonitor> open();
    /// Readable when there is something to receive.
    [[nodiscard]] int fd() const;
    /// Never blocks.
    NetlinkEvents receive();

  private:
    struct Close {
        void operator()(mnl_socket* socket) const;
    };
    explicit NetlinkMonitor(mnl_socket* socket) : socket_(socket) {}
    std::unique_ptr<mnl_socket, Close> socket_;
};

}  // namespace tandem
