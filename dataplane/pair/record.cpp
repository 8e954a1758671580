#include "dataplane/pair/record.h"

#include "dataplane/base/check.h"
#include "dataplane/pair/bytes.h"

namespace tandem::pair {

namespace {

/// The first byte of a record; never another meaning for a number that was in use.
enum Kind : std::uint8_t {
    kBackend = 1,
    kTable = 2,
    kSteady = 3,
    kEarlier = 4,
    kEndings = 5,
    kVerdict = 6,
    kFlow = 7,
    kEnd = 8,
    kAllTold = 9,
    kDigest = 10,
};

struct Write {
    ByteWriter& to;

    void kind(Kind kind) const { to.number(static_cast<std::uint8_t>(kind)); }
    void table(const tables::SlotTableId& id) const {
        to.number(id.pool);
        to.number(id.domain);
    }

    void operator()(const ToldBackend& told) const {
        kind(kBackend);
        to.number(told.number);
        to.number(told.pool);
        to.bytes(told.address.bytes);
        to.number(told.port);
    }
    void operator()(const ToldTable& told) const {
        kind(kTable);
        table(told.id);
        to.number(told.slot_count);
    }
    void operator()(const ToldSteady& told) const {
        CHECK(told.owners.size() <= ToldSteady::kMax);
        kind(kSteady);
        for (const std::uint16_t owner : told.owners) to.number(owner);
    }
    void operator()(const ToldEarlier& told) const {
        CHECK(told.owners.size() <= ToldEarlier::kMax);
        kind(kEarlier);
        for (const tables::EarlierOwner& earlier : told.owners) {
            to.number(earlier.first_hash);
            to.number(earlier.owner);
        }
    }
    void operator()(const ToldEndings& told) const {
        CHECK(told.slots.size() <= ToldEndings::kMax);
        kind(kEndings);
        table(told.id);
        for (const ToldEndings::Slot& slot : told.slots) {
            to.number(slot.slot);
            to.number(slot.owner);
        }
    }
    void operator()(const ToldVerdict& told) const {
        kind(kVerdict);
        to.number(told.number);
        to.number(static_cast<std::uint8_t>(told.health));
    }
    void operator()(const ToldFlow& told) const {
        kind(kFlow);
        to.number(told.identity);
        to.number(told.backend);
        to.number(static_cast<std::uint8_t>(told.state));
    }
    void operator()(const ToldEnd& told) const {
        kind(kEnd);
        to.number(told.identity);
    }
    void operator()(const AllTold& /*told*/) const { kind(kAllTold); }
    void operator()(const ToldDigest& told) const {
        kind(kDigest);
        table(told.id);
        to.number(told.digest);
    }
};

tables::SlotTableId read_table(ByteReader& from) {
    tables::SlotTableId id;
    id.pool = from.number<std::uint64_t>();
    id.domain = from.number<tables::Domain>();
    return id;
}

ToldBackend read_backend(ByteReader& from) {
    ToldBackend told;
    told.number = from.number<tables::BackendIndex>();
    told.pool = from.number<std::uint64_t>();
    for (std::uint8_t& byte : told.address.bytes) byte = from.number<std::uint8_t>();
    told.port = from.number<std::uint16_t>();
    return told;
}

ToldTable read_told_table(ByteReader& from) {
    ToldTable told;
    told.id = read_table(from);
    told.slot_count = from.number<std::uint32_t>();
    return told;
}

ToldSteady read_steady(ByteReader& from) {
    ToldSteady told;
    while (!from.at_end()) told.owners.push_back(from.number<std::uint16_t>());
    return told;
}

ToldEarlier read_earlier(ByteReader& from) {
    ToldEarlier told;
    while (!from.at_end()) {
        tables::EarlierOwner earlier;
        earlier.first_hash = from.number<std::uint32_t>();
        earlier.owner = from.number<tables::BackendIndex>();
        told.owners.push_back(earlier);
    }
    return told;
}

ToldEndings read_endings(ByteReader& from) {
    ToldEndings told;
    told.id = read_table(from);
    while (!from.at_end()) {
        ToldEndings::Slot slot;
        slot.slot = from.number<std::uint32_t>();
        slot.owner = from.number<std::uint16_t>();
        told.slots.push_back(slot);
    }
    return told;
}

std::optional<Told> read_verdict(ByteReader& from) {
    ToldVerdict told;
    told.number = from.number<tables::BackendIndex>();
    const auto health = from.number<std::uint8_t>();
    if (health > static_cast<std::uint8_t>(tables::HealthState::kDown)) return std::nullopt;
    told.health = static_cast<tables::HealthState>(health);
    return told;
}

std::optional<Told> read_flow(ByteReader& from) {
    ToldFlow told;
    told.identity = from.number<tables::FlowIdentity>();
    told.backend = from.number<tables::BackendIndex>();
    const auto state = from.number<std::uint8_t>();
    if (state >= tables::kFlowStateCount) return std::nullopt;
    told.state = static_cast<tables::FlowState>(state);
    return told;
}

ToldDigest read_digest(ByteReader& from) {
    ToldDigest told;
    told.id = read_table(from);
    told.digest = from.number<std::uint64_t>();
    return told;
}

std::optional<Told> read(std::uint8_t kind, ByteReader& from) {
    switch (kind) {
        case kBackend:
            return read_backend(from);
        case kTable:
            return read_told_table(from);
        case kSteady:
            return read_steady(from);
        case kEarlier:
            return read_earlier(from);
        case kEndings:
            return read_endings(from);
        case kVerdict:
            return read_verdict(from);
        case kFlow:
            return read_flow(from);
        case kEnd:
            return ToldEnd{from.number<tables::FlowIdentity>()};
        case kAllTold:
            return AllTold{};
        case kDigest:
            return read_digest(from);
        default:
            return std::nullopt;
    }
}

}  // namespace

std::uint64_t digest_of(std::span<const std::uint16_t> owners) {
    std::uint64_t digest = 0xcbf29ce484222325;
    for (const std::uint16_t owner : owners) digest = (digest ^ owner) * 0x100000001b3;
    return digest;
}

Record encode(const Told& told) {
    ByteWriter writer;
    std::visit(Write{writer}, told);
    Record record = writer.take();
    CHECK(record.size() <= kRecordMax);
    return record;
}

std::optional<Told> decode_record(std::span<const std::uint8_t> bytes) {
    ByteReader reader(bytes);
    const auto kind = reader.number<std::uint8_t>();
    std::optional<Told> told = read(kind, reader);
    if (!reader.is_sound()) return std::nullopt;
    return told;
}

}  // namespace tandem::pair
