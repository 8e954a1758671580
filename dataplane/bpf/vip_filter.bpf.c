// Tells the kernel's frames from Tandem's on a netdev that both use: those for a VIP are Tandem's.
//
// Built twice. With -DFOR_XDP: the program that an af_xdp port redirects frames for VIPs with; what
// it leaves goes to the kernel as ever. Else: a tc filter at the ingress of an af_packet port's
// netdev; the packet socket has seen the frame before, so there the kernel only has to forget it.
// Knows addresses, not ports. Tagged frames (VLAN) are the kernel's.

// The kernel's types come first, the helpers need them.
// clang-format off
#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
// clang-format on

#define VIPS_MAX (4096 + 2)
#define QUEUES_MAX 1024 /* RTE_MAX_QUEUES_PER_PORT */
#define NEIGHBOUR_SOLICITATION 135
#define ARP_REQUEST 1

struct vip_prefix {
    __u32 length;     /* in bits of the 16-byte form */
    __u8 address[16]; /* IPv4 as ::ffff:a.b.c.d */
};

/* Twice the maximum, so that a new set of VIPs fits in beside the old one. */
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 2 * VIPS_MAX);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct vip_prefix);
    __type(value, __u8);
} tandem_vips SEC(".maps");

/* RFC 826, for IPv4 on Ethernet. */
struct arp_packet {
    __be16 hardware_type;
    __be16 protocol_type;
    __u8 hardware_length;
    __u8 protocol_length;
    __be16 operation;
    __u8 sender_mac[6];
    __u8 sender_address[4];
    __u8 target_mac[6];
    __u8 target_address[4];
};

/* RFC 4861 section 4.3, without options. */
struct solicitation {
    struct icmp6hdr icmp;
    __u8 target_address[16];
};

static __always_inline int is_vip6(const void* address) {
    struct vip_prefix key;
    key.length = 128;
    __builtin_memcpy(key.address, address, 16);
    return bpf_map_lookup_elem(&tandem_vips, &key) != 0;
}

/* Assigned piece by piece: an initializer would become one more map, for its constants. */
static __always_inline int is_vip4(const void* address) {
    struct vip_prefix key;
    key.length = 128;
    __builtin_memset(key.address, 0, 10);
    __builtin_memset(key.address + 10, 0xff, 2);
    __builtin_memcpy(key.address + 12, address, 4);
    return bpf_map_lookup_elem(&tandem_vips, &key) != 0;
}

static __always_inline int is_for_vip4(const struct iphdr* ip, const void* end) {
    return (const void*)(ip + 1) <= end && is_vip4(&ip->daddr);
}

/* The question for a VIP's MAC goes to a multicast group; only the target in it names the VIP. */
static __always_inline int is_for_vip6(const struct ipv6hdr* ip, const void* end) {
    if ((const void*)(ip + 1) > end) return 0;
    if (is_vip6(&ip->daddr)) return 1;
    const struct solicitation* asked = (const void*)(ip + 1);
    if (ip->nexthdr != IPPROTO_ICMPV6 || (const void*)(asked + 1) > end) return 0;
    return asked->icmp.icmp6_type == NEIGHBOUR_SOLICITATION && is_vip6(asked->target_address);
}

static __always_inline int asks_for_vip4(const struct arp_packet* arp, const void* end) {
    if ((const void*)(arp + 1) > end) return 0;
    if (arp->protocol_type != bpf_htons(ETH_P_IP) || arp->hardware_length != 6 ||
        arp->protocol_length != 4)
        return 0;
    return arp->operation == bpf_htons(ARP_REQUEST) && is_vip4(arp->target_address);
}

static __always_inline int is_for_vip(const void* data, const void* end) {
    const struct ethhdr* frame = data;
    if ((const void*)(frame + 1) > end) return 0;
    switch (frame->h_proto) {
        case bpf_htons(ETH_P_IP):
            return is_for_vip4((const void*)(frame + 1), end);
        case bpf_htons(ETH_P_IPV6):
            return is_for_vip6((const void*)(frame + 1), end);
        case bpf_htons(ETH_P_ARP):
            return asks_for_vip4((const void*)(frame + 1), end);
        default:
            return 0;
    }
}

#ifdef FOR_XDP

/* The name under which DPDK's af_xdp driver looks for the map it puts its sockets into. */
struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, QUEUES_MAX);
    __type(key, __u32);
    __type(value, __u32);
} xsks_map SEC(".maps");

/* A queue without a socket, as after the death of the process, passes to the kernel. */
SEC("xdp")
int tandem_xdp(struct xdp_md* context) {
    const void* data = (const void*)(long)context->data;
    const void* end = (const void*)(long)context->data_end;
    if (!is_for_vip(data, end)) return XDP_PASS;
    return bpf_redirect_map(&xsks_map, context->rx_queue_index, XDP_PASS);
}

#else

#define HEADERS_LENGTH \
    (sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + sizeof(struct solicitation))

/* UNSPEC leaves the frame to whatever other filters the operator has. */
SEC("tc")
int tandem_tc(struct __sk_buff* context) {
    if (context->vlan_present) return TC_ACT_UNSPEC;
    /* Drivers may leave any part of a frame in fragments, where a program cannot look. */
    const void* data = (const void*)(long)context->data;
    const void* end = (const void*)(long)context->data_end;
    if (data + HEADERS_LENGTH > end) {
        bpf_skb_pull_data(context, context->len < HEADERS_LENGTH ? context->len : HEADERS_LENGTH);
        data = (const void*)(long)context->data;
        end = (const void*)(long)context->data_end;
    }
    return is_for_vip(data, end) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

#endif

char LICENSE[] SEC("license") = "Apache-2.0";
