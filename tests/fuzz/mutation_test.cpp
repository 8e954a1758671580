// The fuzzer's properties over a bounded number of random mutations, the same ones in every run:
// the part of fuzzing that an ordinary test run affords. tests/fuzz/run searches on.
#include <gtest/gtest.h>

#include "tests/fuzz/mutate.h"
#include "tests/fuzz/one_frame.h"
#include "tests/fuzz/seeds.h"

namespace tandem::fuzz {
namespace {

using test::Bytes;

TEST(Mutations, LeaveEveryPropertyOfThePacketPathIntact) {
    check_mutations(seeds(), check_frame, 200'000);
}

TEST(Mutations, StartFromFramesThatAreNotMalformed) {
    for (const Bytes& frame : seeds()) EXPECT_NE(test::kind_of(frame), PacketKind::kMalformed);
}

}  // namespace
}  // namespace tandem::fuzz
