// Whatever happens to a file, it gives a configuration or says why not. The same mutations in every
// run.
#include <algorithm>
#include <array>
#include <fstream>
#include <random>
#include <sstream>

#include <gtest/gtest.h>

#include "conf/load.h"

namespace tandem::conf {
namespace {

using Random = std::mt19937;

std::string complete_example() {
    std::ostringstream text;
    text << std::ifstream(std::string(TANDEM_ROOT) + "/conf/examples/complete.toml").rdbuf();
    return text.str();
}

/// The example without its comments: nearly every byte that is changed means something.
std::string without_comments(const std::string& text) {
    std::istringstream lines(text);
    std::string kept;
    for (std::string line; std::getline(lines, line);) {
        if (!line.empty() && line[0] != '#') kept += line + '\n';
    }
    return kept;
}

std::size_t below(Random& random, std::size_t bound) {
    return random() % std::max<std::size_t>(bound, 1);
}

char any_byte(Random& random) {
    constexpr std::string_view kMeaningful = "[]{}\"'=,.#:/-_\\\n\t *%019ate\0\xff\xc3";
    return random() % 4 == 0 ? static_cast<char>(random() % 256)
                             : kMeaningful[below(random, kMeaningful.size())];
}

void mutate(Random& random, std::string& text) {
    const std::size_t at = below(random, text.size());
    switch (random() % 8) {
        case 0:
            text.erase(at, below(random, 20));
            break;
        case 1:
            text.insert(at, text.substr(below(random, text.size()), below(random, 200)));
            break;
        case 2:
            text.insert(at, 1, any_byte(random));
            break;
        case 3:  // a line twice, or where it was not
            text.insert(text.find('\n', at) == text.npos ? 0 : text.find('\n', at) + 1,
                        text.substr(at, text.find('\n', at) - at) + '\n');
            break;
        default:
            if (!text.empty()) text[at] = any_byte(random);
    }
}

void check_references(const Config& config) {
    ASSERT_TRUE(std::ranges::is_sorted(config.pools, {}, &Pool::name));
    ASSERT_TRUE(std::ranges::is_sorted(config.groups, {}, &Group::name));
    for (const Vip& vip : config.vips) {
        ASSERT_NE(std::ranges::find(config.pools, vip.pool, &Pool::name), config.pools.end());
        const auto group = std::ranges::find(config.groups, vip.group, &Group::name);
        ASSERT_EQ(group == config.groups.end(), config.groups.empty());
        ASSERT_EQ(vip.group.empty(), config.groups.empty());
    }
    for (const Group& group : config.groups) {
        ASSERT_NE(std::ranges::find(config.ports, group.port, &Port::name), config.ports.end());
        ASSERT_NE(std::ranges::find(config.vips, group.name, &Vip::group), config.vips.end());
        ASSERT_NE(group.router_id, 0);
        ASSERT_EQ(group.interval % milliseconds{10}, milliseconds{0});
    }
}

void check(const std::string& text, const Loaded& loaded) {
    ASSERT_NE(loaded.config.has_value(), !loaded.diagnostics.empty()) << text;
    const auto lines = 1 + std::ranges::count(text, '\n');
    Position last;
    for (const Diagnostic& diagnostic : loaded.diagnostics) {
        ASSERT_GE(diagnostic.at.line, 1U) << diagnostic.message;
        ASSERT_GE(diagnostic.at.column, 1U) << diagnostic.message;
        ASSERT_LE(diagnostic.at.line, lines) << diagnostic.message;
        ASSERT_LE(last, diagnostic.at);
        ASSERT_FALSE(diagnostic.message.empty());
        ASSERT_TRUE(diagnostic.str().starts_with("m.toml:"));
        last = diagnostic.at;
    }
    if (!loaded.config) return;
    ASSERT_FALSE(loaded.config->ports.empty());
    check_references(*loaded.config);
}

TEST(Mutation, GivesAConfigurationOrSaysWhyNot) {
    constexpr int kRounds = 4'000;
    const std::string complete = complete_example();
    const std::array<std::string, 2> originals{without_comments(complete), complete};
    Random random(20'251);
    int loaded = 0;
    for (int round = 0; round < kRounds; ++round) {
        std::string text = originals[round % 8 == 0 ? 1 : 0];
        const std::size_t count = 1 + below(random, 3);
        for (std::size_t i = 0; i < count; ++i) mutate(random, text);
        const Loaded result = load_text(text, "m.toml");
        check(text, result);
        if (::testing::Test::HasFatalFailure()) return;
        loaded += result.config ? 1 : 0;
    }
    EXPECT_GT(loaded, kRounds / 50) << "mutations that leave a file valid are tested too";
    EXPECT_LT(loaded, kRounds / 2);
}

TEST(Mutation, OfWhereAFileEndsIsNoExceptionToThat) {
    const std::string text = without_comments(complete_example());
    for (std::size_t size = 0; size <= text.size(); ++size) {
        const std::string part = text.substr(0, size);
        check(part, load_text(part, "m.toml"));
    }
}

}  // namespace
}  // namespace tandem::conf
