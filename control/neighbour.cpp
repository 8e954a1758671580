#include "control/neighbour.h"

#include <algorithm>
#include <chrono>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace tandem {

namespace {

/// Those without a MAC are asked for every second, the others often enough that the kernel notices
/// a new MAC soon, and never forgets one: as if it had traffic of its own for them.
constexpr auto kTick = std::chrono::seconds(1);
constexpr unsigned kRefreshTicks = 10;

}  // namespace

Result<std::unique_ptr<NeighbourWatch>> NeighbourWatch::open(boost::asio::io_context& io,
                                                             Observer observer) {
    Result<Netlink> netlink = Netlink::open();
    if (!netlink) return netlink.error();
    Result<NetlinkMonitor> monitor = NetlinkMonitor::open();
    if (!monitor) return monitor.error();
    std::unique_ptr<NeighbourWatch> watch(new NeighbourWatch(
        io, std::move(observer), std::move(netlink.value()), std::move(monitor.value())));
    watch->await_events();
    watch->refresh();
    return watch;
}

NeighbourWatch::NeighbourWatch(boost::asio::io_context& io, Observer observer, Netlink netlink,
                               NetlinkMonitor monitor)
    : readable_(io, ::dup(monitor.fd())),  // Asio closes what it is given
      timer_(io),
      observer_(std::move(observer)),
      netlink_(std::move(netlink)),
      monitor_(std::move(monitor)) {}

void NeighbourWatch::stop() {
    is_stopped_ = true;
    boost::system::error_code ignored;
    readable_.close(ignored);
    timer_.cancel();
}

void NeighbourWatch::watch(std::set<Wanted> wanted, const std::set<Wanted>& asked) {
    const bool is_same_asked =
        std::ranges::equal(asked_, asked, {}, [](const auto& each) { return each.first; });
    if (wanted == wanted_ && is_same_asked) return;
    wanted_ = std::move(wanted);
    std::erase_if(asked_, [&](const auto& each) { return !asked.contains(each.first); });
    for (const Wanted& neighbour : asked) asked_.try_emplace(neighbour);
    std::erase_if(known_, [&](const Wanted& neighbour) { return !wanted_.contains(neighbour); });
    tell_all();
    for (const Wanted& neighbour : wanted_) {
        if (!known_.contains(neighbour)) resolve(neighbour);
    }
}

void NeighbourWatch::await_events() {
    readable_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         [this](const boost::system::error_code& error) {
                             if (error || is_stopped_) return;
                             on_events();
                             await_events();
                         });
}

void NeighbourWatch::on_events() {
    const NetlinkEvents events = monitor_.receive();
    for (const KernelNeighbour& neighbour : events.neighbours) learn(neighbour);
    if (events.missed_some) tell_all();
    if (events.addresses_changed || events.missed_some) observer_.addresses_changed();
}

void NeighbourWatch::learn(const KernelNeighbour& neighbour) {
    const Wanted key{neighbour.ifindex, neighbour.address};
    if (!wanted_.contains(key)) return;
    const auto asked = asked_.find(key);
    if (asked != asked_.end()) asked->second = neighbour;
    if (neighbour.mac) known_.insert(key);
    if (neighbour.mac || asked != asked_.end()) observer_.learned(neighbour);
}

void NeighbourWatch::tell_all() {
    const Result<std::vector<KernelNeighbour>> all = netlink_.neighbours();
    if (!all) {
        spdlog::error("the kernel's neighbours cannot be read: {}", all.error().message);
        return;
    }
    for (const KernelNeighbour& neighbour : all.value()) learn(neighbour);
}

void NeighbourWatch::refresh() {
    const bool is_everybodys_turn = ++ticks_ % kRefreshTicks == 0;
    for (const Wanted& neighbour : wanted_) {
        const auto asked = asked_.find(neighbour);
        if (asked != asked_.end()) {
            ask(neighbour, asked->second);
        } else if (is_everybodys_turn || !known_.contains(neighbour)) {
            resolve(neighbour);
        }
    }
    timer_.expires_after(kTick);
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error && !is_stopped_) refresh();
    });
}

/// One that the kernel is asking already, or has forgotten meanwhile, is asked for as others are.
void NeighbourWatch::ask(const Wanted& neighbour, const KernelNeighbour& known) {
    if (known.is_fixed) return;
    if (known.mac && netlink_.probe(neighbour.first, neighbour.second)) return;
    resolve(neighbour);
}

void NeighbourWatch::resolve(const Wanted& neighbour) {
    const Status status = netlink_.resolve(neighbour.first, neighbour.second);
    if (status) {
        has_complained_ = false;
    } else if (!has_complained_) {
        has_complained_ = true;
        spdlog::error("the kernel does not look for neighbour {}: {}", neighbour.second.str(),
                      status.error().message);
    }
}

}  // namespace tandem
