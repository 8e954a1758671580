// The connection to the dataplane: made, kept, and made again whenever it breaks.
//
// Holds the descriptors of the shared memory as long as this process lives, and offers them to
// every dataplane that comes: so a restarted one gets its tables back. Orders and their reports go
// the same way.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "control/orders.h"
#include "control/plan_region.h"
#include "dataplane/tables/exchange.h"

namespace tandem {

class DataplaneLink {
  public:
    struct Observer {
        /// region() is there from now on; `is_other`: it is not the one that was there before.
        std::function<void(bool is_other)> connected;
        std::function<void()> lost;
        /// Nothing that time mends: another control serves it, or it is of another release.
        std::function<void(const std::string& why)> refused;
    };

    /// `patience` is that with orders.
    DataplaneLink(boost::asio::io_context& io, std::string path, Observer observer,
                  std::chrono::milliseconds patience = Orders::kPatience);
    DataplaneLink(const DataplaneLink&) = delete;
    DataplaneLink& operator=(const DataplaneLink&) = delete;

    /// Tries now, and again until it succeeds.
    void start();
    /// No call is made after it.
    void stop();

    /// `done` is called once, maybe at once: with the dataplane's report, or with why there is
    /// none. `group` empty: all groups.
    void give_order(tables::OrderKind kind, const std::string& group, Orders::Done done);

    [[nodiscard]] bool is_connected() const { return is_connected_; }
    /// nullptr before the first connection; what it was connected to last while there is none.
    [[nodiscard]] PlanRegion* region() { return region_.get(); }

  private:
    void try_to_connect();
    void try_again();
    void send_offer(FileDescriptor socket);
    void await_answer();
    void on_answer();
    void await_reports();
    void take_reports();
    void on_end();

    boost::asio::steady_timer timer_;
    boost::asio::posix::stream_descriptor socket_;
    std::string path_;
    Observer observer_;
    Orders orders_;
    std::unique_ptr<PlanRegion> region_;
    std::string last_trouble_;  ///< logged once, not five times a second
    bool is_connected_ = false;
    bool is_stopped_ = false;
};

}  // namespace tandem
