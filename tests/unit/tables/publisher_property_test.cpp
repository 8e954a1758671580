// A publisher, its readers and its deaths in random order, checked against what was published.
#include <optional>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "tests/unit/tables/stamped.h"

namespace tandem::tables {
namespace {

constexpr Instant kStandingStill{};  // time stands still: no reader is ever left out

class Model {
  public:
    Model(std::uint64_t seed, std::size_t arena_pages, bool is_killed)
        : random_(seed), f_(arena_pages), is_killed_(is_killed) {
        publisher_.emplace(f_.region, f_.cells);
        for (std::size_t i = 0; i < f_.cells.size(); ++i) readers_.push_back(f_.reader(i));
        is_running_.resize(readers_.size());
    }

    void run(int steps) {
        for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
            step();
            check();
        }
        for (GenerationReader& reader : readers_) reader.leave();
        publisher_->abandon();
        publisher_->collect(kStandingStill);
        EXPECT_EQ(publisher_->free_bytes(),
                  arena_bytes(f_.region) - footprint(publisher_->current()));
    }

    [[nodiscard]] std::size_t published() const { return versions_.size(); }
    [[nodiscard]] std::size_t refused() const { return refused_; }
    [[nodiscard]] std::size_t reused() const { return reused_; }

  private:
    std::size_t below(std::size_t bound) { return random_() % bound; }

    void step() {
        const std::size_t reader = below(readers_.size());
        switch (below(is_killed_ ? 9 : 8)) {
            case 0:
            case 1:
            case 2:
                publish();
                break;
            case 3:
                EXPECT_EQ(publisher_->collect(kStandingStill), 0U);
                break;
            case 4:
            case 5:
            case 6:
                if (is_running_[reader]) readers_[reader].adopt();
                break;
            case 7:
                is_running_[reader] = !is_running_[reader];
                is_running_[reader] ? readers_[reader].join() : readers_[reader].leave();
                break;
            default:  // the writer is killed, with or without blocks it has not published
                if (below(2) == 0) static_cast<void>(stamped_blocks(*publisher_, {5000, 8}));
                publisher_.emplace(f_.region, f_.cells);
                EXPECT_EQ(publisher_->generation(), versions_.size());
        }
    }

    void publish() {
        std::vector<BlockRef> next = current_of(*publisher_);
        next.resize(1 + below(6));
        for (BlockRef& block : next) {
            if (block.size_bytes != 0 && below(2) == 0) continue;
            const std::vector<BlockRef> fresh =
                stamped_blocks(*publisher_, {8 * (1 + below(2500))});
            if (fresh.empty()) {
                ++refused_;
                return;
            }
            block = fresh[0];
        }
        if (below(10) == 0) {
            publisher_->abandon();
            return;
        }
        const Result<std::uint64_t> generation = publisher_->publish(next);
        if (!generation) {
            ++refused_;
            publisher_->abandon();
            return;
        }
        versions_.push_back(next);
        ASSERT_EQ(generation.value(), versions_.size());
        for (const BlockRef& block : next) reused_ += !offsets_.insert(block.offset).second;
    }

    /// Every running reader still finds the whole of what it has adopted.
    void check() {
        for (const GenerationReader& reader : readers_) {
            const std::uint64_t generation = reader.adopted();
            if (generation == 0) continue;
            const std::span<const BlockRef> found = f_.region.references(generation);
            ASSERT_TRUE(std::ranges::equal(found, versions_[generation - 1])) << generation;
            ASSERT_TRUE(all_whole(f_.region, found)) << generation;
            ASSERT_TRUE(reader.still_intact());
        }
        if (!versions_.empty()) {
            ASSERT_TRUE(std::ranges::equal(publisher_->current(), versions_.back()));
        }
    }

    std::mt19937_64 random_;
    RegionWithReaders f_;
    bool is_killed_;
    std::optional<Publisher> publisher_;
    std::vector<GenerationReader> readers_;
    std::vector<bool> is_running_;
    std::vector<std::vector<BlockRef>> versions_;
    std::set<std::uint64_t> offsets_;
    std::size_t refused_ = 0;
    std::size_t reused_ = 0;
};

class PublisherProperty : public testing::TestWithParam<bool> {};

TEST_P(PublisherProperty, NothingIsReusedWhileARunningReaderMayLookAtIt) {
    std::size_t published = 0;
    std::size_t refused = 0;
    std::size_t reused = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Model model(seed, 24 + seed % 64, GetParam());
        model.run(1000);
        published += model.published();
        refused += model.refused();
        reused += model.reused();
        if (HasFailure()) return;
    }
    EXPECT_GT(published, 5000U);  // or nothing much was tried
    EXPECT_GT(refused, 500U);
    EXPECT_GT(reused, 5000U);
}

INSTANTIATE_TEST_SUITE_P(Writer, PublisherProperty, testing::Bool(),
                         [](const auto& test) { return test.param ? "Killed" : "Living"; });

}  // namespace
}  // namespace tandem::tables
