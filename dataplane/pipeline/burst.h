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
#include "dataplane/tables/live.h"
#include "dataplane/tables/plan.h"
#include "dataplane/tables/track.h"
#include "dataplane/tables/vip_table.h"

struct rte_mbuf;

namespace tandem::pipeline {

struct Packet {
    rte_mbuf* mbuf;
    ParsedPacket parsed;
    std::uint64_t hash;            ///< of the flow, keyed; set by pick
    const tables::Slot* slot;      ///< set by pick
    tables::FlowSought flow;       ///< set by pick if the flow table has to be asked
    std::uint16_t vip;             ///< set by classify
    std::uint16_t pool;            ///< set by classify
    tables::BackendIndex backend;  ///< set by pick
    std::uint8_t group;            ///< of the VIP; set by classify if the packet is no flow's
    std::uint8_t out_port;         ///< set by forward
    bool is_stateless;             ///< no flow is remembered; set by classify
    bool needs_memory;             ///< the flow table has to be asked; set by pick
};

struct Departed {
    rte_mbuf* mbuf;  ///< nullptr: given to a port, no longer ours
    Verdict verdict;

    /// Whether it is to go out by the port that the burst came from, and has not yet.
    [[nodiscard]] bool is_unsent_answer() const {
        return verdict == Verdict::kAnswered && mbuf != nullptr;
    }
};

class Burst {
  public:
    static constexpr std::uint16_t kCapacity = 32;

    /// Begins anew with what arrived on `in_port`.
    void reset(std::uint8_t in_port) {
        in_port_ = in_port;
        count_ = 0;
        departed_count_ = 0;
        forwarded_count_ = 0;
    }
    [[nodiscard]] std::uint8_t in_port() const { return in_port_; }

    [[nodiscard]] std::span<Packet> packets() { return {packets_.data(), count_}; }
    [[nodiscard]] std::span<Departed> departed() { return {departed_.data(), departed_count_}; }
    /// Packets that left with a burst that a port took as a whole, besides departed().
    [[nodiscard]] std::uint16_t forwarded_count() const { return forwarded_count_; }
    [[nodiscard]] bool empty() const { return count_ == 0; }

    void add(rte_mbuf* mbuf) { add(std::span(&mbuf, 1)); }
    void add(std::span<rte_mbuf* const> mbufs) {
        DCHECK(count_ + mbufs.size() <= kCapacity);
        Packet* at = packets_.data() + count_;
        for (rte_mbuf* mbuf : mbufs) (at++)->mbuf = mbuf;
        count_ = static_cast<std::uint16_t>(count_ + mbufs.size());
    }

    /// Asks `decide` about every packet: stay() keeps it, in order; a verdict sees it off. Packets
    /// leave a burst here, in depart_forwarded() and in depart_all() only.
    template <class Decide>
    void advance(Decide&& decide) {
        // Locals: what `decide` writes might be our own fields, for all the compiler knows.
        Packet* const first = packets_.data();
        Packet* const end = first + count_;
        std::uint32_t leaving = 0;  // a bit a packet
        for (Packet* packet = first; packet != end; ++packet) {
            const Decision decision = decide(*packet);
            if (decision.verdict_ == Decision::kStays) [[likely]]
                continue;
            departed_[departed_count_++] = {packet->mbuf, static_cast<Verdict>(decision.verdict_)};
            leaving |= std::uint32_t{1} << (packet - first);
        }
        if (leaving != 0) [[unlikely]]
            close_gaps(leaving);
    }

    /// What a stage decides about one packet.
    struct Decision {
        Decision(Verdict left) : verdict_(static_cast<unsigned>(left)) {}

      private:
        friend class Burst;
        static constexpr unsigned kStays = kVerdictCount;
        Decision() : verdict_(kStays) {}
        unsigned verdict_;
    };
    static Decision stay() { return {}; }

    /// Everything that is still here was taken by its port.
    void depart_forwarded() {
        forwarded_count_ = static_cast<std::uint16_t>(forwarded_count_ + count_);
        count_ = 0;
    }

    /// Everything that is still here leaves with one verdict, answers that no port has included.
    void depart_all(Verdict verdict) {
        for (Departed& each : departed()) {
            if (each.is_unsent_answer()) each.verdict = verdict;
        }
        advance([&](Packet&) { return Decision(verdict); });
    }

  private:
    /// Those whose bits are set are no longer here.
    void close_gaps(std::uint32_t leaving) {
        unsigned kept = 0;
        for (unsigned i = 0; i < count_; ++i) {
            if ((leaving >> i & 1U) != 0) continue;
            if (kept != i) packets_[kept] = packets_[i];
            ++kept;
        }
        count_ = static_cast<std::uint16_t>(kept);
    }

    std::array<Packet, kCapacity> packets_;
    std::array<Departed, kCapacity> departed_;
    std::uint16_t count_ = 0;
    std::uint16_t departed_count_ = 0;
    std::uint16_t forwarded_count_ = 0;
    std::uint8_t in_port_ = 0;
};
static_assert(Burst::kCapacity <= 32, "a bit a packet");

}  // namespace tandem::pipeline
