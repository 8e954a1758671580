// Two machines, the network between them and clients around them, under one virtual clock; all that
// happens follows from a seed. What is promised is checked after every step (promises.h).
#pragma once

#include <array>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "tests/sim/pair/control.h"
#include "tests/sim/pair/dataplane.h"
#include "tests/sim/pair/flows.h"
#include "tests/sim/pair/network.h"
#include "tests/sim/pair/promises.h"

namespace tandem::sim {

/// What is large, or slow to map: schedules use it one after the other.
struct Workspace {
    std::array<std::array<PerBackendArrays, kWorkersMax>, kInstances> per_backend;
    std::array<tables::PeerFlows, kInstances> peer_flows{tables::PeerFlows(kPeerFlows),
                                                         tables::PeerFlows(kPeerFlows)};
};

class World {
  public:
    World(std::uint64_t seed, bool traces, Workspace& workspace, Counts& counts);

    /// False: a promise was broken; trouble() says which.
    bool run();
    [[nodiscard]] const std::string& trouble() const { return trouble_; }

  private:
    enum class Kind : std::uint8_t {
        kStep,
        kControl,
        kPublish,
        kFrame,
        kDatagram,
        kClaim,  ///< switches learn who has a group
        kFlow,
        kVerdict,
        kRestart,
        kWorkersGoOn,
        kGoOn,
        kReload,
    };
    struct Event {
        Instant at;
        std::uint64_t order;
        Kind kind;
        std::uint8_t instance = 0;
        std::uint32_t subject = 0;
        std::uint32_t detail = 0;

        friend bool operator>(const Event& a, const Event& b) {
            return std::pair(a.at, a.order) > std::pair(b.at, b.order);
        }
    };
    struct Machine {
        Workers memory;
        LiveTables live;
        std::optional<Control> control;
        std::shared_ptr<const Plan> plan;
        std::optional<Dataplane> dataplane;
        std::vector<tables::HealthState> peers_verdicts;  ///< as control has seen them
        bool publish_is_due = false;
        bool is_paused = false;
        bool is_leaving = false;    ///< told to stop: hands off what it has
        bool is_stopping = false;   ///< has given up what it had
        std::uint32_t outages = 0;  ///< what was to happen in an earlier one does not
        std::array<bool, kBackends> seems_down{};
        std::vector<ClientPacket> nic;  ///< packets that no worker has looked at
        /// Its own, and the other one's, when that was last told all.
        std::array<std::shared_ptr<const Plan>, kInstances> plans_at_commit{};
    };

    template <class... Arguments>
    void trace(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        if (!traces_) return;
        fmt::print("{:10.3f} ms  ", static_cast<double>(now_.time_since_epoch().count()) / 1e6);
        fmt::print(format, std::forward<Arguments>(arguments)...);
        fmt::print("\n");
    }
    void broken(std::string promise);
    [[nodiscard]] bool is_broken() const { return !trouble_.empty(); }
    void at(Duration delay, Kind kind, std::size_t instance, std::uint32_t subject = 0,
            std::uint32_t detail = 0);

    void advance(Duration span);
    void happen(const Event& event);

    // world.cpp: machines
    void boot(std::size_t i);
    void start(std::size_t i);
    void kill(std::size_t i, bool all);
    void pause(std::size_t i);
    void go_on(std::size_t i);
    void workers_go_on(std::size_t i);
    void step(std::size_t i);
    void stop(std::size_t i);
    void carry(std::size_t i);
    void note_changes(std::size_t i);
    void note_commits(std::size_t i);
    void count_tellings(const Dataplane& dataplane);
    void look(std::size_t i);
    void publish(std::size_t i);
    void want_publish(std::size_t i);
    [[nodiscard]] bool runs(std::size_t i) const {
        return machines_[i].dataplane && !machines_[i].is_paused;
    }
    [[nodiscard]] Judge::Machines dataplanes() const;
    [[nodiscard]] Promises::Seen seen() const;

    // disturbances.cpp
    void disturb();
    void disturb_machine(std::size_t i);
    void order();
    void take_back();
    void disturb_network();
    void disturb_backends(std::size_t i);
    void heal();
    void reload(std::size_t i);
    void set_verdict(std::size_t i, BackendId backend);

    // clients.cpp
    void send_next(std::size_t flow);
    void open(Flow& flow);
    void send(std::size_t flow, const tables::FlowSignal& signal);
    void arrive(const ClientPacket& packet, std::size_t i);
    [[nodiscard]] std::size_t target_of(const Flow& flow);

    Random random_;
    Random extras_;
    bool traces_;
    Workspace* workspace_;
    Counts* counts_;
    Shape shape_;
    Instant now_;
    std::string trouble_;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
    std::uint64_t order_ = 0;
    std::uint64_t lives_ = 0;

    std::array<Machine, kInstances> machines_;
    Setting wanted_;  ///< the operator's
    std::array<bool, kBackends> is_dead_{};
    Link lan_;
    Link channel_;
    std::vector<std::vector<std::uint8_t>> frames_;
    std::vector<std::uint32_t> free_frames_;
    std::vector<Datagram> datagrams_;
    std::vector<std::uint32_t> free_datagrams_;
    std::array<std::size_t, kGroupsMax> holder_{};  ///< where packets go
    std::array<std::size_t, kGroupsMax> former_{};
    std::array<Instant, kGroupsMax> moved_at_{};
    std::vector<Flow> flows_;
    std::uint64_t keys_ = 0;
    std::optional<Judge> judge_;
    std::optional<Promises> promises_;
};

}  // namespace tandem::sim
