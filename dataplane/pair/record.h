// What instances tell each other over the stream (stream.h), record by record.
//
// A telling is one epoch of the stream. First the backends, by the teller's numbers, and the tables
// of slots that it answers for with all their steady owners; then what its checks find, and the
// flows that it remembers; then kAllTold. From then on what changes: a transition's end before it
// takes effect, flows once they are established; and now and then what all of a table comes to.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "dataplane/net/address.h"
#include "dataplane/pair/stream.h"
#include "dataplane/tables/plan.h"
#include "dataplane/tables/slot_tables.h"

namespace tandem::pair {

/// From now on a number stands for this backend, or for none if it has no address.
struct ToldBackend {
    tables::BackendIndex number = tables::kNoBackend;
    std::uint64_t pool = 0;  ///< tables::name_id
    IpAddress address;
    std::uint16_t port = 0;

    friend bool operator==(const ToldBackend&, const ToldBackend&) = default;
};

/// The teller answers for it; its slots follow, all of them in order.
struct ToldTable {
    tables::SlotTableId id;
    std::uint32_t slot_count = 0;

    friend bool operator==(const ToldTable&, const ToldTable&) = default;
};

/// The next steady owners of the table that was named last.
struct ToldSteady {
    static constexpr std::size_t kMax = 120;
    std::vector<std::uint16_t> owners;

    friend bool operator==(const ToldSteady&, const ToldSteady&) = default;
};

/// More of the earlier owners of the table that was named last.
struct ToldEarlier {
    static constexpr std::size_t kMax = 40;
    std::vector<tables::EarlierOwner> owners;

    friend bool operator==(const ToldEarlier&, const ToldEarlier&) = default;
};

/// Slots of a table get other steady owners. The teller waits until that has been acknowledged.
struct ToldEndings {
    static constexpr std::size_t kMax = 36;
    struct Slot {
        std::uint32_t slot = 0;
        std::uint16_t owner = 0;

        friend bool operator==(const Slot&, const Slot&) = default;
    };
    tables::SlotTableId id;
    std::vector<Slot> slots;

    friend bool operator==(const ToldEndings&, const ToldEndings&) = default;
};

struct ToldVerdict {
    tables::BackendIndex number = tables::kNoBackend;
    tables::HealthState health = tables::HealthState::kUnused;

    friend bool operator==(const ToldVerdict&, const ToldVerdict&) = default;
};

struct ToldFlow {
    tables::FlowIdentity identity = 0;
    tables::BackendIndex backend = tables::kNoBackend;
    tables::FlowState state{};

    friend bool operator==(const ToldFlow&, const ToldFlow&) = default;
};

struct ToldEnd {
    tables::FlowIdentity identity = 0;

    friend bool operator==(const ToldEnd&, const ToldEnd&) = default;
};

struct AllTold {
    friend bool operator==(const AllTold&, const AllTold&) = default;
};

/// What the steady owners of a table that was told come to by now.
struct ToldDigest {
    tables::SlotTableId id;
    std::uint64_t digest = 0;  ///< digest_of() them

    friend bool operator==(const ToldDigest&, const ToldDigest&) = default;
};

using Told = std::variant<ToldBackend, ToldTable, ToldSteady, ToldEarlier, ToldEndings, ToldVerdict,
                          ToldFlow, ToldEnd, AllTold, ToldDigest>;

/// 64-bit FNV-1a (draft-eastlake-fnv), of words of 16 bits.
std::uint64_t digest_of(std::span<const std::uint16_t> owners);

Record encode(const Told& told);
/// nullopt: it is none, or one of a later release.
std::optional<Told> decode_record(std::span<const std::uint8_t> bytes);

}  // namespace tandem::pair
