// What virtual routers say: advertisements, and to whom frames for their VIPs are to go.
#include <algorithm>
#include <iterator>

#include "dataplane/pair/routers.h"

namespace tandem::pair {

namespace {

using std::chrono::milliseconds;
using tables::PlanGroup;

constexpr Mac kVrrpMacV4{0x01, 0x00, 0x5e, 0x00, 0x00, 0x12};  // RFC 1112 section 6.4
constexpr Mac kVrrpMacV6{0x33, 0x33, 0x00, 0x00, 0x00, 0x12};  // RFC 2464 section 7
constexpr std::size_t kMessageHeaderBytes = 8;
constexpr std::size_t kAdvertBytesMax = 1500;  ///< whatever the ports of both have

/// The first address of an IPv6 advertisement is the virtual router's own (RFC 9568 section
/// 5.2.9): that of its MAC (RFC 4291 appendix A).
IpAddress link_local_of(std::uint8_t router_id) {
    return {{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x02, 0, 0x5e, 0xff, 0xfe, 0, 0x02, router_id}};
}

std::vector<std::uint8_t> framed(const Mac& to, const Mac& from, bool is_v4,
                                 std::span<const std::uint8_t> packet) {
    std::vector<std::uint8_t> frame(ethernet::kHeaderBytes);
    std::ranges::copy(to, frame.begin() + ethernet::kDestination);
    std::ranges::copy(from, frame.begin() + ethernet::kSource);
    store_be16(frame.data() + ethernet::kType, is_v4 ? ethernet::kTypeIpv4 : ethernet::kTypeIpv6);
    frame.insert(frame.end(), packet.begin(), packet.end());
    return frame;
}

}  // namespace

Mac Routers::mac_of(const Group& group, const Router& router) const {
    if (group.record.has_virtual_mac != 0) {
        return virtual_mac(group.record.router_id, router.is_v4);
    }
    return ports_[group.record.port].mac;
}

/// Those of its VIPs that there is room for in an advertisement.
std::span<const IpAddress> Routers::advertised(const Group& group, const Router& router) const {
    const std::size_t headers =
        kMessageHeaderBytes + (router.is_v4 ? ipv4::kHeaderBytes : ipv6::kHeaderBytes);
    const std::size_t bytes =
        std::min<std::size_t>(ports_[group.record.port].mtu, kAdvertBytesMax) - headers;
    const std::size_t addresses =
        std::min(bytes / (router.is_v4 ? 4 : sizeof(IpAddress)), kAdvertAddressesMax);
    const std::size_t fitting = router.is_v4 ? addresses : addresses - 1;  // its own comes first
    return std::span(router.vips).first(std::min(fitting, router.vips.size()));
}

void Routers::advertise(const Group& group, const Router& router, std::uint8_t priority) {
    if (router.is_muted) return;
    const PlanGroup& record = group.record;
    Advert advert{.router_id = record.router_id,
                  .priority = priority,
                  .interval = milliseconds(record.interval_ms),
                  .source = router.source,
                  .destination = router.is_v4 ? kVrrpGroupV4 : kVrrpGroupV6,
                  .addresses = {}};
    if (!router.is_v4) advert.addresses.push_back(link_local_of(record.router_id));
    const std::span<const IpAddress> vips = advertised(group, router);
    advert.addresses.insert(advert.addresses.end(), vips.begin(), vips.end());
    const AdvertChecksum checksum = record.sums_pseudo_header != 0
                                        ? AdvertChecksum::kWithPseudoHeader
                                        : AdvertChecksum::kMessage;
    const auto send = [&](const Mac& to) {
        frames_.push_back(
            {record.port,
             framed(to, mac_of(group, router), router.is_v4, make_advert(advert, checksum)),
             advert.interval, router.is_new});
        ++counts_.sent;
    };
    if (record.peer_count == 0) send(router.is_v4 ? kVrrpMacV4 : kVrrpMacV6);
    for (const tables::PlanPeer& peer : std::span(record.peers).first(record.peer_count)) {
        if (peer.resolved == 0 || peer.address.is_v4() != router.is_v4) continue;
        advert.destination = peer.address;
        send(peer.mac);
    }
}

void Routers::announce(const Group& group, const Router& router) {
    for (const IpAddress& vip : router.vips) {
        frames_.push_back({group.record.port, make_announcement(vip, mac_of(group, router)),
                           milliseconds(group.record.interval_ms), router.is_new});
    }
}

std::vector<Routers::Frame> Routers::take_ready_frames() {
    std::vector<Frame> frames = take_frames();
    const auto waiting = std::stable_partition(
        frames.begin(), frames.end(), [](const Frame& frame) { return !frame.awaits_tables; });
    frames_.assign(std::move_iterator(waiting), std::move_iterator(frames.end()));
    frames.erase(waiting, frames.end());
    return frames;
}

}  // namespace tandem::pair
