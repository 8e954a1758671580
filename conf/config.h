// What a configuration file says, validated and with every default filled in: a plain value.
//
// load.h makes one from TOML. Names refer to names; nothing here knows indices, sockets or DPDK.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/net/address.h"
#include "dataplane/net/headers.h"

namespace tandem::conf {

using std::chrono::milliseconds;

/// How many of each thing one instance can hold. The shared tables are sized by these.
inline constexpr std::size_t kPortsMax = 16;
inline constexpr std::size_t kWorkersMax = 64;
inline constexpr std::size_t kVipsMax = 4096;
inline constexpr std::size_t kPoolsMax = 1024;
inline constexpr std::size_t kGroupsMax = 64;
inline constexpr std::size_t kPathsMax = 2;          ///< to the other instance
inline constexpr std::size_t kBackendsMax = 65'532;  ///< over all pools; an index has 16 bits

enum class Driver : std::uint8_t { kPci, kAfXdp, kAfPacket, kTap, kPcap, kNull, kMemif, kRing };

/// Whether a kernel is behind its ports, which asks for their neighbours.
[[nodiscard]] constexpr bool has_kernel(Driver driver) {
    return driver != Driver::kPcap && driver != Driver::kNull && driver != Driver::kRing;
}

/// [port.NAME]: a NIC, or anything DPDK can poll like one.
struct Port {
    std::string name;
    std::string device;  ///< as written: "eth1", "af_xdp:eth1", "0000:3b:00.0", "pcap:in=…"
    Driver driver = Driver::kPci;
    std::string device_name;  ///< without the driver: netdev, PCI address, or driver arguments
    std::vector<Prefix>
        addresses;  ///< ours, with the subnet's length; empty: taken from the netdev
    std::vector<IpAddress> gateways;  ///< at most one of each family
    std::uint16_t mtu = 1500;         ///< bytes of IP packet
    /// Neighbours with a MAC that is not asked for: the only ones of a port without a kernel
    /// behind it. Sorted by address.
    std::vector<std::pair<IpAddress, Mac>> neighbours;

    friend bool operator==(const Port&, const Port&) = default;
};

enum class Poll : std::uint8_t { kAdaptive, kRelaxed, kBusy };
enum class Memory : std::uint8_t { kAuto, kHuge, kNormal };

/// [dataplane]: read at start only; changes need a restart.
struct Dataplane {
    std::optional<std::uint16_t> workers;  ///< nullopt: "auto"
    std::string cores;                     ///< CPU list such as "2-7"; empty: "auto"
    Memory memory = Memory::kAuto;
    std::uint64_t packet_memory_bytes = 0;  ///< 0: "auto"
    std::uint64_t table_memory_bytes = 0;   ///< 0: "auto"
    Poll poll = Poll::kAdaptive;
    milliseconds stall_limit{50};  ///< a worker that stands still for longer costs us our groups
    std::string socket = "/run/tandem/dataplane.sock";
    std::string eal_args;  ///< appended to DPDK's own arguments, for the cases we did not foresee

    friend bool operator==(const Dataplane&, const Dataplane&) = default;
};

/// [flows]: what is remembered of flows while their slots are in transition. Read at start only.
struct Flows {
    std::uint64_t per_worker = 1'000'000;  ///< how many each worker has room for
    milliseconds opening{10'000};          ///< TCP, after a SYN and nothing else
    milliseconds established{900'000};
    milliseconds closing{15'000};  ///< TCP, after FIN or RST
    milliseconds udp{30'000};

    friend bool operator==(const Flows&, const Flows&) = default;
};

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

/// [control]
struct Control {
    LogLevel log_level = LogLevel::kInfo;
    std::string state_dir = "/var/lib/tandem";
    std::string admin_socket = "/run/tandem/control.sock";  ///< where operators' orders come in

    friend bool operator==(const Control&, const Control&) = default;
};

enum class CheckType : std::uint8_t { kNone, kTcp, kHttp };

/// [check.NAME], or the short form `check = "http /healthz"` in a pool.
struct Check {
    CheckType type = CheckType::kTcp;
    std::string path = "/";             ///< http
    std::string host;                   ///< http; empty: the backend's address and port
    std::uint16_t status_min = 200;     ///< http
    std::uint16_t status_max = 399;     ///< http
    std::optional<std::uint16_t> port;  ///< instead of the backend's own
    milliseconds interval{2000};
    milliseconds timeout{1000};
    int rise = 2;
    int fall = 3;
    int jitter_percent = 10;  ///< each interval is shorter by up to this much, never longer

    friend bool operator==(const Check&, const Check&) = default;
};

enum class Mode : std::uint8_t { kL2, kIpip };
/// What becomes of the flows of a backend that goes down.
enum class OnDown : std::uint8_t {
    kRehash,  ///< they go to others
    kKeep,    ///< they stay until they end: down is as good as drained
};

struct Backend {
    std::string name;  ///< as given, or "ADDRESS:PORT"
    IpAddress address;
    std::uint16_t port = 0;  ///< host order
    std::uint16_t weight = 1;
    bool is_draining = false;  ///< state = "drain": keeps its flows, gets no new ones

    friend bool operator==(const Backend&, const Backend&) = default;
};

/// [pool.NAME]
struct Pool {
    std::string name;
    Mode mode = Mode::kIpip;
    std::string check_name;  ///< of [check.NAME]; empty when the short form was used
    Check check;
    std::uint32_t slots = 0;  ///< of the pool's table, a prime; 0: by the number of backends
    std::optional<Prefix> tunnel_source;  ///< ipip: outer sources are drawn from it by flow
    OnDown on_down = OnDown::kRehash;
    milliseconds transition_hold{900'000};  ///< never shorter than flows.established
    milliseconds slow_start{0};             ///< to full weight after coming up
    int flow_budget_percent = 50;           ///< of each worker's room for flows
    std::vector<Backend> backends;

    friend bool operator==(const Pool&, const Pool&) = default;
};

enum class Protocol : std::uint8_t { kTcp = 6, kUdp = 17 };  ///< IANA protocol numbers

enum class UdpFlows : std::uint8_t {
    kSticky,     ///< a flow stays with its backend while that lives
    kStateless,  ///< every packet goes where its slot points: for questions of one packet
};

/// Whose MAC goes with the VIPs of a group.
enum class GroupMac : std::uint8_t {
    kVirtual,  ///< 00-00-5E-00-01-XX and 00-00-5E-00-02-XX: nobody has to learn a new one
    kPort,     ///< that of the port of the instance that is active
};

/// What the checksum of IPv4 advertisements covers besides the message: RFC 9568 says nothing,
/// keepalived and FRR put a pseudo-header in front. Both are accepted.
enum class AdvertChecksum : std::uint8_t { kMessage, kWithPseudoHeader };

/// [[group]]: VIPs that one of the two instances answers for, the same for all of them (VRRPv3).
struct Group {
    std::string name;
    std::string port;            ///< where it advertises
    std::uint8_t router_id = 0;  ///< VRID, 1 to 255: one a group and port
    std::uint8_t priority = 100;
    milliseconds interval{30};  ///< between advertisements, whole centiseconds
    bool preempt = true;        ///< a higher priority takes over from a lower one
    milliseconds preempt_delay{0};
    GroupMac mac = GroupMac::kVirtual;
    AdvertChecksum checksum = AdvertChecksum::kWithPseudoHeader;
    bool is_strict = false;        ///< while not active, packets for its VIPs are dropped
    bool checks_gateway = false;   ///< gives way while a gateway of its port does not answer
    std::vector<IpAddress> peers;  ///< the only ones to advertise to; empty: to the VRRP group

    friend bool operator==(const Group&, const Group&) = default;
};

/// What a backend's health is when two instances check it.
enum class Agreement : std::uint8_t {
    kCredible,  ///< down if both say so, or the one that does is right about the pool's others
    kAny,       ///< down if either says so
    kBoth,      ///< down if both say so
    kLocal,     ///< as this one says
};

/// [pair]: the other instance, and how the two speak. Read at start only, but for the key's file
/// and the agreement.
struct Pair {
    std::vector<IpAddress> peers;   ///< the other instance, by one path or two; in the file's order
    std::vector<IpAddress> locals;  ///< this one, path by path; empty: the kernel chooses
    std::uint16_t port = 7117;      ///< UDP, on both
    std::string key_file = "/etc/tandem/pair.key";
    milliseconds interval{10};    ///< between heartbeats
    milliseconds dead_after{50};  ///< silence that is death
    std::uint8_t phi = 0;         ///< suspicion that is death before that; 0: none is
    Agreement agreement = Agreement::kCredible;
    milliseconds sync_timeout{30'000};    ///< a returning instance waits so long to be in step
    milliseconds hold_down_max{300'000};  ///< one that has lost groups gets none back for so long

    friend bool operator==(const Pair&, const Pair&) = default;
};

/// [vip.NAME]: `listen = "203.0.113.10:80/tcp"`, ":8000-8999/tcp", ":*/udp", or a prefix.
struct Vip {
    std::string name;
    Prefix prefix;
    std::uint16_t port_first = 0;  ///< host order; 0..65535 is "any port"
    std::uint16_t port_last = 65'535;
    Protocol protocol = Protocol::kTcp;
    UdpFlows udp = UdpFlows::kSticky;
    std::string pool;
    std::string group;  ///< empty: of none, and answered always

    friend bool operator==(const Vip&, const Vip&) = default;
};

struct Config {
    Dataplane dataplane;
    Flows flows;
    Control control;
    std::vector<Port> ports;  ///< every list is sorted by name: the order in the file means nothing
    std::vector<Pool> pools;
    std::vector<Group> groups;
    std::optional<Pair> pair;
    std::vector<Vip> vips;

    friend bool operator==(const Config&, const Config&) = default;
};

}  // namespace tandem::conf
