// What instances say to each other inside the envelope of session.h: heartbeats, and between them
// records of the stream and their acknowledgements. Pure.
//
// A message is a row of fields, each a tag, a length and so many bytes, numbers in network order. A
// reader steps over tags that it does not know, so that a later release may say more; what both are
// to understand is a feature (features.h); what an earlier one must not even read needs another
// version of the envelope.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/net/hash.h"
#include "dataplane/pair/features.h"
#include "dataplane/pair/stream.h"

namespace tandem::pair {

/// The table of one pool, as control has computed it.
struct PoolDigest {
    std::uint64_t pool = 0;  ///< of its name
    std::uint64_t digest = 0;

    friend bool operator==(const PoolDigest&, const PoolDigest&) = default;
};
inline constexpr std::size_t kPoolDigestsMax = 64;  ///< of a message

/// What an instance says of a group of VIPs.
struct GroupClaim {
    std::uint64_t group = 0;  ///< tables::name_id
    std::uint32_t term = 0;   ///< grows with each takeover: of two that claim, the later one has it
    bool is_active = false;

    friend bool operator==(const GroupClaim&, const GroupClaim&) = default;
};
inline constexpr std::size_t kGroupClaimsMax = 12;  ///< of a message

struct Acknowledgement {
    std::uint32_t epoch = 0;
    std::uint64_t next = 0;  ///< everything before it has come

    friend bool operator==(const Acknowledgement&, const Acknowledgement&) = default;
};

/// The key of the table function. Of two that differ the older one is the pair's.
struct OfferedKey {
    HashKey key;
    std::uint64_t born_ms = 0;  ///< Unix time

    friend bool operator==(const OfferedKey&, const OfferedKey&) = default;
};

/// One instance asks the other something of a group, again and again until it knows.
struct Ask {
    enum class Verb : std::uint8_t {
        kTake = 1,      ///< be active, at once
        kGiveBack = 2,  ///< let me be active
        kProbe = 3,     ///< only say whether you are
    };
    Verb verb = Verb::kProbe;
    std::uint32_t id = 0;
    std::uint64_t group = 0;  ///< tables::name_id
    /// Of kTake: not before all of the stream has come that is before this. Epoch 0: at once.
    Acknowledgement told{};

    friend bool operator==(const Ask&, const Ask&) = default;
};

struct Answer {
    enum class Outcome : std::uint8_t {
        kNotActive = 1,
        kActive = 2,
        kNotInStep = 3,  ///< would break flows: it has not caught up, or the asker has not
        kUnfit = 4,      ///< has no such group, or cannot forward
    };
    std::uint32_t id = 0;
    Outcome outcome = Outcome::kNotActive;

    friend bool operator==(const Answer&, const Answer&) = default;
};

struct Heartbeat {
    std::uint64_t plan_generation = 0;
    std::uint64_t config_revision = 0;
    std::uint64_t hash_key_id = 0;  ///< of the key of the table function: digests of others differ
    std::uint64_t digest = 0;       ///< over all pools
    std::uint32_t interval_us = 0;  ///< to the next heartbeat
    bool is_fit = false;            ///< its workers move packets
    bool is_caught_up = false;      ///< it could go on for the reader at once
    bool answers = false;           ///< for VIPs of some group
    bool has_told_all = false;      ///< the reader has acknowledged all that there is to know
    bool wants_telling = false;     ///< it misses something of the epoch that it acknowledges
    bool holds_down = false;        ///< the reader is to take no group back yet (hold_down.h)
    std::optional<Features> features;  ///< nullopt: of a release before there were any
    /// Some of them, in turn; none beside a batch, there is no room for both.
    std::vector<PoolDigest> pools;
    std::vector<GroupClaim> claims{};  ///< likewise

    friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};

struct Message {
    std::optional<Heartbeat> heartbeat;
    /// For a reader that has another.
    std::optional<OfferedKey> hash_key;
    std::optional<Ask> ask;
    std::optional<Answer> answer;
    std::optional<Acknowledgement> acknowledgement;
    std::optional<Batch> batch;

    friend bool operator==(const Message&, const Message&) = default;
};

/// How many bytes records may take in a message (StreamSender::next).
inline constexpr std::size_t kBatchRoom = 1232;

/// At most kPayloadMax bytes.
std::vector<std::uint8_t> encode(const Message& message);
/// nullopt: lengths contradict each other, or there is nothing in it that is known.
std::optional<Message> decode(std::span<const std::uint8_t> bytes);

}  // namespace tandem::pair
