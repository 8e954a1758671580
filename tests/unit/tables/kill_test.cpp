// Kills each of the two processes that share tables, 200 times, at random moments, and expects that
// no reader ever saw a torn table and that whoever comes back finds the truth.
#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <new>
#include <random>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>

#include <gtest/gtest.h>

#include "dataplane/base/check.h"
#include "tests/unit/tables/kill_actors.h"

namespace tandem::tables {
namespace {

constexpr std::uint64_t kSeed = 20'240'613;
constexpr int kKillsOfEach = 200;
constexpr auto kPatience = std::chrono::seconds(20);
constexpr std::uint64_t kStepsToSettle = 5;

/// A child process; killed with the object, if not before.
class Process {
  public:
    explicit Process(const std::function<void()>& work) : id_(::fork()) {
        CHECK(id_ >= 0);
        if (id_ != 0) return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        work();
        ::_exit(2);
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() { kill(); }

    void signal(int number) const { ::kill(id_, number); }
    void kill() {
        if (id_ == 0) return;
        signal(SIGKILL);
        ::waitpid(id_, nullptr, 0);
        id_ = 0;
    }
    /// False once it has ended by itself, which it never should.
    bool is_running() {
        if (::waitpid(id_, nullptr, WNOHANG) == 0) return true;
        id_ = 0;
        return false;
    }

  private:
    pid_t id_;
};

class Kills : public testing::Test {
  protected:
    void SetUp() override {
        std::string directory = std::filesystem::temp_directory_path() / "tandem-XXXXXX";
        ASSERT_NE(::mkdtemp(directory.data()), nullptr);
        directory_ = directory;
        void* page = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        ASSERT_NE(page, MAP_FAILED);
        progress_ = new (page) Progress;
        start_dataplane();
        start_control();
    }
    void TearDown() override {
        control_.reset();
        dataplane_.reset();
        std::filesystem::remove_all(directory_);
        if (progress_ != nullptr) ::munmap(progress_, sizeof(Progress));
    }

    std::size_t below(std::size_t bound) { return random_() % bound; }
    void pause_at_random(std::size_t max_us) {
        std::this_thread::sleep_for(std::chrono::microseconds(below(max_us)));
    }

    void start_control() {
        control_ = std::make_unique<Process>(
            [&, seed = random_()] { be_control(*progress_, directory_ / "socket", seed); });
    }
    void start_dataplane() {
        dataplane_ = std::make_unique<Process>(
            [&, seed = random_()] { be_dataplane(*progress_, directory_ / "socket", seed); });
    }

    void expect_both_running() {
        const bool are_running = control_->is_running() & dataplane_->is_running();
        ASSERT_TRUE(are_running && !progress_->failed) << progress_->complaint.data();
    }

    /// Waits until both hold the same memory and new plans come through to the workers.
    void settle() {
        const std::uint64_t published = progress_->published;
        const std::uint64_t verified = progress_->verified;
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (progress_->control_holds != progress_->dataplane_holds ||
               progress_->control_holds == 0 || progress_->published < published + kStepsToSettle ||
               progress_->verified < verified + kStepsToSettle) {
            ASSERT_NO_FATAL_FAILURE(expect_both_running());
            ASSERT_LT(std::chrono::steady_clock::now(), deadline)
                << "nothing moves: control holds " << progress_->control_holds << ", the dataplane "
                << progress_->dataplane_holds << ", published " << progress_->published - published
                << ", verified " << progress_->verified - verified;
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
    }

    void stop_for_a_moment(const Process& process) {
        process.signal(SIGSTOP);
        pause_at_random(30'000);
        process.signal(SIGCONT);
    }

    std::mt19937_64 random_{kSeed};
    std::filesystem::path directory_;
    Progress* progress_ = nullptr;
    std::unique_ptr<Process> control_;
    std::unique_ptr<Process> dataplane_;
};

TEST_F(Kills, NoReaderEverSeesATornTableAndTheTruthIsFoundAgain) {
    int control_kills = 0;
    int dataplane_kills = 0;
    ASSERT_NO_FATAL_FAILURE(settle());
    while (control_kills < kKillsOfEach || dataplane_kills < kKillsOfEach) {
        SCOPED_TRACE("after " + std::to_string(control_kills) + " kills of control and " +
                     std::to_string(dataplane_kills) + " of the dataplane");
        const bool is_control = below(2) == 0;
        if (below(8) == 0) stop_for_a_moment(below(2) == 0 ? *control_ : *dataplane_);
        pause_at_random(10'000);
        ASSERT_NO_FATAL_FAILURE(expect_both_running());

        Process& victim = is_control ? *control_ : *dataplane_;
        if (below(8) == 0) victim.signal(SIGSTOP);
        victim.kill();
        (is_control ? progress_->control_holds : progress_->dataplane_holds) = 0;
        // Memory that the other side holds outlives the victim; else both begin anew.
        const std::uint64_t kept =
            is_control ? progress_->dataplane_holds : progress_->control_holds;
        is_control ? start_control() : start_dataplane();
        ++(is_control ? control_kills : dataplane_kills);
        if (below(4) == 0) continue;  // and killed again before it is back
        ASSERT_NO_FATAL_FAILURE(settle());
        if (kept != 0) {
            ASSERT_EQ(progress_->control_holds, kept);
        }
    }
    ASSERT_NO_FATAL_FAILURE(settle());
    RecordProperty("plans", std::to_string(progress_->published));
    RecordProperty("verified", std::to_string(progress_->verified));
    RecordProperty("stale", std::to_string(progress_->stale));
    RecordProperty("left_out", std::to_string(progress_->left_out));
    RecordProperty("read_back", std::to_string(progress_->read_back));
    RecordProperty("handed_back", std::to_string(progress_->handed_back));
    // Or the test did not do what it is for.
    EXPECT_GT(progress_->verified, 1'000U);
    EXPECT_GT(progress_->read_back, 50U);
    EXPECT_GT(progress_->handed_back, 50U);
#ifndef __SANITIZE_THREAD__
    EXPECT_GT(progress_->left_out, 10U);
    EXPECT_GT(progress_->stale, 10U);
#endif
}

}  // namespace
}  // namespace tandem::tables
