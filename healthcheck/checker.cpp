#include "healthcheck/checker.h"

#include <exception>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "dataplane/base/check.h"
#include "healthcheck/connect.h"
#include "healthcheck/probe.h"
#include "healthcheck/schedule.h"

namespace tandem::health {

namespace asio = boost::asio;
using asio::ip::tcp;

/// One backend under one definition of its check. Lives as long as its coroutine; once `ended` is
/// set, the coroutine touches nothing else.
struct Checker::Watch {
    Watch(const Target& target, BackendState initial)
        : backend(target.backend), check(target.check), state(std::move(initial)) {}

    const Identity backend;
    const conf::Check check;
    BackendState state;
    Instant next_start;
    bool ended = false;
    bool is_over = true;  ///< there is no coroutine, or no more
    asio::cancellation_signal signal;
};

namespace {

tcp::endpoint endpoint_of(const Identity& backend, const conf::Check& check) {
    const std::uint16_t port = check.port.value_or(backend.port);
    const auto& bytes = backend.address.bytes;
    if (!backend.address.is_v4()) return {asio::ip::address_v6(bytes), port};
    const asio::ip::address_v4::bytes_type v4{bytes[12], bytes[13], bytes[14], bytes[15]};
    return {asio::ip::address_v4(v4), port};
}

std::string host_of(const conf::Check& check, const tcp::endpoint& target) {
    if (!check.host.empty()) return check.host;
    const std::string address = target.address().to_string();
    return (target.address().is_v6() ? '[' + address + ']' : address) + ':' +
           std::to_string(target.port());
}

/// A plain function that starts a coroutine: in a co_await expression g++ 12.2 destroys temporary
/// aggregates such as these arguments twice.
asio::awaitable<ProbeResult> probe(const Identity& backend, const conf::Check& check) {
    const tcp::endpoint target = endpoint_of(backend, check);
    const Duration timeout = probe_timeout(check);
    switch (check.type) {
        case conf::CheckType::kTcp: {
            return probe_tcp({target, timeout});
        }
        case conf::CheckType::kHttp: {
            return probe_http({target, timeout, check.path, host_of(check, target),
                               check.status_min, check.status_max});
        }
        case conf::CheckType::kNone:
            break;
    }
    CHECK(false);
}

}  // namespace

Checker::Checker(asio::io_context& io, Observer observer, std::uint64_t seed)
    : io_(io), observer_(std::move(observer)), random_(seed) {
    CHECK(observer_.changed && observer_.blind);
    // Asio opens its epoll with the first object that needs it, and throws if it cannot.
    const asio::steady_timer first(io_);
}

Checker::~Checker() {
    stop();
}

std::vector<Change> Checker::apply(const std::vector<Target>& targets) {
    const Instant now = Instant::clock::now();
    std::map<Identity, std::shared_ptr<Watch>> next;
    std::vector<std::shared_ptr<Watch>> to_begin;
    std::vector<Change> changes;

    for (const Target& target : targets) {
        const auto known = watches_.find(target.backend);
        if (known != watches_.end() && known->second->check == target.check) {
            const bool is_new = next.insert(watches_.extract(known)).inserted;
            CHECK(is_new);
            continue;
        }
        const Thresholds thresholds{target.check.rise, target.check.fall};
        BackendState state(thresholds, now, target.remembered);
        if (known != watches_.end()) {
            state = known->second->state;
            state.on_check_changed(thresholds);
        }
        auto watch = std::make_shared<Watch>(target, std::move(state));
        if (target.check.type != conf::CheckType::kNone) {
            to_begin.push_back(watch);
        } else if (const auto transition = watch->state.on_unchecked(now)) {
            changes.push_back({target.backend, *transition, std::nullopt});
        }
        const bool is_new = next.emplace(target.backend, std::move(watch)).second;
        CHECK(is_new);
    }

    stop();  // those that are gone, and those that `next` has under a new definition
    watches_ = std::move(next);
    for (std::size_t i = 0; i < to_begin.size(); ++i) {
        to_begin[i]->next_start = now + first_delay(to_begin[i]->check, i, to_begin.size());
        begin(to_begin[i]);
    }
    return changes;
}

void Checker::stop() {
    for (const auto& [backend, watch] : watches_) end(watch);
    watches_.clear();
}

const BackendState* Checker::find(const Identity& backend) const {
    const auto found = watches_.find(backend);
    return found == watches_.end() ? nullptr : &found->second->state;
}

void Checker::end(const std::shared_ptr<Watch>& watch) {
    watch->ended = true;
    cancel(io_, watch);
}

/// Asks until it is over: who asks between two operations of a probe asks nobody. It also keeps the
/// watch until then, for outside of the loop emit() only posts what cancels, with a bare pointer
/// into the watch (Boost 1.81, co_spawn.hpp).
void Checker::cancel(asio::io_context& io, const std::shared_ptr<Watch>& watch) {
    watch->signal.emit(asio::cancellation_type::terminal);
    asio::post(io, [&io, watch] {
        if (!watch->is_over) cancel(io, watch);
    });
}

void Checker::begin(const std::shared_ptr<Watch>& watch) {
    watch->is_over = false;
    // The handler holds the watch too: Asio looks at the cancellation slot until the very end.
    auto at_end = [watch](std::exception_ptr error) {
        watch->is_over = true;
        if (error) std::rethrow_exception(error);  // an observer's: nothing of ours throws
    };
    asio::co_spawn(io_, run(watch),
                   asio::bind_cancellation_slot(watch->signal.slot(), std::move(at_end)));
}

asio::awaitable<void> Checker::run(std::shared_ptr<Watch> watch) {
    co_await asio::this_coro::throw_if_cancelled(false);  // `ended` says it, and nothing throws
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (!watch->ended) {
        timer.expires_at(watch->next_start);
        co_await timer.async_wait(kAwait);
        if (watch->ended) break;

        const Instant started = Instant::clock::now();
        const ProbeResult result = co_await probe(watch->backend, watch->check);
        if (watch->ended) break;
        watch->next_start = next_start(watch->check, started, random_());
        on_result(*watch, result, Instant::clock::now());
    }
}

void Checker::on_result(Watch& watch, const ProbeResult& result, Instant now) {
    if (result.outcome() == Outcome::kInconclusive) note_blind(result, now);
    if (const auto transition = watch.state.on_result(result, now)) {
        observer_.changed({watch.backend, *transition, result});
    }
}

void Checker::note_blind(const ProbeResult& result, Instant now) {
    ++blind_count_;
    if (blind_reported_ && now - *blind_reported_ < kBlindReportInterval) return;
    blind_reported_ = now;
    observer_.blind(result.reason, std::exchange(blind_count_, 0));
}

}  // namespace tandem::health
