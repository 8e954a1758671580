// What the tables must contain: a function of the configuration, the backends' health (as both
// instances of a pair find it) and the neighbours' MACs. Keeps what is dear to compute again;
// decides nothing by history, but for the indices of backends, which flows refer to.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "conf/config.h"
#include "control/plan/next_hop.h"
#include "control/plan/slot_table.h"
#include "control/plan/table_key.h"
#include "dataplane/base/result.h"
#include "dataplane/net/headers.h"
#include "dataplane/tables/plan.h"
#include "healthcheck/identity.h"

namespace tandem::plan {

/// A plan generation as ordinary vectors.
struct PlanContent {
    tables::PlanHead head;
    std::vector<tables::PlanVip> vips;
    std::vector<tables::PlanPool> pools;                ///< without the blocks of their slots
    std::vector<std::shared_ptr<const Owners>> owners;  ///< by pool
    std::vector<tables::PlanBackend> backends{1};
    std::vector<tables::PlanNextHop> next_hops{1};
    std::vector<tables::PlanGroup> groups;
};

/// Of two instances that check a backend one notices at most so much later than the other one what
/// has become of it, and knows that of the other one.
[[nodiscard]] std::chrono::milliseconds apart_max(const conf::Check& check);

/// What one pool's table did in make().
struct Moved {
    std::string pool;
    std::size_t slots = 0;
    std::size_t slots_moved = 0;
    std::size_t backends = 0;
    std::size_t serving = 0;
};

/// A neighbour by the index of its port.
using Neighbour = std::pair<std::uint8_t, IpAddress>;

/// Whose word holds of a backend. States are kUnused where nothing is said.
struct Verdicts {
    tables::HealthState ours = tables::HealthState::kChecking;
    tables::HealthState peers = tables::HealthState::kUnused;
    tables::HealthState holds = tables::HealthState::kChecking;
    bool is_disputed = false;

    friend bool operator==(const Verdicts&, const Verdicts&) = default;
};

/// The verdicts on a backend are others than before.
struct Ruling {
    health::Identity backend;
    Verdicts before;
    Verdicts now;
};

class Planner {
  public:
    explicit Planner(const TableKey& key) : key_(key), hash_(key.key) {}
    Planner(const Planner&) = delete;  // it refers to itself
    Planner& operator=(const Planner&) = delete;

    /// Continues what an earlier process published: its key, revision, indices, health and slots,
    /// `owners` by pool. To be called before anything else.
    void read_back(const tables::PlanView& plan, std::vector<Owners> owners);

    /// Takes this key instead of its own: all tables are made anew.
    void adopt(const TableKey& key);

    /// Errors: more backends than there are indices. Nothing has changed then.
    Status apply(const conf::Config& config);
    /// By the checks of this instance. Ignored if the backend is not configured (any more).
    void set_health(const health::Identity& backend, tables::HealthState health);
    /// By those of the other instance, by BackendIndex; empty: it is not heard.
    void set_peer_health(std::span<const tables::HealthState> verdicts);
    /// Settles what holds of every backend. Returns those for which it, or what we say, is not as
    /// it was. make() does the same, but tells nobody.
    std::vector<Ruling> agree();
    /// So much of its weight, 1 to 100, for the time being: slow start. Ignored as above.
    void set_weight_percent(const health::Identity& backend, std::uint16_t percent);
    /// True: they are others, and of some of their neighbours what was known is not any more.
    bool set_ports(std::vector<PortAddresses> ports);
    /// True if that was new. A MAC once known is kept until there is another: an answer that fails
    /// to come is for the health check to judge.
    bool set_mac(const Neighbour& neighbour, const Mac& mac);

    /// Of one of gateways(), which answers until something else is said. True if that was new.
    bool set_gateway(const Neighbour& gateway, tables::GatewayState state);

    /// Every neighbour that a backend, or another instance, is reached over, and gateways().
    [[nodiscard]] std::vector<Neighbour> neighbours() const;
    /// Those that groups follow.
    [[nodiscard]] std::vector<Neighbour> gateways() const;
    /// The groups that follow this one.
    [[nodiscard]] std::vector<std::string> followers(const Neighbour& gateway) const;
    /// Backends without a port that leads to them.
    [[nodiscard]] std::vector<health::Identity> unreachable() const;
    /// Groups with IPv4 VIPs whose port has no IPv4 address to advertise them from.
    [[nodiscard]] std::vector<std::string> speechless() const;
    /// kNoBackend if it is not configured.
    [[nodiscard]] tables::BackendIndex index_of(const health::Identity& backend) const;
    /// By the checks of this instance; kUnused if it is not configured.
    [[nodiscard]] tables::HealthState health(const health::Identity& backend) const;
    /// As of the last agree(); all kUnused if it is not configured.
    [[nodiscard]] Verdicts verdicts(const health::Identity& backend) const;
    [[nodiscard]] std::vector<health::Identity> disputed() const;
    [[nodiscard]] const TableKey& key() const { return key_; }

    /// The tables as of now, and which pools' slots have changed their owners since the last call.
    std::pair<PlanContent, std::vector<Moved>> make();

  private:
    struct Backend {
        tables::BackendIndex index = tables::kNoBackend;
        tables::HealthState ours = tables::HealthState::kChecking;
        tables::HealthState peers = tables::HealthState::kUnused;
        Verdicts settled;  ///< as of the last agree()
        std::uint16_t weight_percent = 100;
    };

    /// One backend of config_, with what else is known of it.
    struct Configured {
        std::uint16_t pool;
        const conf::Backend* backend;
        Backend* known;
    };
    /// What of a plan does not depend on health.
    struct Standing {
        std::vector<tables::PlanBackend> backends;
        std::vector<tables::PlanNextHop> next_hops;
    };

    [[nodiscard]] static bool serves_flows(const conf::Pool& pool, const Backend& backend);
    void configure_table(const conf::Pool& pool);
    void renumber(const std::vector<PortAddresses>& ports);
    [[nodiscard]] Standing standing() const;
    void add_backends(PlanContent& content, const std::vector<std::uint16_t>& weights);
    void add_pools(PlanContent& content, const std::vector<std::uint16_t>& weights,
                   std::vector<Moved>& moved);
    void add_vips(PlanContent& content) const;
    void add_groups(PlanContent& content) const;
    [[nodiscard]] const PortAddresses* port_of(const conf::Group& group) const;
    void note_ports_of_groups();
    [[nodiscard]] std::vector<Neighbour> gateways_of(const conf::Group& group) const;
    [[nodiscard]] std::optional<Neighbour> way_to_peer(const conf::Group& group,
                                                       const IpAddress& peer) const;
    [[nodiscard]] std::vector<std::uint16_t> weights() const;

    TableKey key_;
    KeyedHash hash_;
    conf::Config config_;
    std::uint64_t revision_ = 0;
    std::map<health::Identity, Backend> backends_;
    std::vector<Configured> configured_;       ///< in the order of config_
    std::optional<Standing> standing_;         ///< nullopt: to be made anew
    bool is_settled_ = false;                  ///< nothing was said since the last agree()
    std::map<std::string, SlotTable> tables_;  ///< by pool
    std::vector<PortAddresses> ports_;
    std::map<std::string, std::string> former_ports_;  ///< of groups, before the last change
    std::map<Neighbour, Mac> macs_;
    std::map<Neighbour, tables::GatewayState> gateways_;
};

}  // namespace tandem::plan
