#include "control/control.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>

#include "conf/diff.h"
#include "conf/load.h"
#include "control/changes.h"
#include "control/hash_key.h"
#include "control/rulings.h"

namespace tandem {

namespace {

using tables::HealthState;

constexpr auto kHouseInterval = std::chrono::milliseconds(50);
/// Each step moves slots, which then are in transition: not more often than it is of use.
constexpr auto kSlowStartStep = std::chrono::seconds(1);
constexpr CoarseTime kDrainReportSeconds = 30;
/// The longest that backends without a first result keep others waiting.
constexpr std::chrono::milliseconds kColdPatienceMax{3000};

HealthState state_of(health::Health health) {
    switch (health) {
        case health::Health::kChecking:
            return HealthState::kChecking;
        case health::Health::kUp:
            return HealthState::kUp;
        case health::Health::kDown:
            return HealthState::kDown;
    }
    return HealthState::kChecking;
}

health::Health health_of(HealthState state) {
    if (state == HealthState::kUp) return health::Health::kUp;
    return state == HealthState::kDown ? health::Health::kDown : health::Health::kChecking;
}

std::string text_of(Duration duration) {
    using std::chrono::duration_cast;
    if (duration < std::chrono::seconds(10)) {
        return fmt::format("{} ms", duration_cast<std::chrono::milliseconds>(duration).count());
    }
    return fmt::format("{} s", duration_cast<std::chrono::seconds>(duration).count());
}

void log_change(const health::Change& change) {
    const health::Transition& transition = change.transition;
    std::string why = "not checked";
    if (change.result) {
        why = fmt::format("{}: {}, {} of {}, after {}", health::name(change.result->code),
                          change.result->reason, transition.progress.count,
                          transition.progress.needed, text_of(change.result->latency));
    }
    spdlog::log(transition.to == health::Health::kDown ? spdlog::level::warn : spdlog::level::info,
                "{} is {} ({}); was {} for {}", name_of(change.backend),
                health::name(transition.to), why, health::name(transition.from),
                text_of(transition.held));
}

}  // namespace

Control::Control(boost::asio::io_context& io, std::string path, conf::Config config,
                 const plan::TableKey& hash_key,
                 std::function<void(const std::string&)> ask_to_stop)
    : io_(io),
      house_timer_(io),
      path_(std::move(path)),
      config_(std::move(config)),
      ask_to_stop_(std::move(ask_to_stop)),
      link_(io, config_.dataplane.socket,
            {.connected = [this](bool is_other) { on_connected(is_other); },
             .lost = [] { spdlog::warn("the dataplane is gone; waiting for another"); },
             .refused = [this](const std::string& why) { ask_to_stop_(why); }}),
      planner_(hash_key),
      checker_(io,
               {.changed = [this](const health::Change& change) { on_health(change); },
                .blind =
                    [](const std::string& reason, std::uint64_t count) {
                        spdlog::error(
                            "{} health check{} could not be made ({}); states stay as they are",
                            count, count == 1 ? "" : "s", reason);
                    }},
               std::random_device{}()),
      peer_timer_(io),
      admin_(io, [this](const admin::Request& request, const admin::Server::Respond& respond) {
          on_request(request, respond);
      }) {}

Status Control::start() {
    Result<std::unique_ptr<NeighbourWatch>> watch = NeighbourWatch::open(
        io_, {.learned = [this](const KernelNeighbour& neighbour) { on_neighbour(neighbour); },
              .addresses_changed =
                  [this] {
                      if (link_.is_connected()) read_ports();
                  }});
    if (!watch) return watch.error();
    neighbours_ = std::move(watch.value());
    const Status listening = admin_.listen(config_.control.admin_socket);
    if (!listening) spdlog::error("no orders are taken: {}", listening.error().message);
    link_.start();
    return Nothing{};
}

void Control::stop() {
    is_stopped_ = true;  // a timer that has gone off already is not cancelled
    admin_.stop();
    link_.stop();
    checker_.stop();
    neighbours_->stop();
    house_timer_.cancel();
    peer_timer_.cancel();
}

// Checks do not begin before the first dataplane has come, for it may hold tables of a process
// before this one: those are the truth that this one continues.
void Control::on_connected(bool is_other) {
    spdlog::info("connected to the dataplane, process {}",
                 link_.region()->dataplane().dataplane_pid);
    if (!has_begun_) {
        has_begun_ = true;
        begin_with(*link_.region());
        apply_config();
        keep_house();
        watch_peer();
    } else if (is_other) {
        spdlog::info("it has no tables yet: all are published again");
    }
    if (is_other) peer_.forget();
    look_at_peer();
    read_ports();
    request_publish();
}

void Control::begin_with(const PlanRegion& region) {
    const std::optional<tables::PlanView> plan = region.published();
    if (!plan) {
        cold_since_ = Instant::clock::now();
        return;
    }
    const plan::TableKey own = planner_.key();
    planner_.read_back(*plan, region.owners(*plan));
    for (const tables::PlanGroup& group : plan->groups) {
        if (group.gateway == tables::GatewayState::kSilent) silent_ports_.insert(group.port);
    }
    spdlog::info("continuing with the tables of a control process before this one");
    if (planner_.key() == own) return;
    const Status saved = save_hash_key(config_.control.state_dir, planner_.key());
    if (!saved) spdlog::warn("{}", saved.error().message);
}

void Control::apply_config() {
    const Status applied = planner_.apply(config_);
    if (!applied) {
        spdlog::error("{}", applied.error().message);
        return;
    }
    apply_checks();
}

void Control::apply_checks() {
    std::vector<health::Target> targets;
    for (const conf::Pool& pool : config_.pools) {
        for (const conf::Backend& backend : pool.backends) {
            health::Identity identity{pool.name, backend.address, backend.port};
            const health::Health remembered = health_of(planner_.health(identity));
            targets.push_back({std::move(identity), pool.check, remembered});
        }
    }
    for (const health::Change& change : checker_.apply(targets)) on_health(change);
}

void Control::on_health(const health::Change& change) {
    log_change(change);
    planner_.set_health(change.backend, state_of(change.transition.to));
    if (change.transition.from == health::Health::kUp &&
        change.transition.to == health::Health::kDown) {
        const conf::Pool* pool = pool_of(change.backend);
        if (pool != nullptr) {
            self_suspicion_.on_fall(change.backend, plan::apart_max(pool->check),
                                    Instant::clock::now());
        }
    }
    request_publish();
}

/// nullptr: it is not configured any more.
const conf::Pool* Control::pool_of(const health::Identity& backend) const {
    const auto pool = std::ranges::find(config_.pools, backend.pool, &conf::Pool::name);
    return pool == config_.pools.end() ? nullptr : &*pool;
}

std::chrono::milliseconds Control::slow_start_of(const health::Identity& backend) const {
    const conf::Pool* pool = pool_of(backend);
    return pool == nullptr ? std::chrono::milliseconds(0) : pool->slow_start;
}

/// Every kSlowStartStep each of them gets what its time up so far has earned it.
void Control::continue_slow_starts(Instant now) {
    if (slow_starts_.empty() || now - slow_step_at_ < kSlowStartStep) return;
    slow_step_at_ = now;
    std::erase_if(slow_starts_, [&](const auto& start) {
        const auto& [backend, since] = start;
        const Duration whole = slow_start_of(backend);
        const bool is_over = now - since >= whole;
        const Duration::rep percent = is_over ? 100 : 100 * (now - since) / whole;
        planner_.set_weight_percent(
            backend, static_cast<std::uint16_t>(std::max<Duration::rep>(percent, 1)));
        return is_over;
    });
    request_publish();
}

/// All that happens in one turn of the loop becomes one plan.
void Control::request_publish() {
    if (publish_is_due_) return;
    publish_is_due_ = true;
    boost::asio::post(io_, [this] { publish(); });
}

/// Were a cold start's results published one by one, the first backend to answer would get all
/// connections for a moment, and each further one would put slots in transition.
bool Control::awaits_first_results(Instant now) const {
    if (!cold_since_) return false;
    bool all_have_results = true;
    std::chrono::milliseconds patience{0};
    for (const conf::Pool& pool : config_.pools) {
        patience = std::max(patience, pool.check.interval + pool.check.timeout);
        for (const conf::Backend& backend : pool.backends) {
            const health::BackendState* state =
                checker_.find({pool.name, backend.address, backend.port});
            const bool is_known = state == nullptr || state->health() != health::Health::kChecking;
            all_have_results = all_have_results && (is_known || state->last_result());
        }
    }
    return !all_have_results && now - *cold_since_ < std::min(patience, kColdPatienceMax);
}

void Control::publish() {
    if (!publish_is_due_ || !link_.is_connected()) return;
    if (awaits_first_results(Instant::clock::now())) return;  // keep_house() tries again
    cold_since_.reset();
    settle_health();
    const auto [content, moved] = planner_.make();
    const Result<std::uint64_t> generation = link_.region()->publish(content);
    for (const plan::Moved& table : moved) {
        spdlog::log(table.serving == 0 ? spdlog::level::err : spdlog::level::info,
                    "pool {}: {} of {} slots move; {} of {} backends serve", table.pool,
                    table.slots_moved, table.slots, table.serving, table.backends);
    }
    if (!generation) {  // keep_house() tries again
        if (last_trouble_ != generation.error().message) {
            spdlog::warn("not published yet: {}", generation.error().message);
        }
        last_trouble_ = generation.error().message;
        return;
    }
    last_trouble_.clear();
    publish_is_due_ = false;
    spdlog::debug("published generation {}", generation.value());
}

void Control::keep_house() {
    house_timer_.expires_after(kHouseInterval);
    house_timer_.async_wait([this](const boost::system::error_code& error) {
        if (error || is_stopped_) return;
        if (link_.is_connected()) {
            const bool is_stalled = link_.region()->collect(Instant::clock::now());
            if (is_stalled && !dataplane_is_stalled_) {
                spdlog::error("the dataplane does not take new tables: stopped, or out of memory");
            }
            dataplane_is_stalled_ = is_stalled;
        }
        continue_slow_starts(Instant::clock::now());
        look_at_gateways(Instant::clock::now());
        if (!self_suspicion_.is_idle()) judge_self(Instant::clock::now());
        publish();
        watch_drains();
        keep_house();
    });
}

/// Says of each draining backend what is left of it, and when no flow can be.
void Control::watch_drains() {
    if (!link_.is_connected()) return;
    const tables::LiveFixed& dataplane = link_.region()->dataplane();
    const CoarseTime now = dataplane.now.load(std::memory_order_relaxed);
    std::map<health::Identity, Drain> drains;
    for (const conf::Pool& pool : config_.pools) {
        for (const conf::Backend& backend : pool.backends) {
            if (!backend.is_draining) continue;
            const health::Identity identity{pool.name, backend.address, backend.port};
            const tables::BackendFlows& left = dataplane.backend_flows[planner_.index_of(identity)];
            const CoarseTime since = left.draining_since.load(std::memory_order_relaxed);
            // The dataplane counts once a second, so the first count may be of before.
            const bool is_counted = since != 0 && now - since >= 2;
            const std::uint32_t flows = left.remembered.load(std::memory_order_relaxed);
            const std::uint32_t waiting = left.waiting.load(std::memory_order_relaxed);
            const auto before = drains_.find(identity);
            Drain& drain = drains[identity];
            drain = {is_counted && flows == 0 && waiting == 0, now};
            if (before == drains_.end()) {
                spdlog::info("{} drains: it keeps its flows and gets no new ones",
                             name_of(identity));
            } else if (drain.is_safe && !before->second.is_safe) {
                spdlog::info("{} is drained after {} s: safe to remove", name_of(identity),
                             now - since);
            } else if (!drain.is_safe && now - before->second.reported_at >= kDrainReportSeconds) {
                spdlog::info(
                    "{} drains: {} flows left, the quietest silent for {} s; {} slots may have "
                    "silent ones that are not counted",
                    name_of(identity), flows, left.silence_s.load(std::memory_order_relaxed),
                    waiting);
            } else {
                drain.reported_at = before->second.reported_at;
            }
        }
    }
    drains_ = std::move(drains);
}

void Control::reload() {
    conf::Loaded loaded = conf::load_file(path_);
    for (const conf::Diagnostic& diagnostic : loaded.diagnostics) {
        spdlog::error("{}", diagnostic.str());
    }
    if (!loaded.config) {
        spdlog::error("reload refused: {} error{} in {}; nothing has changed",
                      loaded.diagnostics.size(), loaded.diagnostics.size() == 1 ? "" : "s", path_);
        return;
    }
    for (const std::string& key : conf::needs_restart(config_, *loaded.config)) {
        spdlog::warn("reload: {} differs; it takes effect after a restart", key);
    }
    const std::vector<std::string> changes = changes_between(config_, *loaded.config);
    for (const std::string& change : changes) spdlog::info("reload: {}", change);
    spdlog::info("reload: {} applied, {} change{}", path_, changes.size(),
                 changes.size() == 1 ? "" : "s");
    config_ = std::move(*loaded.config);
    if (!has_begun_) return;
    apply_config();
    if (link_.is_connected()) read_ports();
    request_publish();
}

}  // namespace tandem
