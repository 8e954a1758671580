#include "healthcheck/checker.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "tests/unit/healthcheck/server.h"

namespace tandem::health {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class CheckerTest : public testing::Test {
  protected:
    CheckerTest() {
        check_.interval = milliseconds{20};
        check_.timeout = milliseconds{20};
    }

    /// Runs the loop until `condition` holds; false if it does not within ten seconds.
    template <class Condition>
    bool reached(Condition condition) {
        const Instant limit = Instant::clock::now() + seconds{10};
        while (!condition()) {
            if (Instant::clock::now() > limit) return false;
            io_.restart();
            io_.run_one_for(milliseconds{100});
        }
        return true;
    }

    bool reaches(const Identity& backend, Health health) {
        return reached([&] {
            const BackendState* state = checker_->find(backend);
            return state != nullptr && state->health() == health;
        });
    }

    /// True if the loop has nothing left to do, soon.
    bool runs_dry() {
        return reached([&] {
            io_.restart();
            return io_.poll() == 0 && io_.stopped();
        });
    }

    Identity backend_at(const ReservedPort& port, std::string pool = "web") {
        return {std::move(pool), *IpAddress::parse(port.endpoint().address().to_string()),
                port.endpoint().port()};
    }

    ReservedPort port_ = *ReservedPort::on("127.0.0.1");
    Identity web_ = backend_at(port_);
    conf::Check check_;
    boost::asio::io_context io_{1};
    std::vector<Change> changes_;
    std::vector<std::string> blind_;
    std::unique_ptr<Checker> checker_ = std::make_unique<Checker>(
        io_,
        Observer{[this](const Change& change) { changes_.push_back(change); },
                 [this](const std::string& reason, std::uint64_t) { blind_.push_back(reason); }},
        1);
};

TEST_F(CheckerTest, FollowsAServerThatComesAndGoes) {
    auto server = std::make_unique<Server>(port_, [](int) {});
    EXPECT_TRUE(checker_->apply({{web_, check_}}).empty());
    EXPECT_EQ(checker_->find(web_)->health(), Health::kChecking);
    ASSERT_TRUE(reaches(web_, Health::kUp));
    server.reset();
    ASSERT_TRUE(reaches(web_, Health::kDown));
    server = std::make_unique<Server>(port_, [](int) {});
    ASSERT_TRUE(reaches(web_, Health::kUp));

    ASSERT_EQ(changes_.size(), 3U);
    const Change& up = changes_[0];
    EXPECT_EQ(up.backend, web_);
    EXPECT_EQ(up.transition.from, Health::kChecking);
    EXPECT_EQ(up.transition.to, Health::kUp);
    EXPECT_EQ(up.transition.progress, (Progress{1, 1}));
    EXPECT_EQ(up.result->code, ProbeCode::kL4Ok);
    const Change& down = changes_[1];
    EXPECT_EQ(down.transition.from, Health::kUp);
    EXPECT_EQ(down.transition.to, Health::kDown);
    EXPECT_EQ(down.transition.progress, (Progress{3, 3}));
    EXPECT_GT(down.transition.held, Duration{0});
    EXPECT_EQ(down.result->code, ProbeCode::kL4Connect);
    EXPECT_EQ(down.result->reason, "connect: Connection refused");
    EXPECT_GT(down.result->latency, Duration{0});
    EXPECT_EQ(changes_[2].transition.progress, (Progress{2, 2}));
}

TEST_F(CheckerTest, ChecksHttpAtThePortOfTheCheck) {
    std::string request;
    const ReservedPort health_port = *ReservedPort::on("127.0.0.1");
    {
        const Server server(health_port, [&](int connection) {
            request = read_request(connection);
            send_all(connection, "HTTP/1.1 503 No\r\n\r\n");
        });
        check_.type = conf::CheckType::kHttp;
        check_.path = "/healthz";
        check_.port = health_port.endpoint().port();
        check_.timeout = check_.interval = milliseconds{1000};
        check_.fall = 1;
        checker_->apply({{web_, check_}});
        ASSERT_TRUE(reaches(web_, Health::kDown));
    }
    EXPECT_EQ(changes_[0].result->reason, "HTTP 503 Service Unavailable, expected 200-399");
    const std::string host = "Host: 127.0.0.1:" + std::to_string(*check_.port) + "\r\n";
    EXPECT_NE(request.find(host), std::string::npos) << request;
}

TEST_F(CheckerTest, ABackendThatIsNotCheckedIsUpAtOnceAndNotProbed) {
    check_.type = conf::CheckType::kNone;
    const Change up{web_, {Health::kChecking, Health::kUp, {0, 0}, Duration{0}}, std::nullopt};
    EXPECT_EQ(checker_->apply({{web_, check_}}), std::vector{up});
    EXPECT_EQ(checker_->find(web_)->health(), Health::kUp);
    EXPECT_TRUE(checker_->apply({{web_, check_}}).empty()) << "no change the second time";
    EXPECT_TRUE(runs_dry());
    checker_->stop();
    EXPECT_TRUE(runs_dry());
    EXPECT_TRUE(changes_.empty());
}

TEST_F(CheckerTest, GoesOnFromWhatAnEarlierProcessKnew) {
    check_.fall = 2;
    checker_->apply({{web_, check_, Health::kUp}});
    EXPECT_EQ(checker_->find(web_)->health(), Health::kUp);
    ASSERT_TRUE(reaches(web_, Health::kDown));
    ASSERT_EQ(changes_.size(), 1U);
    EXPECT_EQ(changes_[0].transition.from, Health::kUp);

    checker_->apply({{web_, check_, Health::kUp}});
    EXPECT_EQ(checker_->find(web_)->health(), Health::kDown) << "we know better by now";
}

TEST_F(CheckerTest, AReloadNeitherRevivesNorKillsNorDelays) {
    check_.interval = check_.timeout = milliseconds{50};
    checker_->apply({{web_, check_}});
    ASSERT_TRUE(reached([&] { return checker_->find(web_)->progress().count == 1; }));
    // Far more often than the interval: a schedule begun anew each time would give no interval
    // between the probes, or none of them, and a row of fails begun anew would never be complete.
    ASSERT_TRUE(reached([&] {
        checker_->apply({{web_, check_}});
        io_.restart();
        io_.run_one_for(milliseconds{1});
        return checker_->find(web_)->health() == Health::kDown;
    }));
    ASSERT_EQ(changes_.size(), 1U);
    EXPECT_EQ(changes_[0].transition.progress, (Progress{3, 3}));
    EXPECT_GE(changes_[0].transition.held, 2 * milliseconds{45}) << "two intervals, less jitter";
}

TEST_F(CheckerTest, AnotherCheckKeepsTheStateAndIsUsedSoon) {
    const Server server(port_, [](int connection) {  // lives for tcp, and not for http
        peer_leaves_within(connection, milliseconds{1000});
    });
    check_.interval = check_.timeout = std::chrono::hours{1};
    checker_->apply({{web_, check_}});
    ASSERT_TRUE(reaches(web_, Health::kUp));
    const Instant since = checker_->find(web_)->since();

    check_.type = conf::CheckType::kHttp;
    check_.interval = check_.timeout = milliseconds{50};
    EXPECT_TRUE(checker_->apply({{web_, check_}}).empty());
    EXPECT_EQ(checker_->find(web_)->health(), Health::kUp);
    EXPECT_EQ(checker_->find(web_)->since(), since);
    ASSERT_TRUE(reaches(web_, Health::kDown)) << "without waiting for the old hour";
    EXPECT_EQ(changes_.back().result->code, ProbeCode::kL7Timeout);
}

TEST_F(CheckerTest, ARemovedBackendIsNotHeardOfAgainAndReturnsAsNew) {
    const Server server(port_, [](int) {});
    checker_->apply({{web_, check_}});
    ASSERT_TRUE(reaches(web_, Health::kUp));
    checker_->apply({});
    EXPECT_EQ(checker_->find(web_), nullptr);
    EXPECT_TRUE(runs_dry());
    EXPECT_EQ(changes_.size(), 1U);
    checker_->apply({{web_, check_}});
    EXPECT_EQ(checker_->find(web_)->health(), Health::kChecking);
    ASSERT_TRUE(reaches(web_, Health::kUp));
}

TEST_F(CheckerTest, OneAddressInTwoPoolsIsTwoBackends) {
    const Identity api = backend_at(port_, "api");
    conf::Check none = check_;
    none.type = conf::CheckType::kNone;
    checker_->apply({{web_, check_}, {api, none}});
    ASSERT_TRUE(reaches(web_, Health::kDown));
    EXPECT_EQ(checker_->find(api)->health(), Health::kUp);
}

TEST_F(CheckerTest, StopsAndEndsCleanlyWhateverIsInFlight) {
    const FileDescriptor silent = listen_at(port_.endpoint(), 4096);
    const ReservedPort refusing = *ReservedPort::on("127.0.0.1");
    std::vector<Target> targets;
    check_.fall = 1;  // so that a probe that is cut off would be heard of
    conf::Check http = check_;
    http.type = conf::CheckType::kHttp;
    http.interval = http.timeout = check_.interval = check_.timeout = std::chrono::hours{1};
    for (int i = 0; i < 10; ++i) {
        targets.push_back({backend_at(port_, "http" + std::to_string(i)), http});
        targets.push_back({backend_at(refusing, "tcp" + std::to_string(i)), check_});
    }
    const auto all_under_way = [&] { return changes_.size() == 10; };  // the refused are down
    for (int steps = 0; steps <= 120; ++steps) {
        checker_->apply(targets);
        io_.restart();
        for (int i = 0; i < steps && !all_under_way(); ++i) io_.run_one_for(milliseconds{5});
        changes_.clear();
        if (steps % 2 == 0) {
            checker_->stop();
        } else {
            checker_->apply({});
        }
        EXPECT_TRUE(runs_dry()) << "something waits for its hour, after " << steps;
        EXPECT_TRUE(changes_.empty());
    }
    checker_->apply(targets);
    ASSERT_TRUE(reached(all_under_way));
    checker_.reset();  // and the io_context without another turn: nothing may leak
}

TEST_F(CheckerTest, ABackendMayGoBeforeItsFirstProbe) {
    boost::asio::post(io_, [&] {  // as a reload does, on the loop's own thread
        checker_->apply({{web_, check_}});
        checker_->apply({});
    });
    EXPECT_TRUE(runs_dry());
    EXPECT_TRUE(changes_.empty());
}

TEST_F(CheckerTest, AnObserverMayApplyFromWithinItsCall) {
    std::unique_ptr<Checker> checker;
    int calls = 0;
    Observer observer{[&](const Change& change) {
                          ++calls;
                          EXPECT_EQ(change.transition.to, Health::kDown);
                          checker->apply({});  // removes the very backend that speaks
                      },
                      [](const std::string&, std::uint64_t) {}};
    checker = std::make_unique<Checker>(io_, std::move(observer), 1);
    checker->apply({{web_, check_}});
    ASSERT_TRUE(reached([&] { return calls == 1; }));
    EXPECT_TRUE(runs_dry());
    EXPECT_EQ(calls, 1);
}

TEST_F(CheckerTest, WithoutDescriptorsBackendsKeepTheirStatesAndOneReportIsMade) {
    const Server server(port_, [](int) {});
    check_.fall = 1;
    std::vector<Target> targets;
    for (int i = 0; i < 20; ++i) {
        targets.push_back({backend_at(port_, std::to_string(i)), check_, Health::kUp});
    }
    checker_->apply(targets);
    {
        const NoDescriptors none;
        ASSERT_TRUE(reached([&] {
            return std::all_of(targets.begin(), targets.end(), [&](const Target& target) {
                const auto& last = checker_->find(target.backend)->last_result();
                return last && last->code == ProbeCode::kSocketError;
            });
        }));
    }
    EXPECT_EQ(blind_, std::vector<std::string>{"socket: Too many open files"});
    EXPECT_TRUE(changes_.empty());
    ASSERT_TRUE(reached([&] {
        return checker_->find(targets[7].backend)->last_result()->code == ProbeCode::kL4Ok;
    })) << "and goes on when it can";
}

}  // namespace
}  // namespace tandem::health
