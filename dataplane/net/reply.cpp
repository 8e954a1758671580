#include "dataplane/net/reply.h"

#include <algorithm>

#include "dataplane/net/checksum.h"

namespace tandem {

namespace {

constexpr std::size_t kAfterEthernet = ethernet::kHeaderBytes;
constexpr std::uint8_t kReplyTtl = 64;

void answer_sender(std::uint8_t* frame, const Mac& mac) {
    std::copy_n(frame + ethernet::kSource, mac.size(), frame + ethernet::kDestination);
    std::ranges::copy(mac, frame + ethernet::kSource);
}

}  // namespace

void make_arp_reply(std::span<std::uint8_t> frame, const Mac& mac) {
    answer_sender(frame.data(), mac);
    std::uint8_t* at = frame.data() + kAfterEthernet;
    store_be16(at + arp::kOperation, arp::kReply);
    std::array<std::uint8_t, 4> asked{};
    std::copy_n(at + arp::kTargetAddress, asked.size(), asked.begin());
    // The asker becomes the target: MAC and address lie together, ten bytes.
    std::copy_n(at + arp::kSenderMac, 10, at + arp::kTargetMac);
    std::ranges::copy(mac, at + arp::kSenderMac);
    std::ranges::copy(asked, at + arp::kSenderAddress);
}

void write_advertisement(std::uint8_t* ip, const IpAddress& target, const IpAddress& destination,
                         std::uint8_t flags, const Mac& mac) {
    constexpr std::size_t kLength = kAdvertisementBytes - ipv6::kHeaderBytes;
    std::fill_n(ip, kAdvertisementBytes, std::uint8_t{0});
    ip[0] = 6U << 4U;
    store_be16(ip + ipv6::kPayloadLength, kLength);
    ip[ipv6::kNextHeader] = protocol::kIcmpv6;
    ip[ipv6::kHopLimit] = neighbour::kHopLimit;
    std::ranges::copy(target.bytes, ip + ipv6::kSource);
    std::ranges::copy(destination.bytes, ip + ipv6::kDestination);

    std::uint8_t* message = ip + ipv6::kHeaderBytes;
    message[0] = neighbour::kAdvertisement;
    message[neighbour::kFlags] = flags;
    std::ranges::copy(target.bytes, message + neighbour::kTarget);
    message[neighbour::kOptions] = neighbour::kTargetMacOption;
    message[neighbour::kOptions + 1] = neighbour::kMacOptionBytes / 8;
    std::ranges::copy(mac, message + neighbour::kOptions + 2);
    const std::uint64_t sum = pseudo_header_sum(
        sum_words({ip + ipv6::kSource, 2 * sizeof(IpAddress)}), kLength, protocol::kIcmpv6);
    store_raw16(message + 2, checksum_of(sum_words({message, kLength}, sum)));
}

std::size_t make_advertisement(std::span<std::uint8_t> frame, const ParsedPacket& question,
                               const Mac& mac) {
    const bool is_probe = question.key.source == IpAddress{};  // duplicate address detection
    answer_sender(frame.data(), mac);
    if (is_probe) std::ranges::copy(kAllNodesMac, frame.data() + ethernet::kDestination);
    const std::uint8_t solicited = is_probe ? std::uint8_t{0} : neighbour::kSolicited;
    write_advertisement(frame.data() + kAfterEthernet, question.key.destination,
                        is_probe ? kAllNodes : question.key.source,
                        neighbour::kOverride | solicited, mac);
    return kAfterEthernet + kAdvertisementBytes;
}

void make_echo_reply(std::span<std::uint8_t> frame, const ParsedPacket& question, const Mac& mac) {
    answer_sender(frame.data(), mac);
    std::uint8_t* ip = frame.data() + kAfterEthernet;
    const std::size_t address_bytes = question.is_v4 ? 4 : sizeof(IpAddress);
    std::uint8_t* source = ip + (question.is_v4 ? ipv4::kSource : ipv6::kSource);
    std::swap_ranges(source, source + address_bytes, source + address_bytes);
    if (question.is_v4) {
        const std::uint16_t old_word = load_raw16(ip + ipv4::kTtl);
        ip[ipv4::kTtl] = kReplyTtl;
        store_raw16(ip + ipv4::kChecksum, updated_checksum(load_raw16(ip + ipv4::kChecksum),
                                                           old_word, load_raw16(ip + ipv4::kTtl)));
    } else {
        ip[ipv6::kHopLimit] = kReplyTtl;
    }
    std::uint8_t* message = frame.data() + question.l4_offset;
    const std::uint16_t old_type = load_raw16(message);
    message[0] = question.is_v4 ? icmp::kEchoReply : icmp::kV6EchoReply;
    store_raw16(message + 2,
                updated_checksum(load_raw16(message + 2), old_type, load_raw16(message)));
}

}  // namespace tandem
