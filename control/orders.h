// Orders that were given to the dataplane and are not done yet. Each ends exactly once: by its
// report, by the end of the dataplane, or because nothing came in time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "dataplane/base/result.h"
#include "dataplane/tables/exchange.h"

namespace tandem {

class Orders {
  public:
    using Done = std::function<void(const Result<tables::OrderReport>&)>;
    static constexpr std::size_t kPendingMax = 64;
    static constexpr auto kPatience = std::chrono::seconds(30);
    /// With hard drills so many times that: they wait for others to notice, by intervals that may
    /// be long.
    static constexpr int kHardDrillPatience = 8;

    explicit Orders(boost::asio::io_context& io, std::chrono::milliseconds patience = kPatience)
        : io_(io), patience_(patience) {}

    /// An order that `done` is to hear of. Errors: too many are pending; `done` is not called then.
    Result<tables::Order> begin(tables::OrderKind kind, const std::string& group, Done done);
    /// Of an order that is not pending (any more) it is ignored.
    void on_report(const tables::OrderReport& report);
    void fail(std::uint64_t id, const Error& why);
    void fail_all(const Error& why);
    /// No call is made after it.
    void stop() { pending_.clear(); }

  private:
    struct Pending {
        Done done;
        std::unique_ptr<boost::asio::steady_timer> patience;
    };

    void end(std::uint64_t id, const Result<tables::OrderReport>& outcome);

    boost::asio::io_context& io_;
    std::chrono::milliseconds patience_;
    /// Not from 0: a dataplane may report to the control process before this one.
    std::uint64_t next_id_ =
        static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    std::map<std::uint64_t, Pending> pending_;
};

}  // namespace tandem
