"""ARP, neighbour discovery and ping for VIPs are answered; for anybody else they are not."""
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import (ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS,
                                ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6,
                                IPv6ExtHdrHopByHop)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from frames import (CLIENT4, CLIENT6, CLIENT_MAC, OUR4, OUR6, VIP4, VIP6, from_client, to_backend)
from harness import MACS, exchange

BROADCAST = "ff:ff:ff:ff:ff:ff"
SOLICITED_NODE, SOLICITED_NODE_MAC = "ff02::1:ff00:10", "33:33:ff:00:00:10"


def arp_request(target, source=CLIENT4):
    return ARP(op="who-has", hwsrc=CLIENT_MAC, psrc=source, pdst=target)


def solicitation(target, source=CLIENT6, option=True):
    packet = (IPv6(src=source, dst=SOLICITED_NODE, hlim=255) / ICMPv6ND_NS(tgt=target))
    return packet / ICMPv6NDOptSrcLLAddr(lladdr=CLIENT_MAC) if option else packet


def advertisement(destination, solicited):
    return (IPv6(src=VIP6, dst=destination, hlim=255) /
            ICMPv6ND_NA(tgt=VIP6, R=0, S=solicited, O=1) /
            ICMPv6NDOptDstLLAddr(lladdr=MACS["wan"]))


def to_client(packet, mac=CLIENT_MAC):
    return to_backend(packet, mac=mac)


def expect_answers(config, questions, answers):
    outcome = exchange(config, questions)
    assert [Ether(frame) for frame in outcome.frames] == [Ether(frame) for frame in answers]
    assert outcome.frames == answers
    assert outcome.verdicts == {"answered": len(questions)}


def test_arp_for_a_vip_is_answered(ipip4):
    answer = ARP(op="is-at", hwsrc=MACS["wan"], psrc=VIP4, hwdst=CLIENT_MAC, pdst=CLIENT4)
    question = arp_request(VIP4)
    expect_answers(ipip4, [from_client(question, BROADCAST), from_client(question)],
                   [to_client(answer)] * 2)


def test_arp_keeps_its_padding(ipip4):
    answer = ARP(op="is-at", hwsrc=MACS["wan"], psrc=VIP4, hwdst=CLIENT_MAC, pdst=CLIENT4)
    expect_answers(ipip4, [from_client(arp_request(VIP4), BROADCAST) + bytes(18)],
                   [to_client(answer) + bytes(18)])


def test_an_arp_probe_is_answered(ipip4):  # RFC 5227 section 2.1.1
    answer = ARP(op="is-at", hwsrc=MACS["wan"], psrc=VIP4, hwdst=CLIENT_MAC, pdst="0.0.0.0")
    expect_answers(ipip4, [from_client(arp_request(VIP4, "0.0.0.0"), BROADCAST)],
                   [to_client(answer)])


def test_a_solicitation_for_a_vip_is_answered(ipip4):  # RFC 4861 section 7.2.4
    questions = [solicitation(VIP6), solicitation(VIP6, option=False)]
    expect_answers(ipip4, [from_client(question, SOLICITED_NODE_MAC) for question in questions],
                   [to_client(advertisement(CLIENT6, solicited=1))] * 2)


def test_a_unicast_solicitation_with_padding_is_answered(ipip4):
    expect_answers(ipip4, [from_client(solicitation(VIP6, option=False)) + bytes(20)],
                   [to_client(advertisement(CLIENT6, solicited=1))])


def test_a_duplicate_address_probe_is_answered_to_all(ipip4):  # RFC 4861 section 7.2.4
    question = solicitation(VIP6, source="::", option=False)
    expect_answers(ipip4, [from_client(question, SOLICITED_NODE_MAC)],
                   [to_client(advertisement("ff02::1", solicited=0), mac="33:33:00:00:00:01")])


def test_ping_of_a_vip_is_answered(ipip4):
    question = IP(src=CLIENT4, dst=VIP4, id=3, ttl=9, tos=4) / ICMP(id=5, seq=6) / Raw(b"ping")
    answer = (IP(src=VIP4, dst=CLIENT4, id=3, ttl=64, tos=4) /
              ICMP(type="echo-reply", id=5, seq=6) / Raw(b"ping"))
    expect_answers(ipip4, [from_client(question)], [to_client(answer)])


def test_ping_of_an_ipv6_vip_is_answered(ipip4):
    echo = {"id": 5, "seq": 6, "data": b"ping6"}
    head = IPv6(src=CLIENT6, dst=VIP6, hlim=9)
    answer_head = IPv6(src=VIP6, dst=CLIENT6, hlim=64)
    expect_answers(
        ipip4,
        [from_client(head / ICMPv6EchoRequest(**echo)),
         from_client(head / IPv6ExtHdrHopByHop() / ICMPv6EchoRequest(**echo))],
        [to_client(answer_head / ICMPv6EchoReply(**echo)),
         to_client(answer_head / IPv6ExtHdrHopByHop() / ICMPv6EchoReply(**echo))])


def test_a_long_ping_is_answered(ipip4):
    ipip4.ports["wan"].mtu = 9000
    body = bytes(range(256)) * 30
    question = IP(src=CLIENT4, dst=VIP4) / ICMP(id=5, seq=6) / Raw(body)
    answer = IP(src=VIP4, dst=CLIENT4) / ICMP(type="echo-reply", id=5, seq=6) / Raw(body)
    expect_answers(ipip4, [from_client(question)], [to_client(answer)])


def test_questions_about_other_addresses_go_to_the_kernel(ipip4):
    questions = [from_client(arp_request(OUR4), BROADCAST),
                 from_client(arp_request("203.0.113.11"), BROADCAST),
                 from_client(solicitation(OUR6), SOLICITED_NODE_MAC),
                 from_client(IP(src=CLIENT4, dst=OUR4) / ICMP()),
                 from_client(IPv6(src=CLIENT6, dst=OUR6) / ICMPv6EchoRequest())]
    assert exchange(ipip4, questions).verdicts == {"punted": len(questions)}


def test_answers_of_others_go_to_the_kernel(ipip4):
    frames = [from_client(ARP(op="is-at", hwsrc=CLIENT_MAC, psrc=CLIENT4, pdst=OUR4)),
              from_client(IPv6(src=CLIENT6, dst=OUR6, hlim=255) / ICMPv6ND_NA(tgt=CLIENT6))]
    assert exchange(ipip4, frames).verdicts == {"punted": len(frames)}


def test_a_ping_sent_to_everybody_is_not_answered(ipip4):  # RFC 1122 section 3.2.2.6
    frames = [from_client(IP(src=CLIENT4, dst=VIP4) / ICMP(), BROADCAST)]
    assert exchange(ipip4, frames).verdicts == {"punted": 1}
