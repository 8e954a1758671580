#include "tests/fuzz/one_datagram.h"

#include <algorithm>
#include <variant>

#include "dataplane/base/check.h"
#include "dataplane/pair/advert.h"
#include "dataplane/pair/features.h"
#include "dataplane/pair/message.h"
#include "dataplane/pair/record.h"
#include "dataplane/pair/session.h"
#include "tests/fuzz/datagram_seeds.h"
#include "tests/unit/net/frames.h"

namespace tandem::fuzz {

namespace {

using namespace pair;
using test::Bytes;
using test::ExactCopy;

/// Whether it is one that an instance of this release may send: others are read, never written.
struct IsOurs {
    template <class Other>
    bool operator()(const Other& /*told*/) const {
        return true;
    }
    bool operator()(const ToldSteady& told) const { return told.owners.size() <= ToldSteady::kMax; }
    bool operator()(const ToldEarlier& told) const {
        return told.owners.size() <= ToldEarlier::kMax;
    }
    bool operator()(const ToldEndings& told) const {
        return told.slots.size() <= ToldEndings::kMax;
    }
};

/// With the sum that a sender of such a thing would have put into it.
Bytes summed_up(std::span<const std::uint8_t> ip_packet) {
    const bool is_v4 = ip_packet[0] >> 4U == 4;
    const std::size_t header_bytes = is_v4 ? 20 : 40;
    const std::size_t length =
        is_v4 ? test::at16(ip_packet, 2) : header_bytes + test::at16(ip_packet, 4);
    const auto packet = ip_packet.first(length);
    std::uint32_t start = 0;
    if (!is_v4) start = test::plain_sum(packet.subspan(8, 32), 112 + std::uint32_t(length) - 40);
    const auto message = packet.subspan(header_bytes);
    const Bytes mended = test::with_checksum({message.begin(), message.end()}, 6, start);
    return test::operator+(Bytes(packet.begin(), packet.begin() + std::ptrdiff_t(header_bytes)),
                           mended);
}

}  // namespace

void check_message(std::span<const std::uint8_t> bytes) {
    const ExactCopy copy(bytes);
    const std::optional<Message> message = decode(copy.span());
    if (!message) return;
    bool has_pools = false;
    if (const std::optional<Heartbeat>& heartbeat = message->heartbeat) {
        CHECK(heartbeat->pools.size() <= kPoolDigestsMax);
        has_pools = !heartbeat->pools.empty();
        const Common both = common(kOurFeatures, heartbeat->features.value_or(kFeaturesBefore));
        CHECK((both.usable & ~kOurFeatures.has) == 0);
        CHECK(both.suits() == trouble_of(both).empty());
    }
    if (message->batch) {
        for (const Record& record : message->batch->records) check_record(record);
    }
    if ((has_pools && message->batch) || bytes.size() > kPayloadMax) return;
    // What is stepped over is not said again.
    const Bytes again = encode(*message);
    CHECK(again.size() <= bytes.size());
    CHECK(decode(again) == message);
}

void check_record(std::span<const std::uint8_t> bytes) {
    const ExactCopy copy(bytes);
    const std::optional<Told> told = decode_record(copy.span());
    if (!told || !std::visit(IsOurs{}, *told)) return;
    const Record again = encode(*told);
    CHECK(again.size() <= bytes.size());
    CHECK(decode_record(again) == told);
}

void check_advert(std::span<const std::uint8_t> ip_packet) {
    const ExactCopy copy(ip_packet);
    const std::variant<Advert, AdvertFault> read = read_advert(copy.span());
    if (const auto* fault = std::get_if<AdvertFault>(&read)) {
        CHECK(!name_of(*fault).empty());
        if (*fault == AdvertFault::kChecksum) {
            const Bytes mended = summed_up(ip_packet);
            const auto again = read_advert(mended);
            const auto* other = std::get_if<AdvertFault>(&again);
            CHECK(other == nullptr || *other != AdvertFault::kChecksum);
            if (other == nullptr) check_advert(mended);
        }
        return;
    }
    const auto& advert = std::get<Advert>(read);
    CHECK(!advert.addresses.empty() && advert.addresses.size() <= kAdvertAddressesMax);
    CHECK(advert.interval >= kAdvertIntervalMin && advert.interval <= kAdvertIntervalMax);
    const bool is_v4 = advert.source.is_v4();
    const auto is_of_another = [&](const IpAddress& each) { return each.is_v4() != is_v4; };
    // IPv4 addresses in an IPv6 packet are nothing that we would write.
    if (is_of_another(advert.destination) || std::ranges::any_of(advert.addresses, is_of_another)) {
        return;
    }
    for (const AdvertChecksum checksum :
         {AdvertChecksum::kMessage, AdvertChecksum::kWithPseudoHeader}) {
        const std::variant<Advert, AdvertFault> again = read_advert(make_advert(advert, checksum));
        CHECK(std::holds_alternative<Advert>(again) && std::get<Advert>(again) == advert);
    }
}

void check_envelope(std::span<const std::uint8_t> datagram) {
    const ExactCopy copy(datagram);
    Session session = seed_session(1);
    const std::variant<Opened, Refusal> result = session.open(copy.span());
    if (const auto* refusal = std::get_if<Refusal>(&result)) {
        CHECK(!name_of(*refusal).empty());
        CHECK(!session.has_peer());
        return;
    }
    // Nobody but who has the key can make one; and recorded ones make nobody known.
    const auto sealed = sealed_seeds();
    CHECK(std::ranges::any_of(
        sealed, [&](const Bytes& seed) { return std::ranges::equal(seed, datagram); }));
    const auto& opened = std::get<Opened>(result);
    CHECK(!opened.is_known && !opened.is_new && !session.has_peer());
    CHECK(opened.payload.size() <= kPayloadMax);
    check_message(opened.payload);
}

void check_datagram(std::span<const std::uint8_t> bytes) {
    check_envelope(bytes);
    check_message(bytes);
    check_record(bytes);
    check_advert(bytes);
}

}  // namespace tandem::fuzz
