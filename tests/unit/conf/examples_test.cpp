// conf/examples: what people copy has to load, and the complete one has to be complete.
#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <toml++/toml.h>

#include "conf/load.h"
#include "conf/root.h"

namespace tandem::conf {
namespace {

const std::string kExamples = std::string(TANDEM_ROOT) + "/conf/examples/";

std::string text_of(const std::string& path) {
    std::ifstream file(path);
    EXPECT_TRUE(file) << path;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

Config load_example(const std::string& name) {
    const Loaded loaded = load_file(kExamples + name);
    for (const Diagnostic& diagnostic : loaded.diagnostics) ADD_FAILURE() << diagnostic.str();
    return loaded.config.value_or(Config{});
}

/// "port.mtu" for every key of a section [port.NAME], and of the tables inside it.
void add_keys(const std::string& kind, const toml::node& node, std::set<std::string>& keys) {
    if (const toml::array* array = node.as_array()) {
        for (const toml::node& item : *array) {
            if (item.is_table()) add_keys("pool.backends", item, keys);
        }
    }
    if (kind == "port.neighbours" || !node.is_table()) return;
    for (const auto& [key, value] : *node.as_table()) {
        const std::string name = kind + '.' + std::string(key.str());
        keys.insert(name);
        add_keys(name, value, keys);
    }
}

std::set<std::string> keys_in(const toml::table& file) {
    std::set<std::string> keys;
    for (const auto& [key, value] : file) {
        const std::string kind(key.str());
        keys.insert(kind);
        if (kind == "dataplane" || kind == "flows" || kind == "control" || kind == "pair") {
            add_keys(kind, value, keys);
            continue;
        }
        if (const toml::array* sections = value.as_array()) {
            for (const toml::node& section : *sections) add_keys(kind, section, keys);
            continue;
        }
        for (const auto& [name, section] : *value.as_table()) add_keys(kind, section, keys);
    }
    return keys;
}

TEST(Examples, TheMinimalOneLoads) {
    const Config config = load_example("minimal.toml");
    ASSERT_EQ(config.pools.size(), 1U);
    EXPECT_EQ(config.pools[0].backends.size(), 2U);
    EXPECT_EQ(config.vips.at(0).pool, "web");
    EXPECT_EQ(config.dataplane, Dataplane{});
}

TEST(Examples, TheMinimalOneIsTheOneOfTheReadme) {
    const std::string example = text_of(kExamples + "minimal.toml");
    const std::string file = example.substr(example.find('['));
    EXPECT_NE(text_of(std::string(TANDEM_ROOT) + "/README.md").find("```toml\n" + file + "```"),
              std::string::npos);
}

/// The lines from this one on up to the first empty one, all of them indented.
std::string indented_block(const std::string& text, const std::string& first) {
    std::istringstream lines(text.substr(std::min(text.find("    " + first + '\n'), text.size())));
    std::string block;
    for (std::string line; std::getline(lines, line) && line.starts_with("    ");) {
        block += line.substr(4) + '\n';
    }
    return block;
}

TEST(Examples, WhatTheReadmeAddsForAPairLoads) {
    const std::string readme = text_of(std::string(TANDEM_ROOT) + "/README.md");
    const Loaded loaded =
        load_text(text_of(kExamples + "minimal.toml") + indented_block(readme, "[[group]]") +
                      indented_block(readme, "[pair]"),
                  "pair.toml");
    for (const Diagnostic& diagnostic : loaded.diagnostics) ADD_FAILURE() << diagnostic.str();
    ASSERT_TRUE(loaded.config);
    ASSERT_EQ(loaded.config->groups.size(), 1U);
    EXPECT_EQ(loaded.config->vips.at(0).group, loaded.config->groups[0].name);
    ASSERT_TRUE(loaded.config->pair);
    EXPECT_EQ(loaded.config->pair->peers.size(), 1U);
}

TEST(Examples, TheCompleteOneLoads) {
    const Config config = load_example("complete.toml");
    EXPECT_EQ(config.ports.size(), 2U);
    EXPECT_EQ(config.pools.at(1).backends.size(), 3U);
    ASSERT_EQ(config.vips.size(), 2U);
    ASSERT_EQ(config.groups.size(), 1U);
    for (const Vip& vip : config.vips) EXPECT_EQ(vip.group, config.groups[0].name);
}

TEST(Examples, TheCompleteOneHasEveryKeyThereIs) {
    const std::string text = text_of(kExamples + "complete.toml");
    const toml::table file = toml::parse(std::string_view(text));
    Report report("complete.toml", text);
    read_root(file, report);
    EXPECT_TRUE(report.take().empty());
    EXPECT_EQ(keys_in(file), report.keys());
    EXPECT_GT(report.keys().size(), 40U);
}

TEST(Examples, TheCompleteOneShowsTheDefaults) {
    const Config config = load_example("complete.toml");
    Dataplane dataplane = config.dataplane;
    dataplane.eal_args.clear();  // has no default worth showing
    EXPECT_EQ(dataplane, Dataplane{});
    EXPECT_EQ(config.control, Control{});
    EXPECT_EQ(config.flows, Flows{});
    Pair pair = config.pair.value_or(Pair{});
    pair.peers.clear();
    pair.locals.clear();
    EXPECT_EQ(pair, Pair{});
    Check check = config.pools.at(1).check;
    check.type = Check{}.type;
    check.path = Check{}.path;
    check.host.clear();
    check.port.reset();
    EXPECT_EQ(check, Check{});
    EXPECT_EQ(config.ports.at(1).mtu, Port{}.mtu);
    EXPECT_EQ(config.pools[1].mode, Pool{}.mode);
    EXPECT_EQ(config.pools[1].slots, Pool{}.slots);
    Group group = config.groups.at(0);
    group.name.clear();
    group.port.clear();
    group.router_id = 0;
    group.peers.clear();
    EXPECT_EQ(group, Group{});
}

}  // namespace
}  // namespace tandem::conf
