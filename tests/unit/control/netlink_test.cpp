// With the kernel of a network namespace of the test's own.
#include "control/netlink.h"

#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <chrono>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <thread>

#include <gtest/gtest.h>

#include "dataplane/base/file_descriptor.h"
#include "tests/unit/control/addresses.h"

namespace tandem {
namespace {

constexpr int kLoopback = 1;

/// The calling thread's, and those of threads that it starts. False: that takes root.
bool enter_namespace_of_its_own() {
    return ::unshare(CLONE_NEWNET) == 0;
}

/// Gives the loopback one address after the other, so that the one before is gone.
void change_addresses_until(const std::atomic<bool>& is_over) {
    const FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strncpy(request.ifr_name, "lo:1", sizeof(request.ifr_name));
    auto& address = reinterpret_cast<sockaddr_in&>(request.ifr_addr);
    address.sin_family = AF_INET;
    for (std::uint32_t i = 0; !is_over; ++i) {
        address.sin_addr.s_addr = htonl(0x0a630000U + i % 250 + 1);
        EXPECT_EQ(::ioctl(socket.get(), SIOCSIFADDR, &request), 0);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

TEST(Netlink, ReadsAddressesWhileTheyChange) {
    std::jthread([] {
        if (!enter_namespace_of_its_own()) GTEST_SKIP() << "it takes root";
        Result<Netlink> netlink = Netlink::open();
        ASSERT_TRUE(netlink);
        std::vector<Prefix> fixed;
        for (std::uint8_t i = 1; i <= 200; ++i) {
            fixed.push_back({IpAddress::from_v4({10, 98, 0, i}), 128});
            ASSERT_TRUE(netlink.value().add_address(kLoopback, fixed.back()));
        }
        std::atomic<bool> is_over = false;
        std::jthread other([&] { change_addresses_until(is_over); });
        for (int i = 0; i < 1000; ++i) {
            const Result<std::vector<Prefix>> found = netlink.value().addresses(kLoopback);
            EXPECT_TRUE(found) << found.error().message;
            if (!found) break;
            EXPECT_TRUE(std::ranges::all_of(fixed, [&](const Prefix& each) {
                return std::ranges::count(found.value(), each) == 1;
            }));
        }
        is_over = true;
        other.join();
        EXPECT_TRUE(
            netlink.value().add_address(kLoopback, {IpAddress::from_v4({10, 97, 0, 1}), 128}));
    });
}

TEST(Netlink, AnAddressThatIsThereIsNotGivenAgainWhateverItsScope) {
    std::jthread([] {
        if (!enter_namespace_of_its_own()) GTEST_SKIP() << "it takes root";
        Result<Netlink> netlink = Netlink::open();
        ASSERT_TRUE(netlink);
        for (const char* text : {"192.0.2.2", "2001:db8::2", "fe80::77"}) {
            const IpAddress address = *IpAddress::parse(text);
            const Prefix prefix{address, static_cast<std::uint8_t>(address.is_v4() ? 120 : 64)};
            ASSERT_TRUE(netlink.value().add_address(kLoopback, prefix)) << text;
            Result<NetlinkMonitor> monitor = NetlinkMonitor::open();
            ASSERT_TRUE(monitor);
            // The kernel may still have to say that the first one is there.
            bool is_given_again = true;
            for (int i = 0; i < 200 && is_given_again; ++i) {
                static_cast<void>(monitor.value().receive());
                EXPECT_TRUE(netlink.value().add_address(kLoopback, prefix)) << text;
                std::this_thread::sleep_for(std::chrono::milliseconds(20));
                is_given_again = monitor.value().receive().addresses_changed;
            }
            EXPECT_FALSE(is_given_again) << text;
        }
    });
}

}  // namespace
}  // namespace tandem
