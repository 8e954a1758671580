// The fuzzer's properties over a bounded number of random mutations, the same ones in every run:
// the part of fuzzing that an ordinary test run affords. tests/fuzz/run searches on.
#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tests/fuzz/one_frame.h"
#include "tests/fuzz/seeds.h"

namespace tandem::fuzz {
namespace {

using test::Bytes;
using Random = std::mt19937;

std::size_t below(Random& random, std::size_t bound) {
    return random() % bound;
}

/// Values that lengths, offsets and types turn at.
std::uint8_t interesting_byte(Random& random) {
    constexpr std::array<std::uint8_t, 16> kBytes{0,  1,  4,  5,  6,   7,   8,   17,
                                                  44, 51, 58, 60, 127, 128, 254, 255};
    return random() % 2 == 0 ? kBytes[below(random, kBytes.size())]
                             : static_cast<std::uint8_t>(random());
}

void mutate(Random& random, Bytes& frame) {
    const std::size_t at = below(random, std::max<std::size_t>(frame.size(), 1));
    switch (random() % 6) {
        case 0:
            frame.resize(at);
            break;
        case 1:
            frame.insert(frame.end(), below(random, 64), interesting_byte(random));
            break;
        case 2:  // headers move, as with options
            frame.insert(frame.begin() + static_cast<std::ptrdiff_t>(std::min(at, frame.size())), 8,
                         interesting_byte(random));
            break;
        default:  // most often one byte, most often one of the headers'
            if (!frame.empty())
                frame[at % std::min<std::size_t>(frame.size(), 96)] = interesting_byte(random);
    }
}

TEST(Mutations, LeaveEveryPropertyOfThePacketPathIntact) {
    constexpr int kRounds = 1'000'000;
    const std::vector<Bytes> frames = seeds();
    Random random(20'251);
    for (int round = 0; round < kRounds; ++round) {
        Bytes frame = frames[below(random, frames.size())];
        const std::size_t count = below(random, 5);
        for (std::size_t i = 0; i < count; ++i) mutate(random, frame);
        check_frame(frame);
    }
}

TEST(Mutations, StartFromFramesThatAreNotMalformed) {
    for (const Bytes& frame : seeds()) EXPECT_NE(test::kind_of(frame), PacketKind::kMalformed);
}

}  // namespace
}  // namespace tandem::fuzz
