#include "dataplane/eal.h"

#include <algorithm>
#include <numeric>
#include <string_view>

#include <gtest/gtest.h>

namespace tandem {
namespace {

using conf::Driver;

constexpr std::uint64_t kMib = 1 << 20U;
constexpr std::uint64_t kPlenty = 64 * 1024 * kMib;

Machine machine_with(unsigned cpus, std::uint64_t free_huge_bytes = 0) {
    Machine machine;
    machine.cpus.resize(cpus);
    std::iota(machine.cpus.begin(), machine.cpus.end(), 0U);
    machine.free_huge_bytes = free_huge_bytes;
    machine.available_bytes = kPlenty;
    return machine;
}

conf::Port port(Driver driver, const std::string& device_name, const std::string& name = "wan") {
    conf::Port port;
    port.name = name;
    port.driver = driver;
    port.device_name = device_name;
    return port;
}

conf::Config config_of(std::vector<conf::Port> ports) {
    conf::Config config;
    config.ports = std::move(ports);
    return config;
}

const conf::Config kSoftware = config_of({port(Driver::kAfPacket, "eth1")});
const conf::Config kNic = config_of({port(Driver::kPci, "0000:3b:00.0")});

EalPlan planned(const conf::Config& config, const Machine& machine,
                const std::vector<std::string>& xdp_objects = {}) {
    Result<EalPlan> plan = plan_eal(config, machine, xdp_objects);
    EXPECT_TRUE(plan) << plan.error().message;
    return plan ? plan.value() : EalPlan{};
}

std::string refusal_of(const conf::Config& config, const Machine& machine) {
    const Result<EalPlan> plan = plan_eal(config, machine, {});
    return plan ? "none" : plan.error().message;
}

/// The rest of the only argument that begins so; "none" if there is no such.
std::string argument(const EalPlan& plan, std::string_view begin) {
    const auto begins = [&](const std::string& argument) { return argument.starts_with(begin); };
    EXPECT_LE(std::ranges::count_if(plan.arguments, begins), 1) << begin;
    const auto found = std::ranges::find_if(plan.arguments, begins);
    return found == plan.arguments.end() ? "none" : found->substr(begin.size());
}

bool has(const EalPlan& plan, std::string_view argument) {
    return std::ranges::find(plan.arguments, argument) != plan.arguments.end();
}

TEST(Eal, HugePagesAreUsedWhenEnoughAreFreeAndNormalOnesElse) {
    const EalPlan huge = planned(kSoftware, machine_with(4, kPlenty));
    EXPECT_TRUE(huge.huge_pages);
    EXPECT_TRUE(has(huge, "--in-memory"));
    EXPECT_FALSE(has(huge, "--no-huge"));

    const std::uint64_t needed_mib = std::stoull(argument(huge, "-m"));
    for (const std::uint64_t free_bytes : {std::uint64_t{0}, (needed_mib - 2) * kMib}) {
        const EalPlan normal = planned(kSoftware, machine_with(4, free_bytes));
        EXPECT_FALSE(normal.huge_pages) << free_bytes;
        EXPECT_TRUE(has(normal, "--no-huge"));
        EXPECT_FALSE(has(normal, "--in-memory")) << "DPDK refuses both together";
        EXPECT_NE(normal.summary.find("normal pages"), std::string::npos) << normal.summary;
    }
    EXPECT_TRUE(planned(kSoftware, machine_with(4, needed_mib * kMib)).huge_pages);
}

TEST(Eal, NormalPagesAreUsedWhenAskedForWhateverIsFree) {
    conf::Config config = kSoftware;
    config.dataplane.memory = conf::Memory::kNormal;
    EXPECT_FALSE(planned(config, machine_with(4, kPlenty)).huge_pages);
}

TEST(Eal, HugePagesThatAreDemandedAndMissingAreAnErrorThatSaysHowToGetThem) {
    conf::Config config = kSoftware;
    config.dataplane.memory = conf::Memory::kHuge;
    const std::string refusal = refusal_of(config, machine_with(4, 10 * kMib));
    EXPECT_NE(refusal.find("there are 10: run 'sysctl vm.nr_hugepages="), std::string::npos)
        << refusal;
    EXPECT_TRUE(planned(config, machine_with(4, kPlenty)).huge_pages);
}

TEST(Eal, PacketMemoryBuysAsManyBuffersAsFitBesideDpdksOwnNeeds) {
    conf::Config config = kSoftware;
    config.dataplane.packet_memory_bytes = 1024 * kMib;
    const EalPlan plan = planned(config, machine_with(4));
    EXPECT_EQ(argument(plan, "-m"), "1025");
    EXPECT_GT(plan.mbuf_count, 240'000U);
    EXPECT_LE(plan.mbuf_count * 4096ULL, 1024 * kMib) << "a page each";
    const EalPlan huge = planned(config, machine_with(4, kPlenty));
    EXPECT_GT(huge.mbuf_count, 400'000U);
    EXPECT_LT(huge.mbuf_count * 2048ULL, 1024 * kMib);

    config.dataplane.packet_memory_bytes = 40 * kMib;
    EXPECT_NE(refusal_of(config, machine_with(4)).find("packet_memory"), std::string::npos);
}

TEST(Eal, MorePacketMemoryThanTheMachineHasIsRefused) {
    conf::Config config = kSoftware;
    config.dataplane.packet_memory_bytes = 1024 * kMib;
    Machine machine = machine_with(4);
    machine.available_bytes = 1023 * kMib;
    EXPECT_NE(refusal_of(config, machine).find("1023 MiB are available"), std::string::npos);
    machine.available_bytes = 1024 * kMib;
    EXPECT_EQ(refusal_of(config, machine), "none");
}

TEST(Eal, EveryQueueCanBeFullAtOnceAndBuffersAreLeft) {
    for (const std::uint16_t workers : std::initializer_list<std::uint16_t>{1, 4, 16}) {
        conf::Config config = kNic;
        config.ports.push_back(port(Driver::kPci, "0000:3b:00.1", "lan"));
        config.dataplane.workers = workers;
        const EalPlan plan = planned(config, machine_with(32));
        EXPECT_GT(plan.mbuf_count, 2U * 2 * kQueueDescriptors * workers);
    }
}

TEST(Eal, ANicGetsAWorkerForEachCpuButTheMainCoresAndSoftwarePortsGetOne) {
    EXPECT_EQ(planned(kNic, machine_with(8)).workers, 7);
    EXPECT_EQ(planned(kNic, machine_with(2)).workers, 1);
    EXPECT_EQ(planned(kNic, machine_with(1)).workers, 1);
    EXPECT_EQ(planned(kNic, machine_with(256)).workers, conf::kWorkersMax);
    EXPECT_EQ(planned(kSoftware, machine_with(8)).workers, 1);
    EXPECT_EQ(planned(config_of({kNic.ports[0], kSoftware.ports[0]}), machine_with(8)).workers, 1)
        << "a software port among them";
}

TEST(Eal, WorkersAreAsManyAsConfiguredButNoMoreThanCpus) {
    conf::Config config = kSoftware;
    config.dataplane.workers = 3;
    EXPECT_EQ(planned(config, machine_with(8)).workers, 3);
    EXPECT_EQ(planned(config, machine_with(3)).workers, 3);
    EXPECT_NE(refusal_of(config, machine_with(2)).find("dataplane.workers is 3, and there are 2"),
              std::string::npos);
}

TEST(Eal, ThreadsArePinnedOneToOneWhereThereAreCpusEnough) {
    conf::Config config = kSoftware;
    config.dataplane.workers = 2;
    EXPECT_EQ(argument(planned(config, machine_with(8)), "--lcores="), "0@0,1@1,2@2");
    EXPECT_EQ(argument(planned(config, machine_with(3)), "--lcores="), "0@0,1@1,2@2");
    EXPECT_EQ(argument(planned(config, machine_with(2)), "--lcores="), "0@(0,1),1@(0,1),2@(0,1)")
        << "two pinned to one would starve each other";
    config.dataplane.workers = 1;
    EXPECT_EQ(argument(planned(config, machine_with(2)), "--lcores="), "0@(0,1),1@(0,1)")
        << "all that others have, too";
}

TEST(Eal, TheFirstOfTheConfiguredCpusIsTheMainCoresAndTheOthersAreTheWorkers) {
    conf::Config config = kNic;
    config.dataplane.cores = "5,2-3";
    const EalPlan plan = planned(config, machine_with(8));
    EXPECT_EQ(plan.workers, 2);
    EXPECT_EQ(argument(plan, "--lcores="), "0@5,1@2,2@3");
    EXPECT_EQ(argument(plan, "--main-lcore="), "0");
}

TEST(Eal, ACpuThatIsNamedTwiceIsOneCpu) {
    conf::Config config = kNic;
    config.dataplane.cores = "2,2-4,3";
    EXPECT_EQ(argument(planned(config, machine_with(8)), "--lcores="), "0@2,1@3,2@4");
}

TEST(Eal, AListOfCpusThatIsNoneIsRefused) {
    for (const char* cores : {"a", "1-", "-1", "3-1", "1,,2", ",", "1;2", "1-2-3", " 1", "0x1",
                              "99999999999", "0-5000"}) {
        conf::Config config = kSoftware;
        config.dataplane.cores = cores;
        EXPECT_NE(refusal_of(config, machine_with(8)).find("is not a CPU list"), std::string::npos)
            << cores;
    }
}

TEST(Eal, ACpuThatThisProcessMayNotUseIsRefused) {
    conf::Config config = kSoftware;
    config.dataplane.cores = "6-8";
    EXPECT_NE(refusal_of(config, machine_with(8)).find("names CPU 8, which"), std::string::npos);
    Machine machine = machine_with(8);
    std::erase(machine.cpus, 7U);  // as in a container's cpuset
    EXPECT_NE(refusal_of(config, machine).find("names CPU 7, which"), std::string::npos);
}

TEST(Eal, WhatTheOperatorAddsComesLastWordByWord) {
    conf::Config config = kSoftware;
    config.dataplane.eal_args = "  --log-level=8 -n  4 ";
    const std::vector<std::string> arguments = planned(config, machine_with(4)).arguments;
    ASSERT_GE(arguments.size(), 3U);
    EXPECT_EQ(std::vector(arguments.end() - 3, arguments.end()),
              (std::vector<std::string>{"--log-level=8", "-n", "4"}));
}

struct DeviceCase {
    Driver driver;
    const char* device_name;
    const char* argument;
    const char* name;
};

TEST(Eal, EveryDriverGetsItsDeviceUnderThePortsName) {
    for (const DeviceCase& c :
         {DeviceCase{Driver::kPci, "0000:3b:00.0", "--allow=0000:3b:00.0", "0000:3b:00.0"},
          {Driver::kAfPacket, "eth1",
           "--vdev=net_af_packet_wan,iface=eth1,qpairs=2,qdisc_bypass=1,framecnt=4096",
           "net_af_packet_wan"},
          {Driver::kAfXdp, "eth1",
           "--vdev=net_af_xdp_wan,iface=eth1,start_queue=0,queue_count=2,xdp_prog=/proc/self/fd/7",
           "net_af_xdp_wan"},
          {Driver::kTap, "tap7", "--vdev=net_tap_wan,iface=tap7", "net_tap_wan"},
          {Driver::kPcap, "rx_pcap=a,tx_pcap=b", "--vdev=net_pcap_wan,rx_pcap=a,tx_pcap=b",
           "net_pcap_wan"},
          {Driver::kNull, "", "--vdev=net_null_wan", "net_null_wan"},
          {Driver::kMemif, "role=server", "--vdev=net_memif_wan,role=server", "net_memif_wan"},
          {Driver::kRing, "", "--vdev=net_ring_wan", "net_ring_wan"}}) {
        conf::Config config = config_of({port(c.driver, c.device_name)});
        config.dataplane.workers = 2;
        const EalPlan plan = planned(config, machine_with(4), {"/proc/self/fd/7"});
        EXPECT_TRUE(has(plan, c.argument)) << c.argument;
        EXPECT_EQ(device_name(config.ports[0]), c.name);
        EXPECT_EQ(has(plan, "--no-pci"), c.driver != Driver::kPci) << c.argument;
    }
}

TEST(Eal, EveryPortGetsADeviceAndXdpPortsEachTheirProgram) {
    const conf::Config config =
        config_of({port(Driver::kAfXdp, "eth1", "wan"), port(Driver::kPci, "0000:3b:00.0", "nic"),
                   port(Driver::kAfXdp, "eth2", "lan")});
    const EalPlan plan = planned(config, machine_with(4), {"/a", "", "/b"});
    EXPECT_NE(argument(plan, "--vdev=net_af_xdp_wan").find("xdp_prog=/a"), std::string::npos);
    EXPECT_NE(argument(plan, "--vdev=net_af_xdp_lan").find("xdp_prog=/b"), std::string::npos);
    EXPECT_EQ(argument(plan, "--allow="), "0000:3b:00.0");
    EXPECT_FALSE(has(plan, "--no-pci"));
}

TEST(Eal, ThisMachineHasACpuAtLeast) {
    EXPECT_FALSE(this_machine().cpus.empty());
}

}  // namespace
}  // namespace tandem
