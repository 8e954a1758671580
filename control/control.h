// The control process as a whole: configuration, health, neighbours and the dataplane come together
// here, and each change of one of them becomes one published plan.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "conf/config.h"
#include "control/admin.h"
#include "control/dataplane_link.h"
#include "control/neighbour.h"
#include "control/peer_watch.h"
#include "control/plan/gateways.h"
#include "control/plan/planner.h"
#include "control/plan/self_suspicion.h"
#include "dataplane/base/result.h"
#include "dataplane/base/time.h"
#include "healthcheck/checker.h"

namespace tandem {

class Control {
  public:
    /// `ask_to_stop` is called with the reason when going on makes no sense.
    Control(boost::asio::io_context& io, std::string path, conf::Config config,
            const plan::TableKey& hash_key, std::function<void(const std::string&)> ask_to_stop);
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;

    /// Errors: netlink cannot be used.
    Status start();
    /// Ends every activity; the tables stay as they are. What is under way learns of it when the
    /// context runs on, which is to be before this is destroyed.
    void stop();
    /// Reads the file again. A bad one changes nothing.
    void reload();

  private:
    struct Drain {
        bool is_safe = false;        ///< to remove the backend
        CoarseTime reported_at = 0;  ///< by the dataplane's clock
    };

    void on_connected(bool is_other);
    void begin_with(const PlanRegion& region);
    void apply_config();
    void apply_checks();
    void on_health(const health::Change& change);
    void request_publish();
    void publish();
    [[nodiscard]] bool awaits_first_results(Instant now) const;
    void keep_house();
    void watch_drains();
    [[nodiscard]] const conf::Pool* pool_of(const health::Identity& backend) const;
    [[nodiscard]] std::chrono::milliseconds slow_start_of(const health::Identity& backend) const;
    void continue_slow_starts(Instant now);

    // control_ports.cpp
    void read_ports();
    const conf::Port& running_port(const tables::PortInfo& info);
    void add_to_twin(const tables::PortInfo& info, int ifindex, const conf::Port& port);
    void watch_neighbours();
    void on_neighbour(const KernelNeighbour& neighbour);
    void look_at_gateways(Instant now);

    // control_pair.cpp
    void watch_peer();
    void look_at_peer();
    void adopt_key(const plan::TableKey& key);
    bool settle_health();
    void on_ruling(const plan::Ruling& ruling);
    void judge_self(Instant now);
    void hand_off(const std::string& pool);
    void on_request(const admin::Request& request, const admin::Server::Respond& respond);
    [[nodiscard]] std::string wrong_with(const admin::Request& request) const;
    [[nodiscard]] admin::Answer describe_peer();

    boost::asio::io_context& io_;
    boost::asio::steady_timer house_timer_;
    std::string path_;
    conf::Config config_;
    std::function<void(const std::string&)> ask_to_stop_;
    DataplaneLink link_;
    std::unique_ptr<NeighbourWatch> neighbours_;
    plan::Planner planner_;
    health::Checker checker_;
    boost::asio::steady_timer peer_timer_;
    PeerWatch peer_;
    plan::SelfSuspicion self_suspicion_;
    admin::Server admin_;
    plan::Gateways gateways_;
    std::set<std::uint8_t> silent_ports_;              ///< by a control process before this one
    std::map<std::string, conf::Port> running_ports_;  ///< by name, as they were configured last
    std::map<int, std::uint8_t> port_of_netdev_;       ///< by the netdev's index
    std::map<int, std::vector<Prefix>> kernel_addresses_;  ///< likewise, as they were read last
    bool is_stopped_ = false;
    bool has_begun_ = false;                           ///< the first dataplane has come
    std::optional<Instant> cold_since_;                ///< nothing was ever published, nor is yet
    std::map<health::Identity, Drain> drains_;         ///< backends that drain
    std::map<health::Identity, Instant> slow_starts_;  ///< since when
    Instant slow_step_at_;
    bool publish_is_due_ = false;
    bool dataplane_is_stalled_ = false;
    std::string last_trouble_;
};

}  // namespace tandem
