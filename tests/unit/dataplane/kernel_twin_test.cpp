// A twin in a network namespace of its own, with the kernel's side seen through a packet socket.
#include "dataplane/kernel_twin.h"

#include <algorithm>
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <thread>

#include <gtest/gtest.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "tests/unit/dataplane/dpdk.h"

namespace tandem {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr const char* kNetdev = "twin0";
constexpr Mac kMac{2, 0, 0, 0, 0, 1};
constexpr std::uint16_t kType = 0x88b5;  // for experiments, IEEE 802

Bytes frame_of(std::size_t bytes) {
    Bytes frame(bytes, 0xab);
    std::ranges::copy(kMac, frame.begin());
    std::ranges::copy(Mac{2, 0, 0, 0, 0, 9}, frame.begin() + 6);
    frame[12] = kType >> 8U;
    frame[13] = kType & 0xffU;
    for (std::size_t i = 14; i < bytes; ++i) frame[i] = static_cast<std::uint8_t>(i * i >> 3U);
    return frame;
}

class KernelTwinTest : public testing::Test {
  protected:
    void SetUp() override {
        if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "needs root";
        if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "needs /dev/net/tun";
    }
    void TearDown() override {
        twin_.reset();
        ::setns(home_.get(), CLONE_NEWNET);  // for tests that need its loopback
        EXPECT_EQ(rte_mempool_avail_count(pool_of_tests()), kBuffersOfTests);
    }

    void open(std::uint16_t mtu) {
        Result<KernelTwin> twin = KernelTwin::open(kNetdev, kMac, mtu, pool_of_tests());
        ASSERT_TRUE(twin) << twin.error().message;
        twin_.emplace(std::move(twin.value()));
        kernel_ = FileDescriptor(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(kType)));
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(kType);
        address.sll_ifindex = static_cast<int>(::if_nametoindex(kNetdev));
        ASSERT_EQ(::bind(kernel_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    }

    static rte_mbuf* mbuf_of(const Bytes& frame, std::size_t piece_bytes) {
        rte_mbuf* whole = nullptr;
        for (std::size_t at = 0; at < frame.size(); at += piece_bytes) {
            const std::size_t bytes = std::min(piece_bytes, frame.size() - at);
            rte_mbuf* piece = rte_pktmbuf_alloc(pool_of_tests());
            CHECK(piece != nullptr);
            std::copy_n(frame.data() + at, bytes,
                        rte_pktmbuf_append(piece, static_cast<std::uint16_t>(bytes)));
            if (whole == nullptr) {
                whole = piece;
            } else {
                CHECK(rte_pktmbuf_chain(whole, piece) == 0);
            }
        }
        return whole;
    }

    /// The next frame of ours that came out of the kernel; others (IPv6 greets) are left out.
    Bytes next_from_kernel() {
        for (int tries = 0; tries < kPatienceMs; ++tries) {
            twin_->carry();
            void* next = nullptr;
            while (rte_ring_dequeue(twin_->from_kernel(), &next) == 0) {
                auto* mbuf = static_cast<rte_mbuf*>(next);
                Bytes bytes(rte_pktmbuf_pkt_len(mbuf));
                const void* data = rte_pktmbuf_read(
                    mbuf, 0, static_cast<std::uint32_t>(bytes.size()), bytes.data());
                if (data != bytes.data()) std::memcpy(bytes.data(), data, bytes.size());
                rte_pktmbuf_free(mbuf);
                if (bytes[12] == kType >> 8U && bytes[13] == (kType & 0xffU)) return bytes;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return {};
    }
    /// What the kernel has been given next; empty if nothing comes.
    Bytes next_at_kernel(int patience_ms = kPatienceMs) {
        pollfd readable{kernel_.get(), POLLIN, 0};
        if (::poll(&readable, 1, patience_ms) <= 0) return {};
        Bytes bytes(20'000);
        bytes.resize(static_cast<std::size_t>(
            std::max<ssize_t>(::recv(kernel_.get(), bytes.data(), bytes.size(), 0), 0)));
        return bytes;
    }

    FileDescriptor home_{::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)};
    std::optional<KernelTwin> twin_;
    FileDescriptor kernel_;
};

TEST_F(KernelTwinTest, FramesOfEveryLengthComeOutOfTheKernelWhole) {
    open(9000);
    for (const std::size_t bytes : {60UL, 1514UL, 2048UL, 2049UL, 4096UL, 9014UL}) {
        const Bytes frame = frame_of(bytes);
        ASSERT_EQ(::send(kernel_.get(), frame.data(), frame.size(), 0),
                  static_cast<ssize_t>(frame.size()));
        EXPECT_EQ(next_from_kernel(), frame) << bytes;
    }
}

TEST_F(KernelTwinTest, FramesInAnyNumberOfPiecesReachTheKernelWholeOrNotAtAll) {
    open(9000);
    const Bytes frame = frame_of(9014);
    for (const std::size_t piece : {1127UL, 2000UL}) {
        ASSERT_EQ(rte_ring_enqueue(twin_->to_kernel(), mbuf_of(frame, piece)), 0);
        twin_->carry();
        EXPECT_EQ(next_at_kernel(), frame);
    }
    ASSERT_EQ(rte_ring_enqueue(twin_->to_kernel(), mbuf_of(frame, 1000)), 0);
    twin_->carry();
    EXPECT_TRUE(next_at_kernel(0).empty()) << "more pieces than any frame has";
}

TEST_F(KernelTwinTest, SaysWhenThereMayBeMore) {
    open(1500);
    for (int i = 0; i < 40; ++i) {
        ASSERT_EQ(rte_ring_enqueue(twin_->to_kernel(), mbuf_of(frame_of(60), 60)), 0);
    }
    EXPECT_TRUE(twin_->carry());
    EXPECT_FALSE(twin_->carry());
}

TEST_F(KernelTwinTest, VanishesWithWhatItHolds) {
    open(1500);
    ASSERT_EQ(rte_ring_enqueue(twin_->to_kernel(), mbuf_of(frame_of(60), 60)), 0);
    ASSERT_EQ(rte_ring_enqueue(twin_->from_kernel(), mbuf_of(frame_of(60), 60)), 0);
    EXPECT_NE(::if_nametoindex(kNetdev), 0U);
    KernelTwin moved = std::move(*twin_);
    twin_.reset();
    EXPECT_NE(::if_nametoindex(kNetdev), 0U);
    twin_.emplace(std::move(moved));
    twin_.reset();
    EXPECT_EQ(::if_nametoindex(kNetdev), 0U);
}

TEST_F(KernelTwinTest, ANameThatIsTakenAndAnMtuThatIsTooLongAreErrorsThatLeaveNothing) {
    EXPECT_FALSE(KernelTwin::open(kNetdev, kMac, 17'000, pool_of_tests()));
    EXPECT_EQ(::if_nametoindex(kNetdev), 0U);
    EXPECT_FALSE(KernelTwin::open("lo", kMac, 1500, pool_of_tests()));
    constexpr Mac kGroup{1, 0, 0, 0, 0, 1};
    EXPECT_FALSE(KernelTwin::open(kNetdev, kGroup, 1500, pool_of_tests()));
    EXPECT_EQ(::if_nametoindex(kNetdev), 0U);
    open(1500);
}

}  // namespace
}  // namespace tandem
