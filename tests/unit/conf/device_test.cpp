#include "conf/device.h"

#include <gtest/gtest.h>

namespace tandem::conf {
namespace {

struct Case {
    const char* text;
    std::optional<Driver> wanted;
    Driver driver;
    const char* name;
};

TEST(Device, TheDriverIsAsTheDeviceSaysOrAsWanted) {
    const std::vector<Case> cases{
        {"eth1", {}, Driver::kAfPacket, "eth1"},
        {"eth1", Driver::kAfPacket, Driver::kAfPacket, "eth1"},
        {"eth1", Driver::kAfXdp, Driver::kAfXdp, "eth1"},
        {"af_xdp:eth1", {}, Driver::kAfXdp, "eth1"},
        {"af_xdp:eth1", Driver::kAfXdp, Driver::kAfXdp, "eth1"},
        {"af_packet:enp59s0f0np0.1", {}, Driver::kAfPacket, "enp59s0f0np0.1"},
        {"tap", {}, Driver::kAfPacket, "tap"},
        {"tap:tap0", {}, Driver::kTap, "tap0"},
        {"tap0", Driver::kTap, Driver::kTap, "tap0"},
        {"0000:3b:00.0", {}, Driver::kPci, "0000:3b:00.0"},
        {"3B:00.7", {}, Driver::kPci, "0000:3b:00.7"},
        {"0000:ff:1f.7", Driver::kPci, Driver::kPci, "0000:ff:1f.7"},
        {"pci:3b:00.0", {}, Driver::kPci, "0000:3b:00.0"},
        {"pcap:rx_pcap=/a b/in.pcap,tx_pcap=c:d",
         {},
         Driver::kPcap,
         "rx_pcap=/a b/in.pcap,tx_pcap=c:d"},
        {"iface=eth1", Driver::kPcap, Driver::kPcap, "iface=eth1"},
        {"null:", {}, Driver::kNull, ""},
        {"null", {}, Driver::kNull, ""},
        {"null:size=64", {}, Driver::kNull, "size=64"},
        {"memif:role=client,id=1", {}, Driver::kMemif, "role=client,id=1"},
        {"memif:", {}, Driver::kMemif, ""},
        {"ring:nodeaction=r0:0:CREATE", {}, Driver::kRing, "nodeaction=r0:0:CREATE"},
    };
    for (const Case& expected : cases) {
        const Result<Device> device = parse_device(expected.text, expected.wanted);
        ASSERT_TRUE(device) << device.error().message;
        EXPECT_EQ(device.value().driver, expected.driver) << expected.text;
        EXPECT_EQ(device.value().name, expected.name) << expected.text;
    }
}

std::string complaint(const char* text, std::optional<Driver> wanted = {}) {
    const Result<Device> device = parse_device(text, wanted);
    return device ? "" : device.error().message;
}

TEST(Device, SaysWhatIsWrong) {
    EXPECT_EQ(complaint(""), "\"\" is not the name of a network device");
    EXPECT_EQ(complaint("eth/1"), "\"eth/1\" is not the name of a network device");
    EXPECT_EQ(complaint("af_xdp:eth1,qpairs=2"),
              "\"eth1,qpairs=2\" is not the name of a network device");
    EXPECT_EQ(complaint("af_xdp:"), "\"\" is not the name of a network device");
    EXPECT_EQ(complaint("tap:.."), "\"..\" is not the name of a network device");
    EXPECT_EQ(complaint("sixteencharacter"),
              "\"sixteencharacter\" is longer than a network device's name can be, 15 characters");
    EXPECT_EQ(complaint("fifteencharacte"), "");
    EXPECT_EQ(complaint("af_xpd:eth1"), "\"af_xpd\" is not a driver; did you mean 'af_xdp'?");
    EXPECT_EQ(complaint("virtio:eth1"), "\"virtio\" is not a driver");
    EXPECT_EQ(complaint("auto:eth1"), "\"auto\" is not a driver; did you mean 'auto'?");
    EXPECT_EQ(complaint("pci:eth1"), "\"eth1\" is not a PCI address such as \"0000:3b:00.0\"");
    EXPECT_EQ(complaint("0000:3b:00.8"), "\"0000\" is not a driver");
    EXPECT_EQ(complaint("pcap:"), "pcap needs arguments, such as \"pcap:iface=eth1\"");
}

TEST(Device, AWantedDriverMustNotContradictTheDevice) {
    EXPECT_EQ(complaint("af_xdp:eth1", Driver::kAfPacket),
              "\"af_xdp:eth1\" is not a device of driver \"af_packet\"");
    EXPECT_EQ(complaint("3b:00.0", Driver::kAfXdp),
              "\"3b:00.0\" is not a device of driver \"af_xdp\"");
    EXPECT_EQ(complaint("null", Driver::kTap), "\"null\" is not a device of driver \"tap\"");
    EXPECT_EQ(complaint("eth1", Driver::kPci),
              "\"eth1\" is not a PCI address such as \"0000:3b:00.0\"");
}

TEST(Device, OneNetdevIsOneClaimWhateverDrivesIt) {
    EXPECT_EQ(claim({Driver::kAfXdp, "eth1"}), claim({Driver::kAfPacket, "eth1"}));
    EXPECT_NE(claim({Driver::kAfXdp, "eth1"}), claim({Driver::kAfXdp, "eth2"}));
    EXPECT_NE(claim({Driver::kPcap, "eth1"}), claim({Driver::kAfXdp, "eth1"}));
    EXPECT_EQ(claim({Driver::kNull, "size=64"}), "");
    EXPECT_EQ(claim({Driver::kRing, ""}), "");
}

}  // namespace
}  // namespace tandem::conf
