#include "control/hash_key.h"

#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include <gtest/gtest.h>

namespace tandem {
namespace {

using plan::is_to_be_adopted;
using plan::TableKey;

class HashKeyTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string directory = std::filesystem::temp_directory_path() / "tandem-XXXXXX";
        ASSERT_NE(::mkdtemp(directory.data()), nullptr);
        directory_ = directory;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    std::filesystem::path directory_;
};

TEST_F(HashKeyTest, IsMadeOnceAndThenFoundAgain) {
    const std::string state = directory_ / "not" / "there";
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const Result<TableKey> made = obtain_hash_key(state);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_NE(made.value().key, HashKey{});
    EXPECT_GE(made.value().born_ms, static_cast<std::uint64_t>(now / std::chrono::milliseconds(1)));
    EXPECT_EQ(obtain_hash_key(state).value(), made.value());
    struct stat status {};
    ASSERT_EQ(::stat((state + "/hash_key").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(HashKeyTest, IsAnotherElsewhere) {
    EXPECT_NE(obtain_hash_key(directory_ / "a").value().key,
              obtain_hash_key(directory_ / "b").value().key);
}

TEST_F(HashKeyTest, IsReplacedWhenSaved) {
    ASSERT_TRUE(obtain_hash_key(directory_));
    const TableKey saved{.key = {{0, 0xff, 9}}, .born_ms = 1'764'214'000'000};
    ASSERT_TRUE(save_hash_key(directory_, saved));
    EXPECT_EQ(obtain_hash_key(directory_).value(), saved);
}

TEST_F(HashKeyTest, OfAnEarlierReleaseIsAsOldAsItsFile) {
    const std::filesystem::path path = directory_ / "hash_key";
    std::ofstream(path) << "sixteen letters!";
    const timespec times[]{{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                           {.tv_sec = 1'600'000'000, .tv_nsec = 250'000'000}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), static_cast<const timespec*>(times), 0), 0);
    const TableKey key = obtain_hash_key(directory_).value();
    EXPECT_EQ(key.key.bytes[0], 's');
    EXPECT_EQ(key.key.bytes[15], '!');
    EXPECT_EQ(key.born_ms, 1'600'000'000'250U);
    EXPECT_EQ(std::filesystem::file_size(path), 16U) << "left as it is";
}

TEST_F(HashKeyTest, AFileThatHoldsNoKeyIsAnErrorAndIsLeftAlone) {
    const std::string digits(32, 'a');
    for (const std::string& content :
         {std::string(), std::string("short"), std::string("seventeen letters"), digits + " 1",
          digits + '\n', digits + " \n", digits + " 0\n", digits + " -1\n", digits + " 1 \n",
          digits + "\t1\n", "g" + digits.substr(1) + " 1\n", digits + " 99999999999999999999\n",
          digits + " 1" + std::string(200, '0') + '\n', digits + " 1\n\n"}) {
        std::ofstream(directory_ / "hash_key") << content;
        const Result<TableKey> key = obtain_hash_key(directory_);
        ASSERT_FALSE(key) << content;
        EXPECT_NE(key.error().message.find("hash_key holds no key: remove it"), std::string::npos);
        EXPECT_EQ(std::filesystem::file_size(directory_ / "hash_key"), content.size());
    }
}

TEST_F(HashKeyTest, ADirectoryThatCannotBeMadeIsAnError) {
    std::ofstream(directory_ / "file") << "x";
    EXPECT_FALSE(obtain_hash_key(directory_ / "file" / "state"));
}

TEST(TableKey, OfThePeerIsAdoptedIfItIsOlder) {
    const TableKey old_key{.key = {{9}}, .born_ms = 1};
    const TableKey new_key{.key = {{1}}, .born_ms = 2};
    EXPECT_TRUE(is_to_be_adopted(old_key, new_key));
    EXPECT_FALSE(is_to_be_adopted(new_key, old_key)) << "the other one adopts ours";
}

TEST(TableKey, OfOneAgeIsAdoptedByOneOfTheTwo) {
    const TableKey first{.key = {{1, 9}}, .born_ms = 5};
    const TableKey second{.key = {{1, 10}}, .born_ms = 5};
    EXPECT_TRUE(is_to_be_adopted(first, second));
    EXPECT_FALSE(is_to_be_adopted(second, first));
}

TEST(TableKey, IsKeptIfThePeerHasTheSameOrHasNotSaid) {
    const TableKey ours{.key = {{1}}, .born_ms = 5};
    EXPECT_FALSE(is_to_be_adopted({.key = {{1}}, .born_ms = 1}, ours));
    EXPECT_FALSE(is_to_be_adopted({.key = {{0}}, .born_ms = 0}, ours));
}

TEST(HashKeyOfThePair, IsThatOfTheOneThatServesWhateverTheirAges) {
    const plan::TableKey old_key{.key = {{1}}, .born_ms = 1};
    const plan::TableKey new_key{.key = {{2}}, .born_ms = 2};
    EXPECT_TRUE(is_to_be_adopted(new_key, old_key, tables::KeyHolds::kPeers));
    EXPECT_FALSE(is_to_be_adopted(old_key, new_key, tables::KeyHolds::kOurs));
    EXPECT_FALSE(is_to_be_adopted({.key = {{3}}, .born_ms = 0}, old_key, tables::KeyHolds::kPeers))
        << "not heard yet";
}

}  // namespace
}  // namespace tandem
