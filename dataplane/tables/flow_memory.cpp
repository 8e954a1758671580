#include "dataplane/tables/flow_memory.h"

#include <algorithm>
#include <bit>
#include <new>
#include <sys/random.h>
#include <vector>

namespace tandem::tables {

namespace {

/// Buckets are filled to so much of their places, in the mean, when there are as many flows as
/// there were to be. From seven eighths on some find none, though others are moved for them.
constexpr std::uint64_t kFillPercent = 80;

struct Worker {
    HashKey key;
    FlowStatistics statistics;
};

struct Fixed {
    std::uint32_t workers = 0;
    std::uint32_t buckets_per_worker = 0;
    std::atomic<CoarseTime> alive_at{0};
    RssKey rss_key{};
    std::array<Worker, kWorkersMax> worker{};
};

constexpr std::size_t kBackendPlaces = (kBackendsMax + 1 + 63) / 64 * 64;
constexpr std::size_t kFlowsOfBytes = kBackendPlaces * sizeof(std::atomic<std::uint32_t>);
constexpr std::size_t kSilenceBytes = kBackendPlaces * sizeof(std::atomic<std::uint16_t>);
constexpr std::size_t kUseBytes = SlotUse::kCells * sizeof(SlotUse::Cell);

std::uint32_t buckets_for(std::uint64_t flows) {
    const std::uint64_t places = flows * 100 / kFillPercent + 1;
    constexpr std::uint64_t kBucketsMax = std::uint64_t{1} << 31U;
    return static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(std::bit_ceil(places / FlowBucket::kPlaces), 2, kBucketsMax));
}

std::size_t bytes_per_worker(std::uint32_t buckets) {
    return buckets * (sizeof(FlowBucket) + sizeof(FlowIdentities)) + kFlowsOfBytes + kSilenceBytes +
           kUseBytes;
}

bool fill_randomly(std::span<std::uint8_t> bytes) {
    return ::getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size());
}

const Fixed& fixed_of(const Region& region) {
    return *reinterpret_cast<const Fixed*>(region.fixed());
}
Fixed& fixed_of(Region& region) {
    return *reinterpret_cast<Fixed*>(region.fixed());
}

}  // namespace

Result<FlowMemory> FlowMemory::create(std::uint32_t workers, std::uint64_t flows, Pages pages) {
    const std::uint32_t buckets = buckets_for(flows);
    Result<Region> region = Region::create(RegionKind::kFlows, sizeof(Fixed),
                                           workers * bytes_per_worker(buckets), pages);
    if (!region) return region.error();
    Fixed& fixed = *new (region.value().fixed()) Fixed;
    fixed.workers = workers;
    fixed.buckets_per_worker = buckets;
    bool is_random = fill_randomly(fixed.rss_key);
    for (Worker& worker : fixed.worker) is_random = is_random && fill_randomly(worker.key.bytes);
    if (!is_random) return errno_error("cannot get random bytes");
    return FlowMemory(std::move(region.value()));
}

Result<FlowMemory> FlowMemory::map(FileDescriptor fd, Access access) {
    Result<Region> region = Region::map(std::move(fd), RegionKind::kFlows, sizeof(Fixed), access);
    if (!region) return region.error();
    const Fixed& fixed = fixed_of(region.value());
    const RegionHeader& header = region.value().header();
    const std::uint32_t buckets = fixed.buckets_per_worker;
    if (fixed.workers > kWorkersMax || !std::has_single_bit(buckets) || buckets < 2 ||
        header.size_bytes - header.arena_offset < fixed.workers * bytes_per_worker(buckets)) {
        return Error{"the flow tables' memory contradicts itself"};
    }
    return FlowMemory(std::move(region.value()));
}

bool FlowMemory::fits(std::uint32_t workers, std::uint64_t flows) const {
    return this->workers() == workers && buckets_per_worker() == buckets_for(flows);
}

void FlowMemory::clear() {
    for (std::uint32_t i = 0; i < workers(); ++i) {
        std::ranges::fill(buckets(i), FlowBucket{});
        for (std::atomic<std::uint32_t>& flows : per_backend(i).flows) flows = 0;
        for (std::atomic<std::uint16_t>& silence : per_backend(i).silence_s) silence = 0;
        for (auto& entries : statistics(i).entries) entries = 0;
    }
}

void FlowMemory::recount() {
    for (std::uint32_t i = 0; i < workers(); ++i) {
        std::array<std::uint64_t, kFlowStateCount> entries{};
        std::vector<std::uint32_t> of_backend(kBackendsMax + 1);
        for (FlowBucket& bucket : buckets(i)) {
            for (unsigned place = 0; place < FlowBucket::kPlaces; ++place) {
                if (bucket.tags[place] == 0) continue;
                const BackendIndex backend = bucket.backends[place];
                const auto state = static_cast<std::size_t>(FlowTable::state_of(bucket, place));
                if (state >= kFlowStateCount || backend == kNoBackend || backend > kBackendsMax) {
                    bucket.tags[place] = 0;
                    continue;
                }
                ++entries[state];
                ++of_backend[backend];
            }
        }
        std::ranges::copy(entries, statistics(i).entries.begin());
        std::ranges::copy(of_backend, per_backend(i).flows.begin());
    }
}

std::uint32_t FlowMemory::workers() const {
    return fixed_of(region_).workers;
}

std::uint32_t FlowMemory::buckets_per_worker() const {
    return fixed_of(region_).buckets_per_worker;
}

const RssKey& FlowMemory::rss_key() const {
    return fixed_of(region_).rss_key;
}

const HashKey& FlowMemory::key(std::uint32_t worker) const {
    return fixed_of(region_).worker[worker].key;
}

FlowStatistics& FlowMemory::statistics(std::uint32_t worker) {
    return fixed_of(region_).worker[worker].statistics;
}

const FlowStatistics& FlowMemory::statistics(std::uint32_t worker) const {
    return fixed_of(region_).worker[worker].statistics;
}

template <class T>
std::span<T> FlowMemory::part(std::uint32_t worker, std::size_t offset, std::size_t count) {
    const std::uint64_t begin =
        region_.header().arena_offset + worker * bytes_per_worker(buckets_per_worker()) + offset;
    return region_.array<T>(BlockRef{begin, count * sizeof(T), 0});
}

std::span<FlowBucket> FlowMemory::buckets(std::uint32_t worker) {
    return part<FlowBucket>(worker, 0, buckets_per_worker());
}

std::span<FlowIdentities> FlowMemory::identities(std::uint32_t worker) {
    return part<FlowIdentities>(worker, buckets_per_worker() * sizeof(FlowBucket),
                                buckets_per_worker());
}

FlowTable::PerBackend FlowMemory::per_backend(std::uint32_t worker) {
    const std::size_t at = buckets_per_worker() * (sizeof(FlowBucket) + sizeof(FlowIdentities));
    return {.flows = part<std::atomic<std::uint32_t>>(worker, at, kBackendsMax + 1),
            .silence_s =
                part<std::atomic<std::uint16_t>>(worker, at + kFlowsOfBytes, kBackendsMax + 1)};
}

SlotUse FlowMemory::slot_use(std::uint32_t worker) {
    const std::size_t at = buckets_per_worker() * (sizeof(FlowBucket) + sizeof(FlowIdentities)) +
                           kFlowsOfBytes + kSilenceBytes;
    return SlotUse(part<SlotUse::Cell>(worker, at, SlotUse::kCells));
}

CoarseTime FlowMemory::last_use(std::uint64_t pool_id, std::uint32_t slot) {
    CoarseTime latest = 0;
    for (std::uint32_t i = 0; i < workers(); ++i) {
        latest = std::max(latest, slot_use(i).last(pool_id, slot));
    }
    return latest;
}

std::atomic<CoarseTime>& FlowMemory::alive_at() {
    return fixed_of(region_).alive_at;
}

}  // namespace tandem::tables
