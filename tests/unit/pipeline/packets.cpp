#include "tests/unit/pipeline/packets.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include "dataplane/base/check.h"
#include "dataplane/pipeline/dissect.h"

namespace tandem::pipeline {

namespace {

constexpr unsigned kBuffers = 1023;
constexpr int kAnySocket = 0;

rte_mempool* buffer_pool = nullptr;

class Dpdk : public testing::Environment {
  public:
    void SetUp() override {
        std::array<std::string, 9> arguments{"test",        "--no-huge",    "-m",
                                             "64",          "--no-pci",     "--no-telemetry",
                                             "--no-shconf", "--lcores=0@0", "--log-level=error"};
        std::vector<char*> argv;
        for (std::string& argument : arguments) argv.push_back(argument.data());
        CHECK(rte_eal_init(static_cast<int>(argv.size()), argv.data()) >= 0);
        buffer_pool = rte_pktmbuf_pool_create("packets", kBuffers, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
                                              kAnySocket);
        CHECK(buffer_pool != nullptr);
    }
    void TearDown() override {
        rte_mempool_free(buffer_pool);
        rte_eal_cleanup();
    }
};

[[maybe_unused]] const auto* const dpdk = testing::AddGlobalTestEnvironment(new Dpdk);

std::string next_name() {
    static int count = 0;
    return "test" + std::to_string(count++);
}

rte_ring* new_ring(const std::string& name, unsigned size) {
    rte_ring* ring = rte_ring_create(name.c_str(), size, kAnySocket, 0);
    CHECK(ring != nullptr);
    return ring;
}

void free_with_content(rte_ring* ring) {
    void* packet = nullptr;
    while (rte_ring_dequeue(ring, &packet) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
    rte_ring_free(ring);
}

}  // namespace

void PacketTest::SetUp() {
    available_ = rte_mempool_avail_count(buffer_pool);
    burst_.reset(0);
}

void PacketTest::TearDown() {
    EXPECT_EQ(rte_mempool_avail_count(buffer_pool), available_)
        << "buffers are lost or were freed twice";
}

rte_mbuf* PacketTest::packet(const Bytes& frame) {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(buffer_pool);
    CHECK(mbuf != nullptr && frame.size() <= rte_pktmbuf_tailroom(mbuf));
    char* data = rte_pktmbuf_append(mbuf, static_cast<std::uint16_t>(frame.size()));
    std::memcpy(data, frame.data(), frame.size());
    return mbuf;
}

rte_mbuf* PacketTest::packet_in_pieces(const Bytes& frame,
                                       const std::vector<std::size_t>& piece_bytes) {
    rte_mbuf* whole = nullptr;
    auto from = frame.begin();
    const auto add_piece = [&](std::size_t bytes) {
        const auto to = from + static_cast<std::ptrdiff_t>(bytes);
        rte_mbuf* piece = packet(Bytes(from, to));
        if (whole == nullptr) {
            whole = piece;
        } else {
            CHECK(rte_pktmbuf_chain(whole, piece) == 0);
        }
        from = to;
    };
    for (const std::size_t bytes : piece_bytes) add_piece(bytes);
    add_piece(static_cast<std::size_t>(frame.end() - from));
    return whole;
}

Bytes PacketTest::bytes_of(const rte_mbuf* packet) {
    Bytes bytes;
    for (const rte_mbuf* piece = packet; piece != nullptr; piece = piece->next) {
        const auto* data = rte_pktmbuf_mtod(piece, const std::uint8_t*);
        bytes.insert(bytes.end(), data, data + rte_pktmbuf_data_len(piece));
    }
    EXPECT_EQ(bytes.size(), rte_pktmbuf_pkt_len(packet));
    return bytes;
}

void PacketTest::add(const std::vector<rte_mbuf*>& packets) {
    for (rte_mbuf* packet : packets) burst_.add(packet);
    dissect(burst_);
    for (Packet& packet : burst_.packets()) {
        packet.hash = 0;
        packet.vip = packet.pool = 0;
        packet.backend = tables::kNoBackend;
        packet.out_port = 0;
    }
}

std::vector<Verdict> PacketTest::verdicts() {
    std::vector<Verdict> verdicts;
    for (const Departed& departed : burst_.departed()) verdicts.push_back(departed.verdict);
    return verdicts;
}

void PacketTest::free_all() {
    for (const Packet& packet : burst_.packets()) rte_pktmbuf_free(packet.mbuf);
    for (const Departed& departed : burst_.departed()) rte_pktmbuf_free(departed.mbuf);
    burst_.reset(0);
}

RingPort::RingPort(unsigned room)
    : name_(next_name()), in_(new_ring(name_ + "_in", room)), out_(new_ring(name_ + "_out", room)) {
    const int port = rte_eth_from_rings(name_.c_str(), &in_, 1, &out_, 1, kAnySocket);
    CHECK(port >= 0);
    port_.dpdk_port = static_cast<std::uint16_t>(port);
    std::copy_n(test::kOurMac.begin(), port_.mac.size(), port_.mac.begin());
    const rte_eth_conf settings{};
    CHECK(rte_eth_dev_configure(port_.dpdk_port, 1, 1, &settings) == 0);
    CHECK(rte_eth_rx_queue_setup(port_.dpdk_port, 0, 64, kAnySocket, nullptr, buffer_pool) == 0);
    CHECK(rte_eth_tx_queue_setup(port_.dpdk_port, 0, 64, kAnySocket, nullptr) == 0);
    CHECK(rte_eth_dev_start(port_.dpdk_port) == 0);
}

RingPort::~RingPort() {
    CHECK(rte_eth_dev_stop(port_.dpdk_port) == 0);
    CHECK(rte_eth_dev_close(port_.dpdk_port) == 0);
    free_with_content(in_);
    free_with_content(out_);
}

void RingPort::put(rte_mbuf* packet) {
    CHECK(rte_ring_enqueue(in_, packet) == 0);
}

std::vector<rte_mbuf*> RingPort::take() {
    std::vector<rte_mbuf*> packets;
    void* packet = nullptr;
    while (rte_ring_dequeue(out_, &packet) == 0) packets.push_back(static_cast<rte_mbuf*>(packet));
    return packets;
}

Ring::Ring(unsigned size) : ring_(new_ring(next_name(), size)) {}

Ring::~Ring() {
    free_with_content(ring_);
}

}  // namespace tandem::pipeline
