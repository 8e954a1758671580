// What replication needs of two instances, each with one worker's flows, and a wire between them.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dataplane/pair/replication.h"
#include "tests/unit/tables/table_for_test.h"

namespace tandem::pair {

inline constexpr std::uint64_t kSharedPool = 10;
inline constexpr tables::Domain kSharedDomain = 2;
inline constexpr tables::SlotTableId kSharedTable{.pool = kSharedPool, .domain = kSharedDomain};
inline constexpr std::uint64_t kSharedKey = 77;
inline constexpr CoarseTime kHoldOfSides = 1000;

/// One instance. Backends are told apart by which they are, whatever number they have here.
struct Side {
    explicit Side(std::vector<std::uint8_t> backends, const StreamLimits& limits = {})
        : which(std::move(backends)),
          replication({.limits = limits, .remembering = 900}, slots, peers, journals,
                      [](std::uint64_t, std::uint32_t) { return CoarseTime{0}; }) {
        table->keep_journal(identities, journal);
        slots.keep_only(std::vector{kSharedTable});
        slots.set_hold(kSharedTable, kHoldOfSides);
    }

    [[nodiscard]] tables::BackendIndex number_of(unsigned backend) const {
        const auto known = std::ranges::find(which, static_cast<std::uint8_t>(backend));
        return static_cast<tables::BackendIndex>(known - which.begin() + 1);
    }
    /// 0: none; what is no backend's number is itself.
    [[nodiscard]] unsigned which_is(std::uint16_t number) const {
        if (number == tables::kNoBackend) return 0;
        return number <= which.size() ? which[number - 1U] : number;
    }
    /// After each change of backends or slots, as the main core does it.
    void plan(std::uint64_t key = kSharedKey) {
        std::vector<ToldBackend> backends(1);
        for (const std::uint8_t backend : which) {
            backends.push_back({.number = 0,
                                .pool = kSharedPool,
                                .address = IpAddress::from_v4({10, 0, 0, backend}),
                                .port = 80});
        }
        verdicts.resize(backends.size(), tables::HealthState::kUp);
        replication.set_plan(std::move(backends), verdicts, key);
    }
    /// Which backends own the slots.
    void own(const std::vector<unsigned>& owners, CoarseTime now) {
        std::vector<tables::BackendIndex> numbers;
        for (const unsigned owner : owners) numbers.push_back(number_of(owner));
        slots.update(kSharedTable, numbers, now);
        plan();
    }
    void answer_for_all(CoarseTime now) { replication.set_domains({kSharedDomain}, now); }
    void answer_for_none(CoarseTime now) { replication.set_domains({}, now); }

    static std::uint64_t hash_of(std::uint64_t flow) { return (flow + 1) * 0x9e3779b97f4a7c15; }
    static tables::FlowIdentity identity_of(std::uint64_t flow) {
        return tables::flow_identity((flow + 1) * 0xd1b54a32d192ed03, kSharedDomain);
    }
    bool remember(std::uint64_t flow, unsigned backend, CoarseTime now,
                  tables::FlowState state = tables::FlowState::kEstablished) {
        return table->insert(hash_of(flow), number_of(backend), state, now, identity_of(flow));
    }
    tables::FlowTable::Place find(std::uint64_t flow, CoarseTime now) {
        return table->find(hash_of(flow), now);
    }
    /// Which backend the other one's flow goes to; nullopt: it is not known here.
    [[nodiscard]] std::optional<unsigned> peers_flow(std::uint64_t flow) const {
        const auto known = peers.find(identity_of(flow));
        return known ? std::optional(which_is(known->backend)) : std::nullopt;
    }
    [[nodiscard]] tables::Slot slot(std::size_t index = 0) const {
        return slots.find(kSharedTable)->memory.slots()[index];
    }
    /// Which backends are steady: what this instance would tell of its own table.
    [[nodiscard]] std::vector<unsigned> steady() const {
        return named(slots.find(kSharedTable)->memory.steady().owners);
    }
    /// And as the other one has told; empty: it is not followed.
    [[nodiscard]] std::vector<unsigned> followed() const {
        const auto& told = slots.find(kSharedTable)->peers;
        return told ? named(told->owners) : std::vector<unsigned>{};
    }

    static constexpr std::size_t kFlowBuckets = 256;
    std::vector<std::uint8_t> which;  ///< by number, from 1
    std::vector<tables::HealthState> verdicts;
    tables::SlotTables slots;
    tables::PeerFlows peers{4000};
    tables::TableForTest table{kFlowBuckets};
    std::vector<tables::FlowIdentities> identities =
        std::vector<tables::FlowIdentities>(kFlowBuckets);
    tables::FlowJournal journal;
    std::array<tables::FlowJournal*, 1> journals{&journal};
    Replication replication;

  private:
    [[nodiscard]] std::vector<unsigned> named(const std::vector<std::uint16_t>& numbers) const {
        std::vector<unsigned> backends;
        for (const std::uint16_t number : numbers) backends.push_back(which_is(number));
        return backends;
    }
};

/// Both, and the time.
struct TwoSides {
    explicit TwoSides(const StreamLimits& limits = {}) : a({1, 2, 3, 4}, limits), b({4, 3, 2, 1}) {
        for (Side* side : {&a, &b}) side->own({1, 2, 3, 1}, coarse());
        a.answer_for_all(coarse());
    }

    [[nodiscard]] CoarseTime coarse() const {
        return static_cast<CoarseTime>(
            std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
    }
    void meet(bool is_new = true) {
        for (Side* side : {&a, &b}) {
            side->replication.peer_appears(is_new, coarse());
            side->replication.peer_has_key(kSharedKey);
        }
    }
    void part() {
        a.replication.peer_is_lost(coarse());
        b.replication.peer_is_lost(coarse());
    }
    using IsLost = std::function<bool()>;
    static bool nothing_is_lost() { return false; }

    /// A millisecond: workers answer, both move on, and what they say arrives or not.
    void tick(const IsLost& is_lost = nothing_is_lost) {
        now += std::chrono::milliseconds(1);
        for (Side* side : {&a, &b}) {
            side->table->answer_journal(coarse(), Side::kFlowBuckets / 4);
            side->replication.step(coarse());
        }
        carry(a, b, is_lost);
        carry(b, a, is_lost);
    }
    void run(int ticks, const IsLost& is_lost = nothing_is_lost) {
        for (int i = 0; i < ticks; ++i) tick(is_lost);
    }
    void pass(std::chrono::seconds time) {
        now += time;
        for (Side* side : {&a, &b}) side->replication.settle(coarse());
    }

    Side a;
    Side b;
    Instant now{std::chrono::hours(24)};

  private:
    void carry(Side& from, Side& to, const IsLost& is_lost) const {
        for (int i = 0; i < 20; ++i) {
            const std::optional<Batch> batch = from.replication.next_batch(now);
            if (!batch) break;
            if (!is_lost()) to.replication.take(*batch, coarse());
        }
        const std::optional<Acknowledgement> heard = to.replication.acknowledgement();
        if (heard && !is_lost()) from.replication.take(*heard, now);
    }
};

class TwoSidesTest : public testing::Test {
  protected:
    TwoSides two_;
    Side& a_ = two_.a;
    Side& b_ = two_.b;
};

}  // namespace tandem::pair
