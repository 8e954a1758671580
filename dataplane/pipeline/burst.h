// The unit of work: up to 32 packets that travel the stages together on one worker.
//
// Every packet leaves with exactly one Verdict, and every verdict is a counter, so for each worker
// received = sum of verdicts. Stages never free a packet: release() does, once, by its verdict.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/base/check.h"
#include "dataplane/net/parse.h"
#include "dataplane/net/verdict.h"
#include "dataplane/tables/plan.h"
#include "dataplane/tables/vip_table.h"

struct rte_mbuf;

namespace tandem::pipeline {

struct Packet {
    rte_mbuf* mbuf;
    ParsedPacket parsed;
    std::uint64_t hash;            ///< of the flow, keyed; set by pick
    std::uint16_t vip;             ///< set by classify
    std::uint16_t pool;            ///< set by classify
    tables::BackendIndex backend;  ///< set by pick
    std::uint8_t out_port;         ///< set by forward or answer
    bool is_stateless;             ///< no flow is remembered; set by classify
    Verdict sent_as;               ///< what it counts as once the port has taken it
};

struct Departed {
    rte_mbuf* mbuf;  ///< nullptr: given to a port, no longer ours
    Verdict verdict;
};

class Burst {
  public:
    static constexpr std::uint16_t kCapacity = 32;

    /// Begins anew with what arrived on `in_port`.
    void reset(std::uint8_t in_port) {
        in_port_ = in_port;
        count_ = 0;
        departed_count_ = 0;
    }
    [[nodiscard]] std::uint8_t in_port() const { return in_port_; }

    [[nodiscard]] std::span<Packet> packets() { return {packets_.data(), count_}; }
    [[nodiscard]] std::span<Departed> departed() { return {departed_.data(), departed_count_}; }
    [[nodiscard]] bool empty() const { return count_ == 0; }

    void add(rte_mbuf* mbuf) {
        DCHECK(count_ < kCapacity);
        packets_[count_++].mbuf = mbuf;
    }

    /// Asks `decide` about every packet: std::nullopt-like `true` keeps it, in order; a verdict
    /// sees it off. Packets leave a burst here, in depart_sent() and in depart_all() only.
    template <class Decide>
    void advance(Decide&& decide) {
        // Locals: what `decide` writes might be our own fields, for all the compiler knows.
        const unsigned count = count_;
        unsigned kept = 0;
        for (unsigned i = 0; i < count; ++i) {
            const Decision decision = decide(packets_[i]);
            if (decision.stays) {
                if (kept != i) packets_[kept] = packets_[i];
                ++kept;
            } else {
                departed_[departed_count_++] = {packets_[i].mbuf, decision.verdict};
            }
        }
        count_ = static_cast<std::uint16_t>(kept);
    }

    /// What a stage decides about one packet.
    struct Decision {
        bool stays;
        Verdict verdict;
        Decision(Verdict left) : stays(false), verdict(left) {}

      private:
        friend class Burst;
        Decision() : stays(true), verdict{} {}
    };
    static Decision stay() { return {}; }

    /// Everything that is still here was taken by its port and counts as what it was sent as.
    void depart_sent() {
        const unsigned count = count_;
        Departed* at = departed_.data() + departed_count_;
        for (unsigned i = 0; i < count; ++i) at[i] = {nullptr, packets_[i].sent_as};
        departed_count_ = static_cast<std::uint16_t>(departed_count_ + count);
        count_ = 0;
    }

    /// Everything that is still here leaves with one verdict.
    void depart_all(Verdict verdict) {
        advance([&](Packet&) { return Decision(verdict); });
    }

  private:
    std::array<Packet, kCapacity> packets_;
    std::array<Departed, kCapacity> departed_;
    std::uint16_t count_ = 0;
    std::uint16_t departed_count_ = 0;
    std::uint8_t in_port_ = 0;
};

}  // namespace tandem::pipeline
