// Keeps the kernel's neighbour table filled with those that backends are reached over, and says
// which MACs it holds, and of some whether they answer. The kernel asks (ARP, neighbour discovery);
// we only make it ask.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "control/netlink.h"
#include "dataplane/base/result.h"

namespace tandem {

class NeighbourWatch {
  public:
    struct Observer {
        std::function<void(const KernelNeighbour&)> learned;
        std::function<void()> addresses_changed;
    };

    /// Errors: netlink cannot be used.
    static Result<std::unique_ptr<NeighbourWatch>> open(boost::asio::io_context& io,
                                                        Observer observer);
    NeighbourWatch(const NeighbourWatch&) = delete;
    NeighbourWatch& operator=(const NeighbourWatch&) = delete;

    using Wanted = std::pair<int, IpAddress>;  ///< netdev index and address

    /// From now on exactly these are kept; those `asked`, some of them, are asked every second.
    /// What the kernel knows of them already is told from within this call.
    void watch(std::set<Wanted> wanted, const std::set<Wanted>& asked);
    /// The next watch() tells all, whether or not others are wanted.
    void forget() { wanted_.clear(); }
    void stop();

    [[nodiscard]] Netlink& netlink() { return netlink_; }

  private:
    NeighbourWatch(boost::asio::io_context& io, Observer observer, Netlink netlink,
                   NetlinkMonitor monitor);
    void await_events();
    void on_events();
    void learn(const KernelNeighbour& neighbour);
    void tell_all();
    void refresh();
    void resolve(const Wanted& neighbour);
    void ask(const Wanted& neighbour, const KernelNeighbour& known);

    boost::asio::posix::stream_descriptor readable_;
    boost::asio::steady_timer timer_;
    Observer observer_;
    Netlink netlink_;
    NetlinkMonitor monitor_;
    std::set<Wanted> wanted_;
    std::set<Wanted> known_;                   ///< those of wanted_ that have a MAC
    std::map<Wanted, KernelNeighbour> asked_;  ///< likewise, as the kernel has said last
    unsigned ticks_ = 0;
    bool has_complained_ = false;
    bool is_stopped_ = false;
};

}  // namespace tandem
