#include "dataplane/pair/message.h"

#include "dataplane/base/check.h"
#include "dataplane/pair/bytes.h"
#include "dataplane/pair/session.h"

namespace tandem::pair {

namespace {

enum Tag : std::uint8_t {
    kHeartbeat = 1,
    kPools = 2,
    kAcknowledgement = 3,
    kBatch = 4,
    kHashKey = 5,
    kAsk = 6,
    kAnswer = 7,
    kFeatures = 8,
    kClaims = 9,
};
enum HeartbeatFlag : std::uint8_t {
    kFit = 1,
    kCaughtUp = 2,
    kToldAll = 4,
    kAnswers = 8,
    kWantsTelling = 16,
    kHoldsDown = 32,
};
constexpr std::size_t kFieldHeaderBytes = 3;
constexpr std::size_t kPoolBytes = 16;
constexpr std::size_t kClaimBytes = 13;

/// Whatever `write` writes is one field.
template <class Write>
void write_field(ByteWriter& writer, Tag tag, Write&& write) {
    writer.number(static_cast<std::uint8_t>(tag));
    const std::size_t length_at = writer.size();
    writer.number(std::uint16_t{0});
    write();
    writer.number_at(length_at,
                     static_cast<std::uint16_t>(writer.size() - length_at - sizeof(std::uint16_t)));
}

void write_heartbeat(ByteWriter& writer, const Heartbeat& heartbeat) {
    CHECK(heartbeat.pools.size() <= kPoolDigestsMax);
    CHECK(heartbeat.claims.size() <= kGroupClaimsMax);
    write_field(writer, kHeartbeat, [&] {
        writer.number(heartbeat.plan_generation);
        writer.number(heartbeat.config_revision);
        writer.number(heartbeat.hash_key_id);
        writer.number(heartbeat.digest);
        writer.number(heartbeat.interval_us);
        writer.number(static_cast<std::uint8_t>(
            (heartbeat.is_fit ? kFit : 0) | (heartbeat.is_caught_up ? kCaughtUp : 0) |
            (heartbeat.has_told_all ? kToldAll : 0) | (heartbeat.answers ? kAnswers : 0) |
            (heartbeat.wants_telling ? kWantsTelling : 0) |
            (heartbeat.holds_down ? kHoldsDown : 0)));
    });
    if (heartbeat.features) {
        write_field(writer, kFeatures, [&] {
            writer.number(heartbeat.features->has);
            writer.number(heartbeat.features->needs);
        });
    }
    if (!heartbeat.claims.empty()) {
        write_field(writer, kClaims, [&] {
            for (const GroupClaim& claim : heartbeat.claims) {
                writer.number(claim.group);
                writer.number(claim.term);
                writer.number(static_cast<std::uint8_t>(claim.is_active));
            }
        });
    }
    if (heartbeat.pools.empty()) return;
    write_field(writer, kPools, [&] {
        for (const PoolDigest& pool : heartbeat.pools) {
            writer.number(pool.pool);
            writer.number(pool.digest);
        }
    });
}

void write_batch(ByteWriter& writer, const Batch& batch) {
    writer.number(batch.epoch);
    writer.number(batch.first);
    for (const Record& record : batch.records) {
        writer.number(static_cast<std::uint8_t>(record.size()));
        writer.bytes(record);
    }
}

/// Fields may grow at their ends; a reader takes what it knows.
bool read_heartbeat(ByteReader& field, Heartbeat& heartbeat) {
    heartbeat.plan_generation = field.number<std::uint64_t>();
    heartbeat.config_revision = field.number<std::uint64_t>();
    heartbeat.hash_key_id = field.number<std::uint64_t>();
    heartbeat.digest = field.number<std::uint64_t>();
    heartbeat.interval_us = field.number<std::uint32_t>();
    const auto flags = field.number<std::uint8_t>();
    heartbeat.is_fit = (flags & kFit) != 0;
    heartbeat.is_caught_up = (flags & kCaughtUp) != 0;
    heartbeat.has_told_all = (flags & kToldAll) != 0;
    heartbeat.answers = (flags & kAnswers) != 0;
    heartbeat.wants_telling = (flags & kWantsTelling) != 0;
    heartbeat.holds_down = (flags & kHoldsDown) != 0;
    return field.is_sound();
}

bool read_pools(ByteReader& field, Heartbeat& heartbeat) {
    while (!field.at_end()) {
        PoolDigest pool;
        pool.pool = field.number<std::uint64_t>();
        pool.digest = field.number<std::uint64_t>();
        heartbeat.pools.push_back(pool);
    }
    return field.is_sound() && heartbeat.pools.size() <= kPoolDigestsMax;
}

bool read_claims(ByteReader& field, Heartbeat& heartbeat) {
    while (!field.at_end()) {
        GroupClaim claim;
        claim.group = field.number<std::uint64_t>();
        claim.term = field.number<std::uint32_t>();
        claim.is_active = field.number<std::uint8_t>() != 0;
        heartbeat.claims.push_back(claim);
    }
    return field.is_sound() && heartbeat.claims.size() <= kGroupClaimsMax;
}

bool read_batch(ByteReader& field, Message& message) {
    Batch batch;
    batch.epoch = field.number<std::uint32_t>();
    batch.first = field.number<std::uint64_t>();
    while (!field.at_end()) {
        const auto record = field.take(field.number<std::uint8_t>());
        batch.records.emplace_back(record.begin(), record.end());
    }
    message.batch = std::move(batch);
    return field.is_sound();
}

/// `message` has a heartbeat.
bool read_field(std::uint8_t tag, ByteReader& field, Message& message) {
    switch (tag) {
        case kHeartbeat:
            return read_heartbeat(field, *message.heartbeat);
        case kPools:
            return read_pools(field, *message.heartbeat);
        case kClaims:
            return read_claims(field, *message.heartbeat);
        case kAcknowledgement: {
            Acknowledgement read;
            read.epoch = field.number<std::uint32_t>();
            read.next = field.number<std::uint64_t>();
            message.acknowledgement = read;
            return field.is_sound();
        }
        case kHashKey: {
            OfferedKey read;
            for (std::uint8_t& byte : read.key.bytes) byte = field.number<std::uint8_t>();
            read.born_ms = field.number<std::uint64_t>();
            message.hash_key = read;
            return field.is_sound();
        }
        case kAsk: {
            Ask read;
            read.verb = static_cast<Ask::Verb>(field.number<std::uint8_t>());
            read.id = field.number<std::uint32_t>();
            read.group = field.number<std::uint64_t>();
            if (!field.at_end()) {
                read.told.epoch = field.number<std::uint32_t>();
                read.told.next = field.number<std::uint64_t>();
            }
            message.ask = read;
            return field.is_sound();
        }
        case kAnswer: {
            Answer read;
            read.id = field.number<std::uint32_t>();
            read.outcome = static_cast<Answer::Outcome>(field.number<std::uint8_t>());
            message.answer = read;
            return field.is_sound();
        }
        case kFeatures: {
            Features read;
            read.has = field.number<std::uint32_t>();
            read.needs = field.number<std::uint32_t>();
            message.heartbeat->features = read;
            return field.is_sound();
        }
        case kBatch:
            return read_batch(field, message);
        default:
            return true;
    }
}

}  // namespace

std::vector<std::uint8_t> encode(const Message& message) {
    ByteWriter writer;
    if (message.heartbeat) {
        const bool is_short = message.heartbeat->pools.empty() && message.heartbeat->claims.empty();
        CHECK(is_short || !message.batch);
        write_heartbeat(writer, *message.heartbeat);
    }
    if (message.acknowledgement) {
        write_field(writer, kAcknowledgement, [&] {
            writer.number(message.acknowledgement->epoch);
            writer.number(message.acknowledgement->next);
        });
    }
    if (message.hash_key) {
        write_field(writer, kHashKey, [&] {
            writer.bytes(message.hash_key->key.bytes);
            writer.number(message.hash_key->born_ms);
        });
    }
    if (message.ask) {
        write_field(writer, kAsk, [&] {
            writer.number(static_cast<std::uint8_t>(message.ask->verb));
            writer.number(message.ask->id);
            writer.number(message.ask->group);
            writer.number(message.ask->told.epoch);
            writer.number(message.ask->told.next);
        });
    }
    if (message.answer) {
        write_field(writer, kAnswer, [&] {
            writer.number(message.answer->id);
            writer.number(static_cast<std::uint8_t>(message.answer->outcome));
        });
    }
    if (message.batch) write_field(writer, kBatch, [&] { write_batch(writer, *message.batch); });
    std::vector<std::uint8_t> bytes = writer.take();
    CHECK(bytes.size() <= kPayloadMax);
    return bytes;
}

std::optional<Message> decode(std::span<const std::uint8_t> bytes) {
    Message message;
    message.heartbeat.emplace();
    bool has_heartbeat = false;
    ByteReader reader(bytes);
    while (!reader.at_end()) {
        const auto tag = reader.number<std::uint8_t>();
        ByteReader field(reader.take(reader.number<std::uint16_t>()));
        if (!reader.is_sound() || !read_field(tag, field, message)) return std::nullopt;
        has_heartbeat |= tag == kHeartbeat;
    }
    if (!has_heartbeat) message.heartbeat.reset();  // what belongs to one says nothing alone
    if (message == Message{}) return std::nullopt;
    return message;
}

constexpr std::size_t kOtherBytes = 123;  ///< of all fields but for pools, claims and records
static_assert(kPoolDigestsMax * kPoolBytes + kGroupClaimsMax * kClaimBytes + 9 * kFieldHeaderBytes +
                  kOtherBytes <=
              kPayloadMax);
static_assert(kBatchRoom + 8 * kFieldHeaderBytes + kOtherBytes <= kPayloadMax);

}  // namespace tandem::pair
