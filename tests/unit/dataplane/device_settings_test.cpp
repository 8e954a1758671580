#include "dataplane/device_settings.h"

#include <gtest/gtest.h>
#include <rte_ethdev.h>

namespace tandem {
namespace {

/// A NIC that can everything.
rte_eth_dev_info able() {
    rte_eth_dev_info info{};
    info.rx_offload_capa = ~std::uint64_t{0};
    info.tx_offload_capa = ~std::uint64_t{0};
    info.flow_type_rss_offloads = ~std::uint64_t{0};
    return info;
}

TEST(DeviceSettings, FramesThatFitOneBufferAreNotAskedForInPieces) {
    const rte_eth_conf settings = device_settings(able(), 1, 1500);
    EXPECT_EQ(settings.rxmode.mtu, 1500U);
    EXPECT_EQ(settings.rxmode.offloads, 0U);
    EXPECT_EQ(settings.txmode.offloads, RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
}

TEST(DeviceSettings, LongFramesComeAndGoInPiecesAndAreNotFreedInTheFastWay) {
    const rte_eth_conf settings = device_settings(able(), 1, 9000);
    EXPECT_EQ(settings.rxmode.offloads, RTE_ETH_RX_OFFLOAD_SCATTER);
    EXPECT_EQ(settings.txmode.offloads, RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
}

TEST(DeviceSettings, ABufferHolds2048BytesOfFrameWithTagsAndChecksum) {
    EXPECT_TRUE(fits_one_buffer(2048 - 14 - 8 - 4));
    EXPECT_FALSE(fits_one_buffer(2048 - 14 - 8 - 4 + 1));
}

TEST(DeviceSettings, ADeviceIsAskedForNothingThatItCannot) {
    for (const std::uint16_t mtu : {std::uint16_t{1500}, std::uint16_t{9000}}) {
        const rte_eth_conf settings = device_settings({}, 4, mtu);
        EXPECT_EQ(settings.rxmode.offloads, 0U);
        EXPECT_EQ(settings.txmode.offloads, 0U);
        EXPECT_EQ(settings.rxmode.mq_mode, RTE_ETH_MQ_RX_NONE);
    }
}

TEST(DeviceSettings, SeveralWorkersShareFlowsAndOneNeedsNoRss) {
    const rte_eth_conf settings = device_settings(able(), 4, 1500);
    EXPECT_EQ(settings.rxmode.mq_mode, RTE_ETH_MQ_RX_RSS);
    EXPECT_NE(settings.rx_adv_conf.rss_conf.rss_hf & RTE_ETH_RSS_TCP, 0U);
    EXPECT_EQ(device_settings(able(), 1, 1500).rxmode.mq_mode, RTE_ETH_MQ_RX_NONE);
}

}  // namespace
}  // namespace tandem
