#include "healthcheck/schedule.h"

#include <algorithm>
#include <array>
#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace tandem::health {
namespace {

using std::chrono::milliseconds;
constexpr auto kAllBits = std::numeric_limits<std::uint64_t>::max();

conf::Check check_every(milliseconds interval, int jitter_percent = 10) {
    conf::Check check;
    check.interval = interval;
    check.jitter_percent = jitter_percent;
    return check;
}

TEST(Schedule, JitterOnlyShortensAnIntervalAndReachesBothEnds) {
    const conf::Check check = check_every(milliseconds{2000}, 10);
    const Instant started{milliseconds{5000}};
    EXPECT_EQ(next_start(check, started, 0), started + milliseconds{2000});
    EXPECT_EQ(next_start(check, started, kAllBits), started + milliseconds{1800});
}

TEST(Schedule, JitterIsEven) {
    const conf::Check check = check_every(milliseconds{1000}, 50);
    std::mt19937_64 random(1);
    constexpr int kDraws = 100'000;
    constexpr int kBins = 10;
    std::array<int, kBins> bins{};
    for (int i = 0; i < kDraws; ++i) {
        const Duration gap = next_start(check, Instant{}, random()) - Instant{};
        ASSERT_GE(gap, milliseconds{500});
        ASSERT_LE(gap, milliseconds{1000});
        ++bins[std::min<std::size_t>(
            static_cast<std::size_t>((gap - milliseconds{500}) / milliseconds{50}), kBins - 1)];
    }
    for (const int bin : bins) EXPECT_NEAR(bin, kDraws / kBins, 500);  // over five sigma
}

TEST(Schedule, WithoutJitterTheIntervalIsExact) {
    const conf::Check check = check_every(milliseconds{777}, 0);
    for (const std::uint64_t random : {std::uint64_t{0}, std::uint64_t{12345}, kAllBits}) {
        EXPECT_EQ(next_start(check, Instant{}, random), Instant{milliseconds{777}});
    }
}

TEST(Schedule, NeitherAnHourNorFullJitterOverflows) {
    const conf::Check check = check_every(std::chrono::hours{1}, 100);
    EXPECT_EQ(next_start(check, Instant{}, 0), Instant{std::chrono::hours{1}});
    EXPECT_EQ(next_start(check, Instant{}, kAllBits), Instant{});
}

TEST(Schedule, AThousandBackendsStartEvenlyOverTheInterval) {
    const conf::Check check = check_every(milliseconds{1000});
    constexpr std::size_t kCount = 1000;
    std::array<int, 10> started{};  // in each tenth of the interval
    for (std::size_t i = 0; i < kCount; ++i) {
        const Duration delay = first_delay(check, i, kCount);
        ASSERT_GE(delay, Duration{0});
        ASSERT_LT(delay, check.interval);
        ++started[static_cast<std::size_t>(delay / milliseconds{100})];
    }
    for (const int count : started) EXPECT_EQ(count, 100);
}

TEST(Schedule, AFewBackendsStartAtOnceWhateverTheInterval) {
    const conf::Check check = check_every(std::chrono::hours{1});
    EXPECT_EQ(first_delay(check, 0, 3), Duration{0});
    EXPECT_LE(first_delay(check, 2, 3), milliseconds{10});
    EXPECT_GT(first_delay(check, 2, 3), first_delay(check, 1, 3));
}

TEST(Schedule, ATimeoutNeverExceedsTheInterval) {
    conf::Check check = check_every(milliseconds{500});
    check.timeout = milliseconds{3000};
    EXPECT_EQ(probe_timeout(check), milliseconds{500});
    check.timeout = milliseconds{200};
    EXPECT_EQ(probe_timeout(check), milliseconds{200});
}

}  // namespace
}  // namespace tandem::health
