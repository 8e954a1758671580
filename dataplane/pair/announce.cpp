#include "dataplane/pair/announce.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>

#include "dataplane/net/checksum.h"

namespace tandem::pair {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array<Duration, 7> kBurst{milliseconds{0},   milliseconds{5},   milliseconds{20},
                                         milliseconds{100}, milliseconds{500}, seconds{2},
                                         seconds{10}};
constexpr Duration kAfterwards = seconds{30};

constexpr Mac kBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr Mac kAllNodesMac{0x33, 0x33, 0, 0, 0, 1};  // RFC 2464 section 7
constexpr IpAddress kAllNodes{{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

void write_ethernet(std::uint8_t* frame, const Mac& to, const Mac& from, std::uint16_t type) {
    std::ranges::copy(to, frame + ethernet::kDestination);
    std::ranges::copy(from, frame + ethernet::kSource);
    store_be16(frame + ethernet::kType, type);
}

std::vector<std::uint8_t> make_gratuitous_arp(const IpAddress& vip, const Mac& mac) {
    std::vector<std::uint8_t> frame(ethernet::kHeaderBytes + arp::kBytes);
    write_ethernet(frame.data(), kBroadcast, mac, ethernet::kTypeArp);
    std::uint8_t* at = frame.data() + ethernet::kHeaderBytes;
    constexpr std::array<std::uint8_t, 6> kIpv4OverEthernet{0, 1, 8, 0, 6, 4};
    std::ranges::copy(kIpv4OverEthernet, at);
    store_be16(at + arp::kOperation, arp::kRequest);
    std::ranges::copy(mac, at + arp::kSenderMac);
    std::ranges::copy(kBroadcast, at + arp::kTargetMac);
    store_raw32(at + arp::kSenderAddress, vip.v4_network_order());
    store_raw32(at + arp::kTargetAddress, vip.v4_network_order());
    return frame;
}

std::vector<std::uint8_t> make_unsolicited_advertisement(const IpAddress& vip, const Mac& mac) {
    constexpr std::size_t kLength = neighbour::kOptions + neighbour::kMacOptionBytes;
    std::vector<std::uint8_t> frame(ethernet::kHeaderBytes + ipv6::kHeaderBytes + kLength);
    write_ethernet(frame.data(), kAllNodesMac, mac, ethernet::kTypeIpv6);
    std::uint8_t* ip = frame.data() + ethernet::kHeaderBytes;
    ip[0] = 6U << 4U;
    store_be16(ip + ipv6::kPayloadLength, kLength);
    ip[ipv6::kNextHeader] = protocol::kIcmpv6;
    ip[ipv6::kHopLimit] = neighbour::kHopLimit;
    std::ranges::copy(vip.bytes, ip + ipv6::kSource);
    std::ranges::copy(kAllNodes.bytes, ip + ipv6::kDestination);

    std::uint8_t* message = ip + ipv6::kHeaderBytes;
    message[0] = neighbour::kAdvertisement;
    // Without R, hosts that use the VIP as their router would drop it from their list.
    message[neighbour::kFlags] = neighbour::kRouter | neighbour::kOverride;
    std::ranges::copy(vip.bytes, message + neighbour::kTarget);
    message[neighbour::kOptions] = neighbour::kTargetMacOption;
    message[neighbour::kOptions + 1] = neighbour::kMacOptionBytes / 8;
    std::ranges::copy(mac, message + neighbour::kOptions + 2);
    std::uint64_t sum = sum_words({ip + ipv6::kSource, 2 * sizeof(IpAddress)});
    sum += std::uint64_t{htons(static_cast<std::uint16_t>(kLength))} + htons(protocol::kIcmpv6);
    store_raw16(message + 2, checksum_of(sum_words({message, kLength}, sum)));
    return frame;
}

}  // namespace

std::vector<std::uint8_t> make_announcement(const IpAddress& vip, const Mac& mac) {
    return vip.is_v4() ? make_gratuitous_arp(vip, mac) : make_unsolicited_advertisement(vip, mac);
}

void AnnouncementSchedule::begin(Instant now) {
    begun_ = now;
    sent_ = 0;
}

Instant AnnouncementSchedule::deadline() const {
    if (!begun_) return Instant::max();
    if (sent_ < kBurst.size()) return *begun_ + kBurst[sent_];
    return *begun_ + kBurst.back() + kAfterwards * (sent_ - kBurst.size() + 1);
}

bool AnnouncementSchedule::is_due(Instant now) {
    if (now < deadline()) return false;
    while (deadline() <= now) ++sent_;
    return true;
}

}  // namespace tandem::pair
