// The whole of control as one of a pair: with a dataplane that the test plays, which says what the
// other instance says, and with backends that are sockets of this process.
#include "control/control.h"

#include <cstring>
#include <functional>
#include <future>
#include <netinet/in.h>
#include <thread>

#include <gtest/gtest.h>

#include "control/ask.h"
#include "control/hash_key.h"
#include "tests/unit/control/addresses.h"
#include "tests/unit/control/played_dataplane.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;
using tables::HealthState;

constexpr plan::TableKey kOwnKey{.key = {{5}}, .born_ms = 5000};

class ControlOfAPair : public testing::Test {
  protected:
    static constexpr HealthState kUp = HealthState::kUp;
    static constexpr HealthState kDown = HealthState::kDown;

    ControlOfAPair() {
        config_.dataplane.socket = dataplane_.path();
        config_.control.state_dir = dataplane_.directory() / "state";
        config_.control.admin_socket = dataplane_.directory() / "control.sock";
        config_.pair.emplace();
        conf::Pool& pool = config_.pools.emplace_back();
        pool.name = "web";
        pool.check.interval = milliseconds(10);
        pool.check.timeout = milliseconds(10);
        pool.check.rise = pool.check.fall = 1;
        for (int i = 0; i < 3; ++i) add_backend(pool);
        config_.groups.emplace_back().name = "edge";
        conf::Vip& vip = config_.vips.emplace_back();
        vip.name = "web";
        vip.prefix = *Prefix::parse("203.0.113.10");
        vip.pool = "web";
        vip.group = "edge";
    }
    ~ControlOfAPair() override {
        if (control_) stop();
    }

    void add_backend(conf::Pool& pool) {
        FileDescriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(address);
        auto* raw = reinterpret_cast<sockaddr*>(&address);
        EXPECT_EQ(::bind(listener.get(), raw, size), 0);
        EXPECT_EQ(::listen(listener.get(), 4096), 0);
        EXPECT_EQ(::getsockname(listener.get(), raw, &size), 0);
        const std::uint16_t port = ntohs(address.sin_port);
        pool.backends.push_back({std::to_string(port), ip("127.0.0.1"), port, 1});
        backends_.push_back(std::move(listener));
    }
    void start() {
        control_ = std::make_unique<Control>(io_, "", config_, kOwnKey,
                                             [](const std::string& why) { ADD_FAILURE() << why; });
        ASSERT_TRUE(control_->start());
        dataplane_.welcome();
        run_until([&] { return dataplane_.generation() != 0 && serving() == 3; });
    }
    void stop() {
        control_->stop();
        io_.run_for(std::chrono::seconds(20));  // what it has under way ends, and needs it for that
        EXPECT_TRUE(io_.stopped()) << "something goes on";
        io_.restart();
        control_.reset();
    }
    void run_until(const std::function<bool()>& is_so) {
        const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!is_so()) {
            ASSERT_LT(std::chrono::steady_clock::now(), limit);
            io_.run_one_for(milliseconds(10));
        }
    }
    /// How many backends get new flows.
    [[nodiscard]] std::size_t serving() const {
        const auto backends = dataplane_.plan().backends;
        return static_cast<std::size_t>(std::ranges::count_if(
            backends, [](const tables::PlanBackend& each) { return each.weight_now > 0; }));
    }
    void peer_says(const std::vector<HealthState>& verdicts) {
        tables::PeerViews& views = dataplane_.peer_views();
        views.is_known = true;
        for (std::size_t i = 0; i < verdicts.size(); ++i) views.verdicts[i + 1] = verdicts[i];
        ++views.serial;
    }
    void peer_has(const plan::TableKey& key) {
        tables::PeerViews& views = dataplane_.peer_views();
        std::array<std::uint64_t, 2> words{};
        std::memcpy(words.data(), key.key.bytes.data(), sizeof(words));
        views.hash_key[0] = words[0];
        views.hash_key[1] = words[1];
        views.hash_key_born_ms = key.born_ms;
        ++views.serial;
    }
    /// Runs for about ten looks at the peer.
    void run_a_while() { io_.run_for(milliseconds(100)); }

    PlayedDataplane dataplane_;
    conf::Config config_;
    std::vector<FileDescriptor> backends_;
    boost::asio::io_context io_{1};
    std::unique_ptr<Control> control_;
};

TEST_F(ControlOfAPair, TakesOverTheOlderKeyAndKeepsIt) {
    start();
    EXPECT_EQ(dataplane_.plan().head->hash_key, kOwnKey.key);
    const std::uint64_t digest = dataplane_.plan().head->digest;
    const plan::TableKey older{.key = {{9}}, .born_ms = 4000};
    peer_has(older);
    run_until([&] { return dataplane_.plan().head->hash_key == older.key; });
    EXPECT_EQ(dataplane_.plan().head->hash_key_born_ms, 4000U);
    EXPECT_NE(dataplane_.plan().head->digest, digest);
    EXPECT_EQ(obtain_hash_key(config_.control.state_dir).value(), older);
}

TEST_F(ControlOfAPair, KeepsItsKeyIfThatIsTheOlderOneOrThereIsNoPair) {
    config_.pair.reset();
    start();
    peer_has({.key = {{9}}, .born_ms = 4000});
    run_a_while();
    EXPECT_EQ(dataplane_.plan().head->hash_key, kOwnKey.key);
    stop();
    dataplane_.leave();
    config_.pair.emplace();
    peer_has({.key = {{9}}, .born_ms = 6000});
    start();
    run_a_while();
    EXPECT_EQ(dataplane_.plan().head->hash_key, kOwnKey.key);
}

TEST_F(ControlOfAPair, ServesByWhatBothSay) {
    start();
    peer_says({kUp, kDown, kUp});
    run_until([&] { return serving() == 2; });
    EXPECT_EQ(dataplane_.plan().backends[2].weight_now, 0);
    EXPECT_EQ(dataplane_.plan().backends[2].health, kUp) << "by its own checks";
    peer_says({kUp, kUp, kUp});
    run_until([&] { return serving() == 3; });
}

TEST_F(ControlOfAPair, PublishesNothingWhenThePeerSaysWhatWasKnown) {
    start();
    peer_says({kUp, kUp, kUp});
    run_a_while();
    const std::uint64_t generation = dataplane_.generation();
    peer_says({kUp, kUp, kUp});
    run_a_while();
    EXPECT_EQ(dataplane_.generation(), generation);
}

TEST_F(ControlOfAPair, HandsItsGroupsOffWhenItAloneSeesMostOfAPoolGoDown) {
    start();
    peer_says({kUp, kUp, kUp});
    run_a_while();
    EXPECT_FALSE(tables::receive_order(dataplane_.socket()));
    backends_[0].reset();
    backends_[1].reset();
    std::optional<tables::Order> order;
    run_until([&] {
        if (!order) order = tables::receive_order(dataplane_.socket());
        return order.has_value();
    });
    EXPECT_EQ(order->kind, tables::OrderKind::kHandoff);
    EXPECT_EQ(order->group.view(), "edge");
    EXPECT_EQ(serving(), 3U) << "they are disputed";
    run_a_while();
    EXPECT_FALSE(tables::receive_order(dataplane_.socket())) << "once is enough";
}

TEST_F(ControlOfAPair, StopsAlsoWhenItsTimersHaveGoneOff) {
    start();
    std::this_thread::sleep_for(milliseconds(300));
    io_.run_one();  // the others that are due wait behind it, and cannot be cancelled any more
    stop();
}

TEST_F(ControlOfAPair, TellsWhatItKnowsOfThePeer) {
    start();
    peer_says({kUp, kUp, kUp});
    run_a_while();
    std::future<Result<std::string>> answer = std::async(std::launch::async, [this] {
        return admin::ask(config_.control.admin_socket, "{\"do\":\"peer\"}");
    });
    run_until(
        [&] { return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
    EXPECT_EQ(answer.get().value(),
              "{\"ok\":true,\"said\":\"the peer is not heard\",\"alive\":false,"
              "\"same_tables\":false,\"same_hash_key\":false,\"verdicts_known\":true,\"serial\":1,"
              "\"suspicion_milli\":0,\"deaths\":0,\"disputed\":[]}");
}

}  // namespace
}  // namespace tandem
