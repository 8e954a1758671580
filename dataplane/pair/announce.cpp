#include "dataplane/pair/announce.h"

#include <algorithm>
#include <array>

#include "dataplane/net/reply.h"

namespace tandem::pair {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array<Duration, 7> kBurst{milliseconds{0},   milliseconds{5},   milliseconds{20},
                                         milliseconds{100}, milliseconds{500}, seconds{2},
                                         seconds{10}};
constexpr Duration kAfterwards = seconds{30};

constexpr Mac kBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
void write_ethernet(std::uint8_t* frame, const Mac& to, const Mac& from, std::uint16_t type) {
    std::ranges::copy(to, frame + ethernet::kDestination);
    std::ranges::copy(from, frame + ethernet::kSource);
    store_be16(frame + ethernet::kType, type);
}

std::vector<std::uint8_t> make_gratuitous_arp(const IpAddress& vip, const Mac& mac) {
    std::vector<std::uint8_t> frame(ethernet::kHeaderBytes + arp::kBytes);
    write_ethernet(frame.data(), kBroadcast, mac, ethernet::kTypeArp);
    std::uint8_t* at = frame.data() + ethernet::kHeaderBytes;
    std::ranges::copy(arp::kIpv4OverEthernet, at);
    store_be16(at + arp::kOperation, arp::kRequest);
    std::ranges::copy(mac, at + arp::kSenderMac);
    std::ranges::copy(kBroadcast, at + arp::kTargetMac);
    store_raw32(at + arp::kSenderAddress, vip.v4_network_order());
    store_raw32(at + arp::kTargetAddress, vip.v4_network_order());
    return frame;
}

std::vector<std::uint8_t> make_unsolicited_advertisement(const IpAddress& vip, const Mac& mac) {
    std::vector<std::uint8_t> frame(ethernet::kHeaderBytes + kAdvertisementBytes);
    write_ethernet(frame.data(), kAllNodesMac, mac, ethernet::kTypeIpv6);
    // Without R, hosts that use the VIP as their router would drop it from their list.
    write_advertisement(frame.data() + ethernet::kHeaderBytes, vip, kAllNodes,
                        neighbour::kRouter | neighbour::kOverride, mac);
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
