// Real packet buffers and ports for the tests of the stages, on a DPDK without NICs, huge pages or
// files. Whoever includes this links packets.cpp, which starts DPDK before the first test.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/pipeline/burst.h"
#include "dataplane/pipeline/port.h"
#include "tests/unit/net/frames.h"

namespace tandem {

inline void PrintTo(Verdict verdict, std::ostream* out) {
    *out << name_of(verdict);
}

namespace pipeline {

using test::Bytes;
using test::operator+;

/// Fails a test that loses a buffer or gives one back twice.
class PacketTest : public testing::Test {
  protected:
    void SetUp() override;
    void TearDown() override;

    /// A buffer with the bytes of a frame.
    static rte_mbuf* packet(const Bytes& frame);
    /// The same in one buffer for each of `piece_bytes`, and one more for what is left.
    static rte_mbuf* packet_in_pieces(const Bytes& frame,
                                      const std::vector<std::size_t>& piece_bytes);
    /// All bytes of a packet, from all its buffers.
    static Bytes bytes_of(const rte_mbuf* packet);

    /// Adds packets with their headers read, as dissect leaves them.
    void add(const std::vector<rte_mbuf*>& packets);
    /// The verdicts of those that have left, in the order of their leaving.
    std::vector<Verdict> verdicts();
    /// Gives back every buffer that the burst still has.
    void free_all();

    Burst burst_;

  private:
    unsigned available_ = 0;
};

/// A started port whose wire is a pair of rings: what put() lays there is received, what is sent
/// take() finds. Only one thread at a time may use it.
class RingPort {
  public:
    /// A port with room for `room` - 1 packets each way; a power of two.
    explicit RingPort(unsigned room = 512);
    ~RingPort();
    RingPort(const RingPort&) = delete;
    RingPort& operator=(const RingPort&) = delete;

    void put(rte_mbuf* packet);
    /// What was sent and not taken yet, in order.
    std::vector<rte_mbuf*> take();
    [[nodiscard]] const Port& port() const { return port_; }

  private:
    std::string name_;
    rte_ring* in_;
    rte_ring* out_;
    Port port_;
};

/// A ring that lives as long as this; what is in it then is freed.
class Ring {
  public:
    explicit Ring(unsigned size);
    ~Ring();
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    [[nodiscard]] rte_ring* get() const { return ring_; }

  private:
    rte_ring* ring_;
};

}  // namespace pipeline
}  // namespace tandem
