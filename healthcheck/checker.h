// The checks of all backends: who is probed, when, and who is told of a change.
//
// Single-threaded: everything runs on the thread of the io_context, which outlives the checker.
// Decides nothing itself: state.h says what a result means, schedule.h when the next probe is due.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "conf/config.h"
#include "dataplane/base/time.h"
#include "dataplane/net/address.h"
#include "healthcheck/identity.h"
#include "healthcheck/state.h"

namespace tandem::health {

/// One backend to be checked.
struct Target {
    Identity backend;
    conf::Check check;
    /// For a backend that is new to this checker: what an earlier process knew of it.
    Health remembered = Health::kChecking;
};

/// One backend has changed its state. Carries what a log line about it needs.
struct Change {
    Identity backend;
    Transition transition;
    std::optional<ProbeResult> result;  ///< the one that decided; nullopt: the check is `none`

    friend bool operator==(const Change&, const Change&) = default;
};

/// Called from handlers of the io_context. They may call apply(), but not destroy the checker.
struct Observer {
    std::function<void(const Change&)> changed;
    /// `count` probes since the last such call could not be made for want of something of our own
    /// (descriptors, memory, local ports). Their backends keep their states. At most once in
    /// kBlindReportInterval, so that 2000 backends without a socket are one line in the log.
    std::function<void(const std::string& reason, std::uint64_t count)> blind;
};

inline constexpr Duration kBlindReportInterval = std::chrono::seconds{60};

class Checker {
  public:
    /// `seed` is for the jitter. Throws boost::system::system_error if not even the io_context can
    /// have the few descriptors that it needs; after that nothing here throws.
    Checker(boost::asio::io_context& io, Observer observer, std::uint64_t seed);
    /// As stop().
    ~Checker();
    Checker(const Checker&) = delete;
    Checker& operator=(const Checker&) = delete;

    /// From now on exactly these backends are checked.
    ///
    /// - The check is as before: state and schedule go on, as if nothing had happened.
    /// - The check is another: the state stays, and the new check is made soon.
    /// - The backend is new: it begins with `remembered`.
    /// - A backend is not named any more: it is forgotten, and no call about it follows.
    ///
    /// No backend may be named twice. Returns the changes made at once, of which `changed` does not
    /// hear: those of backends with the check `none`, which are up without a probe.
    std::vector<Change> apply(const std::vector<Target>& targets);

    /// Ends all checks. No call is made after it. What was in flight is cancelled and ends in the
    /// io_context's next turn, or with the io_context, without touching this object.
    void stop();

    /// nullptr: not a backend of the last apply(). Valid until the next apply().
    [[nodiscard]] const BackendState* find(const Identity& backend) const;

  private:
    struct Watch;

    void end(const std::shared_ptr<Watch>& watch);
    static void cancel(boost::asio::io_context& io, const std::shared_ptr<Watch>& watch);
    void begin(const std::shared_ptr<Watch>& watch);
    boost::asio::awaitable<void> run(std::shared_ptr<Watch> watch);
    void on_result(Watch& watch, const ProbeResult& result, Instant now);
    void note_blind(const ProbeResult& result, Instant now);

    boost::asio::io_context& io_;
    Observer observer_;
    std::mt19937_64 random_;
    std::map<Identity, std::shared_ptr<Watch>> watches_;
    std::uint64_t blind_count_ = 0;
    std::optional<Instant> blind_reported_;
};

}  // namespace tandem::health
