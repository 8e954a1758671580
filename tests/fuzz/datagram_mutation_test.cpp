// The fuzzer's properties of what the peer sends over a bounded number of random mutations, the
// same ones in every run. tests/fuzz/run searches on.
#include <gtest/gtest.h>

#include "tests/fuzz/datagram_seeds.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/one_datagram.h"

namespace tandem::fuzz {
namespace {

using test::Bytes;

TEST(Mutations, LeaveEveryPropertyOfMessagesIntact) {
    check_mutations(message_seeds(), check_message, 50'000);
}

TEST(Mutations, LeaveEveryPropertyOfRecordsIntact) {
    check_mutations(record_seeds(), check_record, 150'000);
}

TEST(Mutations, LeaveEveryPropertyOfAdvertisementsIntact) {
    check_mutations(advert_seeds(), check_advert, 150'000);
}

// A key is derived for every sender that is not known: ten times as dear as the rest.
TEST(Mutations, OfSealedDatagramsAreNeverBelieved) {
    check_mutations(sealed_seeds(), check_envelope, 15'000);
}

TEST(Mutations, StartFromWhatIsRead) {
    for (const Bytes& seed : message_seeds()) EXPECT_TRUE(pair::decode(seed));
    for (const Bytes& seed : record_seeds()) EXPECT_TRUE(pair::decode_record(seed));
    for (const Bytes& seed : advert_seeds()) {
        EXPECT_TRUE(std::holds_alternative<pair::Advert>(pair::read_advert(seed)));
    }
    for (const Bytes& seed : sealed_seeds()) {
        EXPECT_TRUE(std::holds_alternative<pair::Opened>(seed_session(1).open(seed)));
    }
}

}  // namespace
}  // namespace tandem::fuzz
