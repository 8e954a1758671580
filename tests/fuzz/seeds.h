// Valid frames of every kind, from which mutations start.
#pragma once

#include "tests/unit/net/frames.h"

namespace tandem::fuzz {

inline std::vector<test::Bytes> seeds() {
    using test::arp;
    using test::Bytes;
    using test::echo;
    using test::ethernet;
    using test::extension;
    using test::icmpv6;
    using test::ipv4;
    using test::ipv6;
    using test::solicitation;
    using test::tcp;
    using test::udp;
    using test::operator+;
    const Bytes atomic_fragment{6, 0, 0, 0, 1, 2, 3, 4};
    return {
        ipv4(tcp(0x02)),
        ipv4(tcp(0x10, 8) + Bytes(12, 1) + Bytes(100, 'x')),
        ipv4(tcp(), {.options = Bytes(12, 1)}),
        ipv4(udp(Bytes(30, 'u')), {.protocol = 17}),
        ipv4(tcp(), {.fragment = 0x2000}),
        ipv4(echo(8), {.protocol = 1}),
        ipv6(tcp(0x02)),
        ipv6(udp(Bytes(30, 'u')), {.next_header = 17}),
        ipv6(extension(60) + extension(43, 16) + extension(6, 24) + tcp(), {.next_header = 0}),
        ipv6(Bytes{17, 4} + Bytes(22, 0) + udp({1}), {.next_header = 51}),
        ipv6(atomic_fragment + tcp(), {.next_header = 44}),
        ipv6(icmpv6(echo(128)), {.next_header = 58}),
        ipv6(extension(58) + icmpv6(echo(128)), {.next_header = 0}),
        solicitation(),
        solicitation({}),
        solicitation({}, Bytes(16, 0)),
        arp(),
        ethernet(0x88cc, Bytes(46, 0)),
    };
}

}  // namespace tandem::fuzz
