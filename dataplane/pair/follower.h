// What the other instance has told (record.h), as this one needs it to go on for it: by this
// instance's numbers of backends. Pure but for the flows, which workers look up meanwhile.
//
// A telling replaces the one before it when all of it has come, not earlier: what a peer that died
// had told stays good until then, and its flows stay for as long as a flow can be silent.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

#include "dataplane/base/time.h"
#include "dataplane/net/address.h"
#include "dataplane/pair/record.h"
#include "dataplane/tables/peer_flows.h"
#include "dataplane/tables/slot_tables.h"

namespace tandem::pair {

class Follower {
  public:
    explicit Follower(tables::PeerFlows& flows) : flows_(&flows) { old_since_.fill(0); }

    /// This instance's backends, by index; those without an address are none.
    void set_backends(std::span<const ToldBackend> own);

    /// The peer begins another telling.
    void begin(CoarseTime now);
    /// The next record of it.
    void take(const Told& told);
    /// The peer lives no longer, or does again and goes on with the telling.
    void set_alive(bool is_alive, CoarseTime now);
    /// The peer has been restarted: what it said before is not shown again.
    void forget_verdicts();

    /// All of the telling has come.
    [[nodiscard]] bool is_caught_up() const {
        return is_caught_up_ && !has_lost_ && !wants_telling_;
    }
    /// Something did not fit: what the peer tells is not all known here.
    [[nodiscard]] bool has_lost() const { return has_lost_; }
    /// Whether that table was told in this telling, or in one before it if it is not whole yet.
    [[nodiscard]] bool has(const tables::SlotTableId& id) const { return tables_.contains(id); }
    /// Whether tables of that domain were told in this telling.
    [[nodiscard]] bool is_told(tables::Domain domain) const {
        return std::ranges::any_of(tables_, [&](const auto& entry) {
            return entry.first.domain == domain && !entry.second.is_by_own_numbers;
        });
    }
    [[nodiscard]] std::vector<tables::SlotTableId> tables() const;
    /// By own numbers; of a table that has().
    [[nodiscard]] tables::SlotMemory::Steady steady(const tables::SlotTableId& id) const;
    /// Of which slots, of so many, the peer may remember flows: of none of a table it has not told.
    [[nodiscard]] std::vector<bool> slots_with_flows(const tables::SlotTableId& id,
                                                     std::size_t slot_count) const;
    /// Tables that steady() says something new of since the last call.
    std::vector<tables::SlotTableId> take_changed();
    /// This instance answers for these, sorted: what the peer says of them is ignored, and what it
    /// has said of tables forgotten. Of flows it stays: they may be this instance's by now.
    void ignore(std::vector<tables::Domain> domains);
    /// Something was ignored that is not to be any more, or is not what the peer says it comes to:
    /// the peer has to tell it once more.
    [[nodiscard]] bool wants_telling() const { return wants_telling_; }
    /// How often a table was not what the peer said that it comes to.
    [[nodiscard]] std::uint64_t differences() const { return differences_; }

    /// What the peer's checks find, by own numbers.
    [[nodiscard]] std::span<const tables::HealthState> verdicts() const { return verdicts_; }
    /// Grows when verdicts() changes.
    [[nodiscard]] std::uint64_t verdict_revision() const { return verdict_revision_; }

    /// `is_old`: its telling has counted no more for as long as a flow may be silent.
    using IsOver =
        std::function<bool(tables::FlowIdentity, const tables::PeerFlows::Flow&, bool is_old)>;
    using OnGone = std::function<void(tables::FlowIdentity)>;
    /// Takes away flows that are over (by default: old), and says so: in the next `buckets`, until
    /// it has been through all of them in this second. True: now it has.
    bool sweep(CoarseTime now, CoarseTime remembering, std::size_t buckets,
               const IsOver& is_over = {}, const OnGone& on_gone = {});
    /// Of each own backend how many flows of the peer's there are; counted by the last whole sweep.
    [[nodiscard]] std::span<const std::uint32_t> flows_by_backend() const { return counted_; }

  private:
    struct Table {
        std::uint32_t slot_count = 0;
        tables::SlotMemory::Steady steady;
        bool is_by_own_numbers = false;  ///< it is of a telling before this one
        std::vector<bool> has_flows{};   ///< by slot
    };
    struct Sees;  ///< the effect of each kind of record
    using Identity = std::tuple<std::uint64_t, IpAddress, std::uint16_t>;

    static Identity identity_of(const ToldBackend& backend) {
        return {backend.pool, backend.address, backend.port};
    }

    [[nodiscard]] bool ignores(tables::Domain domain);
    [[nodiscard]] tables::BackendIndex own_number(tables::BackendIndex peers) const;
    void translate(tables::SlotMemory::Steady& steady) const;
    void map_backends();
    void map_verdicts();
    void note_flow(const ToldFlow& told);
    void note_slot(tables::FlowIdentity identity, tables::BackendIndex peers);
    void all_told();

    tables::PeerFlows* flows_;
    std::vector<ToldBackend> own_;
    std::map<Identity, tables::BackendIndex> own_numbers_;
    std::vector<ToldBackend> peers_;            ///< by the peer's numbers
    std::vector<tables::BackendIndex> to_own_;  ///< likewise
    std::vector<tables::HealthState> peers_verdicts_;
    std::vector<tables::HealthState> verdicts_;  ///< none while the peer is not heard
    bool is_alive_ = true;
    std::uint64_t verdict_revision_ = 0;
    std::map<tables::SlotTableId, Table> tables_;
    std::map<tables::SlotTableId, Table> incoming_;  ///< of a telling that is not whole yet
    std::optional<tables::SlotTableId> filling_;
    std::vector<tables::SlotTableId> changed_;
    std::uint8_t serial_ = 0;
    std::array<CoarseTime, 256> old_since_;  ///< by serial of tellings; 0: it counts
    bool is_caught_up_ = false;
    bool has_lost_ = false;
    std::vector<tables::Domain> ignored_;
    bool has_ignored_ = false;  ///< something of this telling
    bool wants_telling_ = false;
    std::uint64_t differences_ = 0;
    bool has_flows_ = false;  ///< of this telling
    std::size_t swept_ = 0;
    std::optional<CoarseTime> sweep_began_;
    std::vector<std::uint32_t> counting_;
    std::vector<std::uint32_t> counted_;
};

}  // namespace tandem::pair
