// Takes off the outer header of IP in IP, in every mix of IPv4 and IPv6, before the kernel sees the
// packet: what a backend's ipip devices do on kernels that have them. XDP, because moving the start
// of a frame is all there is to it, on every kernel since 4.18; tc can mix families only since 6.3.
// The helpers need the types of linux/bpf.h before them.
// clang-format off
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
// clang-format on

/* The outer header's length and what it carries; 0 when there is nothing to take off. */
static __always_inline int outer_length(const struct ethhdr* eth, const void* end, __u8* inner) {
    if (eth->h_proto == bpf_htons(ETH_P_IP)) {
        const struct iphdr* ip = (const void*)(eth + 1);
        if ((const void*)(ip + 1) > end || ip->ihl < 5) return 0;
        *inner = ip->protocol;
        return ip->ihl * 4;
    }
    if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
        const struct ipv6hdr* ip = (const void*)(eth + 1);
        if ((const void*)(ip + 1) > end) return 0;
        *inner = ip->nexthdr;
        return sizeof(*ip);
    }
    return 0;
}

SEC("xdp")
int decap(struct xdp_md* context) {
    const void* end = (const void*)(long)context->data_end;
    const struct ethhdr* eth = (const void*)(long)context->data;
    if ((const void*)(eth + 1) > end) return XDP_PASS;

    __u8 inner = 0;
    const int length = outer_length(eth, end, &inner);
    if (length == 0 || (inner != IPPROTO_IPIP && inner != IPPROTO_IPV6)) return XDP_PASS;

    struct ethhdr frame = *eth;
    frame.h_proto = inner == IPPROTO_IPIP ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
    if (bpf_xdp_adjust_head(context, length) != 0) return XDP_DROP;
    end = (const void*)(long)context->data_end;
    struct ethhdr* start = (void*)(long)context->data;
    if ((const void*)(start + 1) > end) return XDP_DROP;
    *start = frame;
    return XDP_PASS;
}

char _license[] SEC("license") = "Apache-2.0";
