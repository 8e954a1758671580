// Clients' flows and what is owed to each: the backend that it has, and which of the instances
// could know of it by now.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "tests/sim/pair/counts.h"
#include "tests/sim/pair/dataplane.h"

namespace tandem::sim {

struct Flow {
    enum class State : std::uint8_t { kClosed, kOpening, kEstablished };

    FlowSeen seen;
    bool is_udp = false;
    bool is_quic = false;
    State state = State::kClosed;
    BackendId backend = kNobody;
    std::uint32_t changes = 0;  ///< packets that were on their way before it count no more
    Instant changed_at{};       ///< it was established, or given another backend
    Instant last_at{};          ///< a packet of it at whoever answers for it
    std::array<Instant, kInstances> last_at_instance{};
    std::array<Instant, kInstances>
        taken_at{};             ///< the last takeover that has been counted as kept
    bool was_doubtful = false;  ///< where it was answered for, when that died
    /// By instance why it need not know the flow as it is; kNone: it has to.
    std::array<Excuse, kInstances> unknown{};
};

/// A packet on its way.
struct ClientPacket {
    std::size_t flow = 0;
    std::uint32_t changes = 0;
    FlowSeen seen;
    tables::FlowSignal signal;
};

/// Which instance knows what of the flows of each group, to the exact moment.
class Judge {
  public:
    using Machines = std::array<const Dataplane*, kInstances>;  ///< nullptr: it is not there

    Judge(const Shape& shape, std::vector<Flow>& flows, Counts& counts)
        : shape_(&shape), flows_(&flows), counts_(&counts) {}

    /// It went there. Empty: as it should; else what is wrong with that.
    std::string forwarded(const ClientPacket& packet, std::size_t at, BackendId to,
                          const Dataplane& dataplane, bool is_crowded, Instant now);
    void became_active(std::size_t instance, const RoleChange& change, const Dataplane& dataplane,
                       Instant now);
    void gave_up(std::size_t instance, std::size_t group, const Machines& machines);
    /// Its dataplane ends; with `all`, its machine.
    void died(std::size_t instance, const Machines& machines, bool all);
    /// All that this one knows of the group is known to the other one now.
    void committed(std::size_t from, std::size_t group, const Machines& machines, Instant now);
    /// Its slots have become others, perhaps because the other one has told of it.
    void slots_changed(std::size_t instance, const Machines& machines);
    [[nodiscard]] bool is_behind(std::size_t instance, std::size_t group) const {
        return groups_[group].is_behind[instance];
    }
    /// No longer configured at who answers for its flows: that is their end.
    void removed(std::size_t instance, const Dataplane& dataplane, BackendId backend);
    /// The same, while the instance had no dataplane; that it may be there again does not help.
    void removed_unseen(std::size_t instance, BackendId backend);

  private:
    struct Group {
        std::array<bool, kInstances> is_behind{};  ///< the other one answers, and has not told all
        std::array<bool, kInstances> follows{};    ///< what it knows it was told
        std::array<Instant, kInstances> told_at{};
        std::array<Instant, kInstances> taken_at{};
        std::array<bool, kInstances> is_as_told{};  ///< nothing has happened since it was told all
        std::array<bool, kInstances> is_active{};
    };
    void happens();

    void change(Flow& flow, std::size_t at, bool answers, const Dataplane& dataplane, Instant now);
    void opens_elsewhere(Flow& flow, std::size_t at);
    [[nodiscard]] Excuse excuse_of(const Flow& flow, std::size_t at, bool is_active, bool answers,
                                   Instant now) const;
    void handed_over(std::size_t to, const RoleChange& change, Instant now);
    void forget(std::size_t instance, std::size_t group, Excuse why);
    [[nodiscard]] Duration idle_limit(const Flow& flow) const;

    const Shape* shape_;
    std::vector<Flow>* flows_;
    KeyedHash slot_hash_{kSlotKey};
    Counts* counts_;
    std::array<Group, kGroupsMax> groups_{};
};

}  // namespace tandem::sim
