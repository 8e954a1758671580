// Whether workers run, judged by somebody who may have been away.
#include <gtest/gtest.h>

#include "dataplane/pair_link.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLimit{50};

class WorkerWatchTest : public testing::Test {
  protected:
    /// Time passes in steps, and the first `running` workers pass their loops.
    bool all_run_after(milliseconds time, milliseconds step, std::size_t running) {
        bool all = true;
        for (milliseconds passed{0}; passed < time; passed += step) {
            now_ += step;
            for (std::size_t i = 0; i < running; ++i) tables::add(workers_[i].loops, 1);
            all = watch_.all_run(workers_, now_);
        }
        return all;
    }

    std::array<tables::WorkerCounters, 2> workers_;
    WorkerWatch watch_{2, kLimit};
    Instant now_{std::chrono::hours(1)};
};

TEST_F(WorkerWatchTest, OneThatStandsStillIsMissedAfterTheLimit) {
    EXPECT_TRUE(all_run_after(milliseconds(100), milliseconds(1), 2));
    EXPECT_TRUE(all_run_after(milliseconds(49), milliseconds(1), 1));
    EXPECT_FALSE(all_run_after(milliseconds(1), milliseconds(1), 1));
    EXPECT_FALSE(all_run_after(milliseconds(100), milliseconds(1), 1));
    EXPECT_TRUE(all_run_after(milliseconds(1), milliseconds(1), 2)) << "it is back";
}

TEST_F(WorkerWatchTest, WhoWasAwayHimselfBlamesNobody) {
    EXPECT_TRUE(all_run_after(milliseconds(100), milliseconds(1), 2));
    EXPECT_TRUE(all_run_after(milliseconds(60), milliseconds(60), 0)) << "all were stopped";
    EXPECT_TRUE(all_run_after(milliseconds(49), milliseconds(1), 1));
    EXPECT_FALSE(all_run_after(milliseconds(1), milliseconds(1), 1));
}

}  // namespace
}  // namespace tandem
