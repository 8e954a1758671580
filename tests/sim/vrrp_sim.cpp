// Two instances of one virtual router on a network that delays, reorders, repeats, drops and cuts,
// under a virtual clock, all drawn from one seed: pauses, crashes, restarts and evidence that comes
// and goes included. What an operator is promised is checked after every step.
//
// A schedule that fails prints its seed; --schedules 1 --seed SEED --trace replays it, line by
// line.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <fmt/format.h>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/pair/vrrp.h"
#include "tests/sim/schedules.h"

namespace tandem::pair {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Duration kInterval = milliseconds(30);
constexpr std::array<std::uint8_t, 2> kPriorities{200, 100};
constexpr Duration kDelayMax = kInterval;
/// Three intervals, the longest skew of the two, one more interval for a pause, and the way.
constexpr Duration kNobodyMax = 6 * kInterval + kDelayMax;
/// The lower one hears of the higher one, on a network that loses nothing.
constexpr Duration kBothMax = 2 * kInterval + kDelayMax;

struct Delivery {
    Instant at;
    std::uint64_t order;
    std::size_t to;
    Advert advert;
    friend bool operator>(const Delivery& a, const Delivery& b) {
        return std::pair(a.at, a.order) > std::pair(b.at, b.order);
    }
};

struct Node {
    Vrrp vrrp;
    bool is_up = true;
    Instant paused_until{};          ///< in the past: it runs
    std::vector<Advert> in_queue{};  ///< what arrived while it was paused
};

class World {
  public:
    World(std::uint64_t seed, bool traces) : random_(seed), traces_(traces) {
        preempts_ = draw(0, 1) == 1;
        trace("{}", preempts_ ? "the higher one preempts" : "nobody preempts");
        for (std::size_t i = 0; i < nodes_.size(); ++i) nodes_[i].vrrp = Vrrp(settings(i));
        for (std::size_t i = 0; i < nodes_.size(); ++i) perform(i, nodes_[i].vrrp.start(now_));
    }

    /// False: a promise was broken.
    bool run() {
        for (int event = draw(5, 30); event > 0; --event) {
            disturb();
            if (!advance(microseconds(draw(0, 400'000)))) return false;
        }
        heal();
        if (!advance(20 * kInterval)) return false;
        const int settled = changes_;
        if (!advance(100 * kInterval)) return false;
        if (claims(0) == claims(1)) return broken("a healed pair has not exactly one active");
        if (preempts_ && claims(1)) return broken("the lower one is active in a healed pair");
        return changes_ == settled || broken("roles change although nothing happens");
    }

  private:
    int draw(int min, int max) { return std::uniform_int_distribution(min, max)(random_); }

    template <class... Arguments>
    void trace(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        if (!traces_) return;
        fmt::print("{:10.3f} ms  ", static_cast<double>(now_.time_since_epoch().count()) / 1e6);
        fmt::print(format, std::forward<Arguments>(arguments)...);
        fmt::print("\n");
    }
    bool broken(const char* promise) {
        trace("BROKEN: {}", promise);
        return false;
    }

    void disturb() {
        const auto i = static_cast<std::size_t>(draw(0, 1));
        Node& node = nodes_[i];
        switch (draw(0, 8)) {
            case 0:
                is_cut_[i] = true;
                trace("{} is heard no more", i);
                break;
            case 1:
                is_cut_ = {};
                trace("the network is whole");
                break;
            case 2:
                loss_percent_ = draw(0, 1) * draw(0, 60);
                trace("{} % are lost", loss_percent_);
                break;
            case 3:
                node.paused_until =
                    std::max(node.paused_until, now_ + microseconds(draw(1, 300'000)));
                trace("{} is stopped", i);
                break;
            case 4:
                crash(i);
                break;
            case 5:
                start(i);
                break;
            case 6:
                set_priority(i, kPriorityReleased);
                break;
            case 7:
                set_priority(i, kPriorities[i]);
                break;
            default:
                slow_percent_ = draw(0, 1) * draw(0, 50);
                trace("{} % are slow", slow_percent_);
        }
    }

    void heal() {
        trace("all is well from now on");
        is_cut_ = {};
        loss_percent_ = slow_percent_ = 0;
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            start(i);
            if (!runs(i)) {
                nodes_[i].paused_until = now_;
                wake(i);
            }
            set_priority(i, kPriorities[i]);
        }
    }

    void crash(std::size_t i) {
        trace("{} crashes", i);
        nodes_[i].is_up = false;
        nodes_[i].in_queue.clear();
    }
    void start(std::size_t i) {
        if (nodes_[i].is_up) return;
        trace("{} starts", i);
        nodes_[i].is_up = true;
        nodes_[i].vrrp = Vrrp(settings(i));
        perform(i, nodes_[i].vrrp.start(now_));
    }
    void set_priority(std::size_t i, std::uint8_t priority) {
        if (!runs(i)) return;
        trace("{} has priority {}", i, priority);
        perform(i, nodes_[i].vrrp.set_priority(priority, now_));
    }

    [[nodiscard]] bool runs(std::size_t i) const {
        return nodes_[i].is_up && nodes_[i].paused_until <= now_;
    }
    [[nodiscard]] bool claims(std::size_t i) const {
        return runs(i) && nodes_[i].vrrp.role() == Role::kActive;
    }

    /// When something happens next.
    [[nodiscard]] Instant next_event() const {
        Instant next = Instant::max();
        if (!wire_.empty()) next = wire_.top().at;
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            const Node& node = nodes_[i];
            if (!node.is_up) continue;
            next = std::min(next, runs(i) ? node.vrrp.deadline() : node.paused_until);
        }
        return next;
    }

    bool advance(Duration span) {
        const Instant end = now_ + span;
        while (true) {
            const Instant next = next_event();
            if (next > end) break;
            if (!watch(next)) return false;
            step(next);
        }
        if (!watch(end)) return false;
        now_ = end;
        return true;
    }

    void step(Instant at) {
        const std::array<bool, 2> ran{runs(0), runs(1)};
        now_ = std::max(now_, at);
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            if (!ran[i] && runs(i)) wake(i);
        }
        while (!wire_.empty() && wire_.top().at <= now_) {
            const Delivery delivery = wire_.top();
            wire_.pop();
            deliver(delivery.to, delivery.advert);
        }
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            if (runs(i)) perform(i, nodes_[i].vrrp.on_deadline(now_));
        }
    }

    void deliver(std::size_t to, const Advert& advert) {
        Node& node = nodes_[to];
        if (!node.is_up) return;
        if (!runs(to)) {
            node.in_queue.push_back(advert);
        } else {
            perform(to, node.vrrp.on_advert(advert, now_));
        }
    }

    void wake(std::size_t i) {
        trace("{} goes on", i);
        std::vector<Advert> waiting;
        waiting.swap(nodes_[i].in_queue);
        perform(i, nodes_[i].vrrp.on_pause(now_));
        for (const Advert& advert : waiting) perform(i, nodes_[i].vrrp.on_advert(advert, now_));
    }

    void perform(std::size_t i, const Actions& actions) {
        if (actions.advert_priority.value_or(kPriorityReleased) != kPriorityReleased &&
            now_ - undisturbed_since_[1 - i] > kBothMax + kNobodyMax && !(preempts_ && i == 0)) {
            disturbed_ = true;
        }
        if (actions.role) {
            ++changes_;
            constexpr std::array<std::string_view, 3> kNames{"nothing", "backup", "active"};
            trace("{} is {}", i, kNames[static_cast<std::size_t>(*actions.role)]);
        }
        if (actions.advert_priority) send(i, *actions.advert_priority);
    }

    void send(std::size_t from, std::uint8_t priority) {
        if (is_cut_[from]) return;
        for (int copies = draw(0, 19) == 0 ? 2 : 1; copies > 0; --copies) {
            if (draw(0, 99) < loss_percent_) continue;
            const bool is_slow = draw(0, 99) < slow_percent_;
            const Duration delay = microseconds(
                is_slow ? draw(0, static_cast<int>(kDelayMax / microseconds(1))) : draw(20, 500));
            wire_.push({.at = now_ + delay,
                        .order = order_++,
                        .to = 1 - from,
                        .advert = {.router_id = 1,
                                   .priority = priority,
                                   .interval = kInterval,
                                   .source = settings(from).address,
                                   .destination = kVrrpGroupV4,
                                   .addresses = {}}});
        }
    }

    /// What is as it is until `until`: was it so for too long?
    bool watch(Instant until) {
        if (disturbed_) return broken("one that is active and heard was disturbed");
        const bool is_heard = !is_cut_[0] && !is_cut_[1] && loss_percent_ == 0;
        if (claims(0) || claims(1)) nobody_since_ = until;
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            const bool could = runs(i) && nodes_[i].vrrp.priority() != kPriorityReleased;
            if (!could) could_since_[i] = until;
            if (!claims(i) || !is_heard) undisturbed_since_[i] = until;
            if (until - std::max(nobody_since_, could_since_[i]) > kNobodyMax) {
                return broken("nobody claims what somebody could");
            }
        }
        if (!claims(0) || !claims(1) || !is_heard) both_since_ = until;
        if (until - both_since_ > kBothMax) return broken("both claim on a whole network");
        return true;
    }

    [[nodiscard]] VrrpSettings settings(std::size_t i) const {
        return {.priority = kPriorities[i],
                .advert_interval = kInterval,
                .preempt = preempts_,
                .preempt_delay = {},
                .address = IpAddress::from_v4({10, 0, 0, static_cast<std::uint8_t>(i + 1)})};
    }

    std::mt19937_64 random_;
    bool traces_;
    bool preempts_ = true;
    std::array<Node, 2> nodes_{Node{Vrrp({})}, Node{Vrrp({})}};
    std::priority_queue<Delivery, std::vector<Delivery>, std::greater<>> wire_;
    std::uint64_t order_ = 0;
    Instant now_{};
    std::array<bool, 2> is_cut_{};  ///< whether anybody hears it
    int loss_percent_ = 0;
    int slow_percent_ = 0;
    int changes_ = 0;
    Instant nobody_since_{};
    std::array<Instant, 2> could_since_{};
    std::array<Instant, 2>
        undisturbed_since_{};  ///< it has claimed, on a network that loses nothing
    bool disturbed_ = false;
    Instant both_since_{};
};

}  // namespace
}  // namespace tandem::pair

int main(int argc, char** argv) {
    const tandem::sim::Options options =
        tandem::sim::parse(argc, argv, "Two virtual routers under one seeded clock", 10'000);
    std::atomic<std::uint64_t> failed = 0;
    tandem::sim::run_all(options, [&](const tandem::sim::NextSeed& next_seed) {
        while (const std::optional<std::uint64_t> seed = next_seed()) {
            if (tandem::pair::World(*seed, options.traces).run()) continue;
            fmt::print("seed {} broke a promise\n", *seed);
            ++failed;
        }
    });
    fmt::print("{} passed, {} failed\n", options.schedules - failed, failed);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
