// What two instances share of their tables. Drives pair/replication.h by plans and roles, and
// passes on to control what the peer says that control goes by.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/pair/replication.h"
#include "dataplane/pair/routers.h"
#include "dataplane/pipeline/pick.h"
#include "dataplane/tables/flow_journal.h"
#include "dataplane/tables/flow_memory.h"
#include "dataplane/tables/live.h"
#include "dataplane/tables/peer_flows.h"
#include "dataplane/tables/plan.h"
#include "dataplane/tables/slot_tables.h"

namespace tandem {

class PairedTables {
  public:
    /// Room for as many flows of the peer's as this instance's own.
    PairedTables(tables::FlowMemory& flows, tables::LiveFixed& fixed);

    [[nodiscard]] pipeline::PairedFlows of_worker(std::size_t worker) {
        return {.peers = &peer_flows_, .journal = &journals_[worker]};
    }
    /// Before anything else: whose slots these are.
    void begin(tables::SlotTables& slots, CoarseTime remembering);

    /// After each merge. `numbers`: of groups, as Roles has them.
    void follow_plan(const tables::PlanView& plan, const pair::Routers::Numbers& numbers);
    /// True: workers are to see other slots, and at once. `meanwhile` is called between tables.
    bool follow_roles(
        CoarseTime now, const std::function<void()>& meanwhile = [] {});
    /// True: workers are to see other slots.
    bool step(CoarseTime now);
    bool settle(CoarseTime now) { return replication_->settle(now); }
    /// To be offered to a peer that has another.
    [[nodiscard]] const pair::OfferedKey& key() const { return key_; }
    /// What the peer offers, for control to decide about; `peer_answers`: for VIPs of some group.
    void note_key(const pair::OfferedKey& offered, bool peer_answers);
    /// Whether this instance answers for VIPs of some group.
    [[nodiscard]] bool answers() const { return replication_->answers(); }

    /// Groups (tables::name_id) whose VIPs have nobody to serve here by this instance's checks, and
    /// somebody by the peer's, for longer than these may be late. Often.
    std::vector<std::uint64_t> empty_groups(Instant now);
    /// The same by the last call, but for however short.
    [[nodiscard]] std::vector<std::uint64_t> perhaps_empty_groups() const;
    [[nodiscard]] pair::Replication& replication() { return *replication_; }
    [[nodiscard]] std::size_t peers_flows() const { return peer_flows_.count(); }
    [[nodiscard]] std::uint32_t peers_flows_of(tables::BackendIndex backend) const;

  private:
    struct Share {
        tables::Domain domain;
        std::uint8_t group;  ///< Roles' number
        bool is_v4;
    };

    struct Behind {
        std::uint64_t group;
        Duration checks_apart;
        std::vector<tables::BackendIndex> backends;  ///< of its VIPs' pools
        bool is_empty;                               ///< none of them is up here
    };

    void follow_groups(const tables::PlanView& plan);
    bool knows_verdicts();
    void show_views();

    tables::FlowMemory* flows_;
    tables::LiveFixed* fixed_;
    tables::PeerFlows peer_flows_;
    std::deque<tables::FlowJournal> journals_;
    std::optional<pair::Replication> replication_;
    std::vector<Share> shares_;
    std::vector<Behind> behind_;
    std::map<std::uint64_t, Instant> empty_since_;  ///< here alone, by group
    pair::OfferedKey key_;
    std::uint64_t shown_ = 0;  ///< revision of the verdicts
    bool knows_verdicts_ = false;
    bool are_known_ = false;  ///< as control has been told
    bool key_is_new_ = false;
};

}  // namespace tandem
