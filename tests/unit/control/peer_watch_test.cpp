#include "control/peer_watch.h"

#include <cstring>
#include <memory>

#include <gtest/gtest.h>

namespace tandem {
namespace {

using tables::HealthState;

class PeerWatchTest : public testing::Test {
  protected:
    void say_key(const plan::TableKey& key) {
        std::array<std::uint64_t, 2> words{};
        std::memcpy(words.data(), key.key.bytes.data(), sizeof(words));
        views_->hash_key[0] = words[0];
        views_->hash_key[1] = words[1];
        views_->hash_key_born_ms = key.born_ms;
    }
    bool look() { return watch_.look(*views_); }

    std::unique_ptr<tables::PeerViews> views_ = std::make_unique<tables::PeerViews>();
    PeerWatch watch_;
};

TEST_F(PeerWatchTest, KnowsNothingOfAPeerThatIsNotHeard) {
    EXPECT_TRUE(look()) << "of another dataplane something else may have been known";
    EXPECT_FALSE(look());
    EXPECT_FALSE(watch_.is_known());
    EXPECT_TRUE(watch_.verdicts().empty());
    EXPECT_FALSE(watch_.key());
}

TEST_F(PeerWatchTest, ReadsVerdictsWhenTheSerialHasGrown) {
    look();
    views_->is_known = true;
    views_->verdicts[7] = HealthState::kDown;
    EXPECT_FALSE(look()) << "it may not be complete yet";
    ++views_->serial;
    EXPECT_TRUE(look());
    EXPECT_TRUE(watch_.is_known());
    EXPECT_EQ(watch_.serial(), 1U);
    EXPECT_EQ(watch_.verdicts()[7], HealthState::kDown);
    EXPECT_EQ(watch_.verdicts()[8], HealthState::kUnused);
    EXPECT_FALSE(look());
}

TEST_F(PeerWatchTest, HasNoVerdictsOfAPeerThatIsHeardNoMore) {
    views_->is_known = true;
    ++views_->serial;
    look();
    views_->is_known = false;
    ++views_->serial;
    EXPECT_TRUE(look());
    EXPECT_FALSE(watch_.is_known());
    EXPECT_TRUE(watch_.verdicts().empty());
}

TEST_F(PeerWatchTest, BelievesAKeyThatItHasSeenTwice) {
    const plan::TableKey key{.key = {{1, 2, 3}}, .born_ms = 9};
    say_key(key);
    ++views_->serial;
    EXPECT_TRUE(look());
    EXPECT_FALSE(watch_.key());
    EXPECT_TRUE(look()) << "this is the second look";
    EXPECT_EQ(watch_.key(), key);
    EXPECT_FALSE(look());
    say_key({.key = {{1, 2, 4}}, .born_ms = 9});
    EXPECT_FALSE(look());
    EXPECT_EQ(watch_.key(), key);
    say_key({.key = {{1, 2, 5}}, .born_ms = 9});
    EXPECT_FALSE(look()) << "it was another one still";
    EXPECT_TRUE(look());
    EXPECT_EQ(watch_.key()->key.bytes[2], 5);
}

TEST_F(PeerWatchTest, BeginsAnewWithAnotherDataplane) {
    views_->is_known = true;
    ++views_->serial;
    look();
    watch_.forget();
    EXPECT_FALSE(watch_.is_known());
    EXPECT_TRUE(look());
    EXPECT_TRUE(watch_.is_known());
}

}  // namespace
}  // namespace tandem
