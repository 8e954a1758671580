#include "tests/unit/dataplane/dpdk.h"

#include <spdlog/spdlog.h>
#include <vector>

#include <gtest/gtest.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include "dataplane/base/check.h"

namespace tandem {

namespace {

constexpr int kNullDevices = 16;

rte_mempool* pool = nullptr;

std::string port_name(int number) {
    return "test" + std::to_string(number);
}

class Dpdk : public testing::Environment {
  public:
    void SetUp() override {
        spdlog::set_level(spdlog::level::off);
        std::vector<std::string> arguments{"test",        "--no-huge",    "-m",
                                           "64",          "--no-pci",     "--no-telemetry",
                                           "--no-shconf", "--lcores=0@0", "--log-level=error"};
        for (int i = 0; i < kNullDevices; ++i) {
            arguments.push_back("--vdev=net_null_" + port_name(i));
        }
        std::vector<char*> argv;
        for (std::string& argument : arguments) argv.push_back(argument.data());
        CHECK(rte_eal_init(static_cast<int>(argv.size()), argv.data()) >= 0);
        pool =
            rte_pktmbuf_pool_create("tests", kBuffersOfTests, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
        CHECK(pool != nullptr);
    }
    void TearDown() override {
        rte_mempool_free(pool);
        rte_eal_cleanup();
    }
};

[[maybe_unused]] const auto* const dpdk = testing::AddGlobalTestEnvironment(new Dpdk);

}  // namespace

conf::Port next_null_port() {
    static int next = 0;
    CHECK(next < kNullDevices);
    conf::Port port;
    port.driver = conf::Driver::kNull;
    port.name = port_name(next++);
    return port;
}

rte_mempool* pool_of_tests() {
    return pool;
}

}  // namespace tandem
