#include "tests/unit/tables/kill_actors.h"

#include <chrono>
#include <new>
#include <optional>
#include <poll.h>
#include <random>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "dataplane/tables/exchange.h"
#include "dataplane/tables/merge.h"
#include "tests/unit/tables/checked_plan.h"
#include "tests/unit/tables/stamped.h"

namespace tandem::tables {

namespace {

constexpr std::size_t kPlanArenaBytes = 128 * 1024;  // so small that it is full at times
constexpr std::size_t kLiveArenaBytes = 256 * 1024;
constexpr int kPatienceMs = 20'000;
constexpr std::size_t kWorkers = 2;

/// Time as the publishers see it. It runs fast, so that a reader stopped for a moment counts as
/// stopped; not under ThreadSanitizer, to which what follows then is a race, as it should be.
Instant now() {
#ifdef __SANITIZE_THREAD__
    constexpr int kSpeed = 1;
#else
    constexpr int kSpeed = 200;
#endif
    return Instant{std::chrono::steady_clock::now().time_since_epoch() * kSpeed};
}

/// Twice as long as it takes to count as stopped.
void sleep_over_it() {
    std::this_thread::sleep_for(2 * kReaderStallLimit / 200);
}

void pause_briefly() {
    ::usleep(100);
}

LiveFixed& fixed_of(Region& live) {
    return *reinterpret_cast<LiveFixed*>(live.fixed());
}

class Control {
  public:
    Control(Progress& progress, std::string path, std::uint64_t seed)
        : progress_(progress), path_(std::move(path)), random_(seed) {}

    [[noreturn]] void run() {
        for (;;) {
            const FileDescriptor socket = connect();
            if (!socket.is_open()) {
                publish();  // forwarding may be gone, control's work goes on
                pause_briefly();
                continue;
            }
            while (!is_closed(socket.get())) publish();
        }
    }

  private:
    FileDescriptor connect() {
        Result<FileDescriptor> socket = connect_to(path_);
        if (!socket) return {};
        Hello hello;
        std::array<int, kRegionCount> regions{-1, -1};
        if (publisher_) {
            hello.region_count = kRegionCount;
            regions = {plan_->fd(), live_->fd(), live_->fd()};  // no flows here
        }
        if (!send_hello(socket.value().get(), hello, regions)) return {};
        Result<Received> answer = receive_hello(socket.value().get(), kPatienceMs);
        if (!answer || answer.value().hello.region_count != kRegionCount) return {};
        take(answer.value());
        return std::move(socket.value());
    }

    void take(Received& answer) {
        Result<Region> plan =
            Region::map(std::move(answer.regions[0]), RegionKind::kPlan, 0, Access::kReadWrite);
        Result<Region> live = Region::map(std::move(answer.regions[1]), RegionKind::kLive,
                                          sizeof(LiveFixed), Access::kRead);
        if (!plan || !live) complain(progress_, "control cannot map what it was given");
        if (plan_ && plan_->header().instance_id == plan.value().header().instance_id) return;
        publisher_.reset();
        plan_ = std::move(plan.value());
        live_ = std::move(live.value());
        const auto* fixed = reinterpret_cast<const LiveFixed*>(std::as_const(*live_).fixed());
        publisher_.emplace(*plan_, std::span(&fixed->plan_reader, 1));
        recover();
        progress_.control_holds = plan_->header().instance_id;
    }

    /// The plan that is there is the last one that was published, and whole.
    void recover() {
        const std::uint64_t instance = plan_->header().instance_id;
        content_ = {};
        if (progress_.instance == instance &&
            publisher_->generation() < progress_.plan_generation) {
            complain(progress_, "control finds an older plan than was published");
        }
        if (publisher_->generation() == 0) return;
        const std::optional<PlanView> plan = PlanView::open(*plan_, publisher_->generation());
        if (!plan || publisher_->current().empty() || !is_whole_plan(*plan_, *plan)) {
            complain(progress_, "control finds a torn plan");
        }
        content_ = read_back(*plan);
        ++progress_.read_back;
    }

    void publish() {
        if (!publisher_) return;
        PlanContent next = next_checked_plan(content_, random_);
        const Result<std::uint64_t> generation = publish_plan(*publisher_, next);
        if (generation) {
            content_ = std::move(next);
            if (progress_.instance == plan_->header().instance_id) {
                progress_.plan_generation = generation.value();
            }
            ++progress_.published;
        }
        progress_.left_out += publisher_->collect(now());
        if (!generation) std::this_thread::yield();
    }

    Progress& progress_;
    std::string path_;
    std::mt19937_64 random_;
    std::optional<Region> plan_;
    std::optional<Region> live_;
    std::optional<Publisher> publisher_;
    PlanContent content_;
};

class Dataplane {
  public:
    Dataplane(Progress& progress, const std::string& path, std::uint64_t seed)
        : progress_(progress), random_(seed) {
        Result<FileDescriptor> listener = listen_at(path);
        if (!listener) complain(progress_, listener.error().message);
        listener_ = std::move(listener.value());
    }

    [[noreturn]] void run() {
        while (!live_) serve(kPatienceMs);
        std::vector<std::jthread> workers;
        for (std::size_t i = 0; i < kWorkers; ++i) {
            workers.emplace_back([this, i, seed = random_()] { be_worker(i, seed); });
        }
        GenerationReader plan_reader(plan_->header().generations, fixed_of(*live_).plan_reader);
        Publisher publisher(*live_, fixed_of(*live_).worker_readers);
        std::vector<PortInfo> ports(1);
        Merger merger(*live_, publisher, ports);
        plan_reader.join();
        for (;;) {
            serve(0);
            follow_plan(plan_reader, publisher, merger);
            progress_.left_out += publisher.collect(now());
        }
    }

  private:
    /// Meets a control that connects, if one does within the time.
    void serve(int timeout_ms) {
        pollfd wake{listener_.get(), POLLIN, 0};
        if (::poll(&wake, 1, timeout_ms) <= 0) return;
        FileDescriptor connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        Result<Received> hello = receive_hello(connection.get(), kPatienceMs);
        if (!hello) return;
        if (!live_) obtain(hello.value());
        Hello answer;
        answer.region_count = kRegionCount;
        if (send_hello(connection.get(), answer, {plan_->fd(), live_->fd(), live_->fd()})) {
            control_ = std::move(connection);
        }
    }

    void obtain(Received& hello) {
        const bool is_new = hello.hello.region_count != kRegionCount;
        if (is_new) {
            Region plan = new_region(RegionKind::kPlan, 0, kPlanArenaBytes);
            hello.regions[0] = duplicate(plan.fd());
            hello.regions[1] =
                duplicate(new_region(RegionKind::kLive, sizeof(LiveFixed), kLiveArenaBytes).fd());
        }
        Result<Region> plan =
            Region::map(std::move(hello.regions[0]), RegionKind::kPlan, 0, Access::kRead);
        Result<Region> live = Region::map(std::move(hello.regions[1]), RegionKind::kLive,
                                          sizeof(LiveFixed), Access::kReadWrite);
        if (!plan || !live) complain(progress_, "the dataplane cannot map what it was given");
        plan_ = std::move(plan.value());
        live_ = std::move(live.value());
        new (live_->fixed()) LiveFixed{};
        const std::uint64_t instance = plan_->header().instance_id;
        if (is_new) {
            progress_.instance = 0;
            progress_.plan_generation = 0;
            progress_.live_generation = 0;
            progress_.instance = instance;
        } else {
            expect_whole_live();
        }
        progress_.dataplane_holds = instance;
    }

    /// What the predecessor left is its last generation, and whole.
    void expect_whole_live() {
        const std::uint64_t generation = live_->header().generations.published;
        if (progress_.instance == plan_->header().instance_id &&
            generation < progress_.live_generation) {
            complain(progress_, "the dataplane finds older tables than were live");
        }
        if (generation == 0) return;
        LiveView view;
        if (!view.open(*live_, generation) || !is_whole_live(*live_, view, generation)) {
            complain(progress_, "the dataplane finds torn tables");
        }
        ++progress_.handed_back;
    }

    void follow_plan(GenerationReader& reader, Publisher& publisher, Merger& merger) {
        const std::uint64_t generation = reader.adopt();
        if (generation == merged_) return;
        const std::optional<PlanView> plan = PlanView::open(*plan_, generation);
        const bool is_whole = plan && is_whole_plan(*plan_, *plan);
        Result<std::vector<BlockRef>> references =
            plan ? merger.merge(*plan_, *plan, generation, /*now=*/0,
                                [&] { return reader.still_intact(); })
                 : Result<std::vector<BlockRef>>(Error{"no plan"});
        if (!reader.still_intact()) {
            if (references) merger.published(false);
            ++progress_.stale;
            return;
        }
        if (!is_whole) complain(progress_, "the main core reads a torn plan");
        if (!references) {
            if (references.error().message.find("full") != std::string::npos) return;
            complain(progress_, references.error().message);
        }
        const Result<std::uint64_t> live = publisher.publish(std::move(references.value()));
        merger.published(live.has_value());
        if (!live) return;
        merged_ = generation;
        progress_.live_generation = live.value();
    }

    [[noreturn]] void be_worker(std::size_t index, std::uint64_t seed) {
        std::mt19937_64 random(seed);
        GenerationReader reader(live_->header().generations,
                                fixed_of(*live_).worker_readers[index]);
        LiveView view;
        reader.join();
        for (;;) {
            const std::uint64_t generation = reader.adopt();
            if (generation == 0) continue;
            const bool is_new = generation != view.generation();
            const bool is_there = !is_new || view.open(*live_, generation);
            if (random() % 64 == 0) sleep_over_it();
            const bool is_whole = is_there && is_whole_live(*live_, view, generation);
            if (!reader.still_intact()) {
                ++progress_.stale;
                continue;
            }
            if (!is_whole) complain(progress_, "a worker reads torn tables");
            progress_.verified += is_new ? 1 : 0;
            if (random() % 256 == 0) {
                reader.leave();
                std::this_thread::yield();
                reader.join();
            }
        }
    }

    Progress& progress_;
    std::mt19937_64 random_;
    FileDescriptor listener_;
    FileDescriptor control_;
    std::optional<Region> plan_;
    std::optional<Region> live_;
    std::uint64_t merged_ = 0;
};

}  // namespace

void complain(Progress& progress, const std::string& what) {
    if (!progress.failed.exchange(true)) what.copy(progress.complaint.data(), 255);
    ::_exit(1);
}

void be_control(Progress& progress, const std::string& socket, std::uint64_t seed) {
    Control(progress, socket, seed).run();
}

void be_dataplane(Progress& progress, const std::string& socket, std::uint64_t seed) {
    Dataplane(progress, socket, seed).run();
}

}  // namespace tandem::tables
