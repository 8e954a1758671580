#include "dataplane/shared_tables.h"

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <new>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/coarse_clock.h"

namespace tandem {

namespace {

using tables::Region;
using tables::RegionKind;

constexpr std::size_t kBytesPerMib = std::size_t{1} << 20U;
/// Versions of a pool's slots that exist at once: the live one, the next, one still being read.
constexpr std::size_t kVersions = 3;
constexpr std::size_t kReservePools = 8;  ///< that a reload may add without a restart
constexpr std::size_t kSlotsMin = 65'537;
constexpr std::size_t kSlotsMax = 655'373;
constexpr std::size_t kSlotsPerBackend = 200;  ///< at most, where control decides

constexpr std::size_t kLiveBytesPerSlot =
    sizeof(tables::Slot) + sizeof(CoarseTime) + sizeof(tables::EarlierOwner);

struct ArenaSizes {
    std::size_t plan;
    std::size_t live;
};

std::size_t slots_of(const conf::Pool& pool) {
    if (pool.slots != 0) return pool.slots;
    return std::clamp(pool.backends.size() * kSlotsPerBackend, kSlotsMin, kSlotsMax);
}

/// Room for what is configured and for a few more pools, three times over; or what was asked for.
ArenaSizes arena_sizes(const conf::Config& config) {
    if (config.dataplane.table_memory_bytes != 0) {
        return {config.dataplane.table_memory_bytes / 3,
                config.dataplane.table_memory_bytes / 3 * 2};
    }
    std::size_t slots = kReservePools * kSlotsMin;
    std::size_t backends = 4096;
    for (const conf::Pool& pool : config.pools) {
        slots += slots_of(pool);
        backends += pool.backends.size();
    }
    constexpr std::size_t kFixedArena = 4 * kBytesPerMib;
    return {kFixedArena + kVersions * (slots * sizeof(tables::BackendIndex) +
                                       backends * sizeof(tables::PlanBackend)),
            kFixedArena +
                kVersions * (slots * kLiveBytesPerSlot + backends * sizeof(tables::LiveBackend))};
}

std::size_t arena_of(const Region& region) {
    return region.header().size_bytes - region.header().arena_offset;
}

Error too_much(const Error& error) {
    return {error.message + ": free some, or set dataplane.table_memory lower"};
}

}  // namespace

Result<SharedTables> SharedTables::listen(const conf::Config& config) {
    const std::string& path = config.dataplane.socket;
    Result<FileDescriptor> listener = tables::listen_at(path);
    if (!listener) return listener.error();
    ::fcntl(listener.value().get(), F_SETFL, O_NONBLOCK);
    SharedTables shared(path, std::move(listener.value()));
    const ArenaSizes sizes = arena_sizes(config);
    shared.plan_bytes_ = sizes.plan;
    shared.live_bytes_ = sizes.live;
    shared.is_size_given_ = config.dataplane.table_memory_bytes != 0;
    return shared;
}

SharedTables::~SharedTables() {
    if (listener_.is_open()) ::unlink(path_.c_str());
}

Status SharedTables::obtain_regions(int grace_ms, const Wanted& wanted,
                                    const std::function<void(tables::LiveFixed&)>& describe) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(grace_ms);
    while (!plan_) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        pollfd wake{listener_.get(), POLLIN, 0};
        if (left.count() <= 0 || ::poll(&wake, 1, static_cast<int>(left.count())) <= 0) break;
        FileDescriptor connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!connection.is_open()) continue;
        Result<tables::Received> offered =
            tables::receive_hello(connection.get(), static_cast<int>(kHelloLimit.count()));
        if (!offered) {
            note_turned_away(tables::peer_pid(connection.get()).value_or(0),
                             offered.error().message);
            continue;
        }
        Status status = offered.value().hello.region_count == tables::kRegionCount
                            ? adopt(offered.value(), wanted)
                            : create(wanted);
        if (!status) {
            spdlog::warn("the tables that control kept are not used: {}", status.error().message);
            status = create(wanted);
        }
        if (!status) return status;
        describe(fixed());
        if (answer(connection.get())) control_ = std::move(connection);
    }
    if (plan_) return Nothing{};
    spdlog::info("no control process yet: only the kernel's traffic passes until one comes");
    const Status status = create(wanted);
    if (status) describe(fixed());
    return status;
}

Status SharedTables::create(const Wanted& wanted) {
    Result<Region> plan = Region::create(RegionKind::kPlan, 0, plan_bytes_, tables::Pages::kNormal);
    if (!plan) return too_much(plan.error());
    Result<Region> live =
        Region::create(RegionKind::kLive, sizeof(tables::LiveFixed), live_bytes_,
                       wanted.huge_pages ? tables::Pages::kHuge : tables::Pages::kNormal);
    if (!live && wanted.huge_pages) {
        spdlog::info("the tables are in normal pages: {}", live.error().message);
        live = Region::create(RegionKind::kLive, sizeof(tables::LiveFixed), live_bytes_,
                              tables::Pages::kNormal);
    }
    if (!live) return too_much(live.error());
    // Control writes the plan; here it is only read.
    Result<Region> plan_to_read =
        Region::map(FileDescriptor(::fcntl(plan.value().fd(), F_DUPFD_CLOEXEC, 0)),
                    RegionKind::kPlan, 0, tables::Access::kRead);
    if (!plan_to_read) return plan_to_read.error();
    if (Status status = create_flows(wanted); !status) return status;
    plan_ = std::move(plan_to_read.value());
    live_ = std::move(live.value());
    new (live_->fixed()) tables::LiveFixed{};
    return Nothing{};
}

Status SharedTables::create_flows(const Wanted& wanted) {
    using tables::FlowMemory;
    const std::uint64_t flows = wanted.flows_per_worker;
    Result<FlowMemory> memory = FlowMemory::create(
        wanted.workers, flows, wanted.huge_pages ? tables::Pages::kHuge : tables::Pages::kNormal);
    if (!memory && wanted.huge_pages) {
        spdlog::info("the flows are in normal pages: {}", memory.error().message);
        memory = FlowMemory::create(wanted.workers, flows, tables::Pages::kNormal);
    }
    if (!memory) {
        return Error{memory.error().message + ": free some, or set flows.per_worker lower"};
    }
    flows_.emplace(std::move(memory.value()));
    return Nothing{};
}

Status SharedTables::adopt(tables::Received& offered, const Wanted& wanted) {
    Result<Region> plan =
        Region::map(std::move(offered.regions[0]), RegionKind::kPlan, 0, tables::Access::kRead);
    if (!plan) return plan.error();
    Result<Region> live = Region::map(std::move(offered.regions[1]), RegionKind::kLive,
                                      sizeof(tables::LiveFixed), tables::Access::kReadWrite);
    if (!live) return live.error();
    if (is_size_given_ &&
        (arena_of(plan.value()) < plan_bytes_ || arena_of(live.value()) < live_bytes_)) {
        return Error{"they are smaller than dataplane.table_memory says now"};
    }
    if (Status status = adopt_flows(std::move(offered.regions[2]), wanted); !status) return status;
    plan_ = std::move(plan.value());
    live_ = std::move(live.value());
    forget_predecessor();
    spdlog::info("control handed back the tables of a dataplane before this one (generation {})",
                 live_->header().generations.published.load());
    return Nothing{};
}

/// Flows that an earlier dataplane remembered, if this one has the same number of workers and the
/// same room for each.
Status SharedTables::adopt_flows(FileDescriptor fd, const Wanted& wanted) {
    Result<tables::FlowMemory> memory =
        tables::FlowMemory::map(std::move(fd), tables::Access::kReadWrite);
    if (!memory || !memory.value().fits(wanted.workers, wanted.flows_per_worker)) {
        spdlog::warn("remembered flows are lost: {}",
                     memory ? "their tables are of another size" : memory.error().message);
        return create_flows(wanted);
    }
    flows_.emplace(std::move(memory.value()));
    const CoarseTime away = coarse_now() - flows_->alive_at().load();
    if (away > tables::FlowTimeouts::kMaxSeconds / 2) flows_->clear();  // stamps would seem young
    flows_->recount();
    return Nothing{};
}

/// Nobody of the process before us reads any more, and its packets were its own.
void SharedTables::forget_predecessor() {
    std::destroy_at(&fixed());
    new (live_->fixed()) tables::LiveFixed{};
}

Status SharedTables::answer(int connection) {
    tables::Hello hello;
    hello.region_count = tables::kRegionCount;
    return tables::send_hello(connection, hello, {plan_->fd(), live_->fd(), flows_->fd()});
}

void SharedTables::serve(Instant now) {
    if (control_.is_open() && tables::is_closed(control_.get())) {
        control_.reset();
        spdlog::warn("the control process is gone; forwarding goes on with the last tables");
    }
    if (control_.is_open()) {
        if (const std::optional<tables::Order> order = tables::receive_order(control_.get())) {
            orders_.push_back(*order);
        }
    }
    if (!newcomer_.is_open()) {
        newcomer_ = FileDescriptor(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        newcomer_limit_ = now + kHelloLimit;
    }
    if (!newcomer_.is_open()) return;
    pollfd spoken{newcomer_.get(), POLLIN, 0};
    if (::poll(&spoken, 1, 0) > 0 || now >= newcomer_limit_) greet(std::move(newcomer_));
}

std::array<pollfd, 2> SharedTables::descriptors() const {
    const int next = newcomer_.is_open() ? newcomer_.get() : listener_.get();
    return {pollfd{next, POLLIN, 0}, pollfd{control_.get(), POLLIN | POLLRDHUP, 0}};
}

void SharedTables::report(const tables::OrderReport& report) {
    if (!control_.is_open()) return;
    const Status sent = tables::send_report(control_.get(), report);
    if (!sent) spdlog::warn("control is not told how its order ended: {}", sent.error().message);
}

/// Once for each process and reason: who is turned away tries again, ten times a second.
void SharedTables::note_turned_away(pid_t pid, const std::string& why) {
    const std::string text = fmt::format("process {} was turned away: {}", pid, why);
    if (text == turned_away_) return;
    turned_away_ = text;
    spdlog::warn("{}", text);
}

void SharedTables::greet(FileDescriptor connection) {
    const pid_t pid = tables::peer_pid(connection.get()).value_or(0);
    const Result<tables::Received> hello = tables::receive_hello(connection.get(), 0);
    if (!hello) {
        note_turned_away(pid, hello.error().message);
        const Status sent =
            tables::send_hello(connection.get(), tables::refusal(hello.error().message), {});
        if (!sent) spdlog::debug("{}", sent.error().message);
        return;
    }
    if (control_.is_open()) {
        const pid_t other = tables::peer_pid(control_.get()).value_or(0);
        const Status sent = tables::send_hello(
            connection.get(),
            tables::refusal("another tandem-control (process " + std::to_string(other) +
                            ") already serves this dataplane"),
            {});
        if (!sent) spdlog::debug("{}", sent.error().message);
        return;
    }
    if (const Status sent = answer(connection.get()); !sent) {
        spdlog::warn("process {}: {}", pid, sent.error().message);
        return;
    }
    control_ = std::move(connection);
    spdlog::info("control process {} is connected", pid);
}

}  // namespace tandem
