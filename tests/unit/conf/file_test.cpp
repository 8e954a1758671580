// load_file: what is on the disk, and what is not.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "conf/load.h"
#include "tests/unit/conf/loading.h"

namespace tandem::conf {
namespace {

namespace fs = std::filesystem;

class File : public ::testing::Test {
  protected:
    File() {
        std::string pattern = ::testing::TempDir() + "tandem-conf-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
    }
    ~File() override { fs::remove_all(directory_); }

    fs::path write(std::string_view text) {
        fs::path path = directory_ / "tandem.toml";
        std::ofstream(path, std::ios::binary) << text;
        return path;
    }

    fs::path directory_;
};

std::string only_error(const Loaded& loaded) {
    EXPECT_FALSE(loaded.config);
    EXPECT_EQ(loaded.diagnostics.size(), 1U);
    return loaded.diagnostics.empty() ? "" : loaded.diagnostics[0].str();
}

TEST_F(File, IsLoaded) {
    const Loaded loaded = load_file(write(test::kPort));
    ASSERT_TRUE(loaded.config);
    EXPECT_TRUE(loaded.diagnostics.empty());
    EXPECT_EQ(loaded.config->ports.at(0).name, "wan");
}

TEST_F(File, IsNamedInItsErrors) {
    const fs::path path = write("[port.wan]\nmtu = 1\n");
    const Loaded loaded = load_file(path);
    ASSERT_EQ(loaded.diagnostics.size(), 2U);
    EXPECT_EQ(loaded.diagnostics[1].str(),
              path.string() +
                  ":2:7: error: port.wan.mtu must be an integer from 68 to 9000, not 1\n"
                  "    2 | mtu = 1\n"
                  "      |       ^");
}

TEST_F(File, ThatIsNotThereOrNoneIsAnErrorWithoutAPlace) {
    const fs::path missing = directory_ / "nosuch.toml";
    EXPECT_EQ(only_error(load_file(missing)),
              "error: cannot read " + missing.string() + ": No such file or directory");
    EXPECT_EQ(only_error(load_file(directory_)),
              "error: cannot read " + directory_.string() + ": Is a directory");
    EXPECT_EQ(only_error(load_file("")), "error: cannot read : No such file or directory");
}

TEST_F(File, ThatIsEmptyHasNoPorts) {
    const fs::path path = write("");
    EXPECT_EQ(only_error(load_file(path)),
              path.string() + ":1:1: error: there is no section [port.NAME]; one is needed");
}

TEST_F(File, OfAMegabyteIsRead) {
    std::string text(test::kPort);
    text += "[pool.web]\nbackends = [\n";
    std::size_t backends = 0;
    for (; text.size() < 1U << 20U; ++backends) {
        text += "  { address = \"10." + std::to_string(backends >> 8U & 255U) + '.' +
                std::to_string(backends & 255U) + ".7:80\", weight = 10 },\n";
    }
    const Loaded loaded = load_file(write(text + "]\n"));
    ASSERT_TRUE(loaded.config) << loaded.diagnostics.at(0).str();
    EXPECT_EQ(loaded.config->pools.at(0).backends.size(), backends);
}

TEST_F(File, OfAMegabyteOfErrorsHasAHundredShown) {
    std::string text = "[pool.web]\nbackends = [ ";
    while (text.size() < 1U << 20U) text += "\"web1:80\",\n";
    const Loaded loaded = load_file(write(text + "]\n"));
    EXPECT_FALSE(loaded.config);
    EXPECT_EQ(loaded.diagnostics.size(), 101U);
}

TEST_F(File, OfAMegabyteOfNothingIsAnError) {
    only_error(load_file(write(std::string(1U << 20U, '\0'))));
    only_error(load_file(write(std::string(1U << 20U, '['))));
    only_error(load_file(write(std::string(1U << 20U, 'a'))));
    only_error(load_file(write(std::string(1U << 20U, '"'))));
}

TEST_F(File, WithoutEndIsNotReadToIt) {
    EXPECT_EQ(only_error(load_file("/dev/zero")),
              "error: cannot read /dev/zero: it is larger than 16MiB");
}

}  // namespace
}  // namespace tandem::conf
