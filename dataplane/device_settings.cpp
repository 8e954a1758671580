#include "dataplane/device_settings.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

namespace tandem {

bool fits_one_buffer(std::uint16_t mtu) {
    constexpr unsigned kFrameOverhead = RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN;
    return mtu + kFrameOverhead <= RTE_MBUF_DEFAULT_DATAROOM;
}

rte_eth_conf device_settings(const rte_eth_dev_info& info, std::uint16_t workers,
                             std::uint16_t mtu) {
    rte_eth_conf settings{};
    settings.rxmode.mtu = mtu;
    if (fits_one_buffer(mtu)) {
        // Promises one buffer a frame, all from one pool (rte_ethdev.h): not together with pieces.
        settings.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
    } else {
        settings.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
        settings.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    }
    const std::uint64_t wanted = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
    if (workers > 1 && (info.flow_type_rss_offloads & wanted) != 0) {
        settings.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        settings.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & wanted;
    }
    return settings;
}

}  // namespace tandem
