#include "control/hash_key.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include <gtest/gtest.h>

namespace tandem {
namespace {

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
    const Result<HashKey> made = obtain_hash_key(state);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_NE(made.value(), HashKey{});
    EXPECT_EQ(obtain_hash_key(state).value(), made.value());
    struct stat status {};
    ASSERT_EQ(::stat((state + "/hash_key").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(HashKeyTest, IsAnotherElsewhere) {
    EXPECT_NE(obtain_hash_key(directory_ / "a").value(), obtain_hash_key(directory_ / "b").value());
}

TEST_F(HashKeyTest, IsReplacedWhenSaved) {
    ASSERT_TRUE(obtain_hash_key(directory_));
    ASSERT_TRUE(save_hash_key(directory_, HashKey{{9}}));
    EXPECT_EQ(obtain_hash_key(directory_).value(), (HashKey{{9}}));
}

TEST_F(HashKeyTest, AFileOfAnotherLengthIsAnErrorAndIsLeftAlone) {
    for (const char* content : {"", "short", "seventeen letters"}) {
        std::ofstream(directory_ / "hash_key") << content;
        const Result<HashKey> key = obtain_hash_key(directory_);
        ASSERT_FALSE(key) << content;
        EXPECT_NE(key.error().message.find("hash_key"), std::string::npos);
        EXPECT_EQ(std::filesystem::file_size(directory_ / "hash_key"), std::string(content).size());
    }
}

TEST_F(HashKeyTest, ADirectoryThatCannotBeMadeIsAnError) {
    std::ofstream(directory_ / "file") << "x";
    EXPECT_FALSE(obtain_hash_key(directory_ / "file" / "state"));
}

}  // namespace
}  // namespace tandem
