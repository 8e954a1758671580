#include "dataplane/net/reply.h"

#include <algorithm>
#include <arpa/inet.h>

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

std::size_t make_advertisement(std::span<std::uint8_t> frame, const ParsedPacket& question,
                               const Mac& mac) {
    constexpr std::size_t kLength = neighbour::kOptions + neighbour::kMacOptionBytes;
    std::uint8_t* ip = frame.data() + kAfterEthernet;
    const bool is_probe = question.key.source == IpAddress{};  // duplicate address detection
    answer_sender(frame.data(), mac);
    if (is_probe) {
        constexpr IpAddress kAllNodes{{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
        constexpr Mac kAllNodesMac{0x33, 0x33, 0, 0, 0, 1};
        std::ranges::copy(kAllNodes.bytes, ip + ipv6::kDestination);
        std::ranges::copy(kAllNodesMac, frame.data() + ethernet::kDestination);
    } else {
        std::ranges::copy(question.key.source.bytes, ip + ipv6::kDestination);
    }
    std::ranges::copy(question.key.destination.bytes, ip + ipv6::kSource);
    store_be16(ip + ipv6::kPayloadLength, kLength);
    ip[ipv6::kNextHeader] = protocol::kIcmpv6;
    ip[ipv6::kHopLimit] = neighbour::kHopLimit;

    std::uint8_t* message = ip + ipv6::kHeaderBytes;
    std::fill_n(message, neighbour::kTarget, std::uint8_t{0});
    message[0] = neighbour::kAdvertisement;
    message[neighbour::kFlags] =
        neighbour::kOverride | (is_probe ? std::uint8_t{0} : neighbour::kSolicited);
    std::ranges::copy(question.key.destination.bytes, message + neighbour::kTarget);
    message[neighbour::kOptions] = neighbour::kTargetMacOption;
    message[neighbour::kOptions + 1] = neighbour::kMacOptionBytes / 8;
    std::ranges::copy(mac, message + neighbour::kOptions + 2);
    std::uint64_t sum = sum_words({ip + ipv6::kSource, 2 * sizeof(IpAddress)});
    sum += htons(kLength);
    sum += htons(protocol::kIcmpv6);
    store_raw16(message + 2, checksum_of(sum_words({message, kLength}, sum)));
    return kAfterEthernet + ipv6::kHeaderBytes + kLength;
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
