#include "dataplane/eal.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <optional>
#include <sched.h>
#include <spdlog/spdlog.h>
#include <sstream>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

namespace tandem {

namespace {

// A buffer with its headers in the pool: 128 + 2048 bytes of room, the mbuf and the pool's header.
// None lies across two pages that need not be neighbours: of a normal page, each has one.
constexpr std::uint64_t kMbufBytes = 128 + 2048 + 128 + 64;
constexpr std::uint64_t kMbufBytesOfNormalPages = 4096;
constexpr std::uint64_t kMbufsMax = 0x7fff'ffff;
constexpr std::uint64_t kEalBytes = 48ULL << 20U;  // rings, port data, what EAL takes for itself
constexpr std::uint32_t kTwinMbufs = 4 * kQueueDescriptors;
// The kernel queues in these while a worker does not get to run, each way: the driver's 512 are
// full after 20 ms of 25 packets a millisecond. 2 KiB each.
constexpr unsigned kAfPacketFrames = 4096;
constexpr std::uint32_t kCacheMbufs = 512;  // per lcore: the pool's cache and a burst in hand

bool is_pci(const conf::Port& port) {
    return port.driver == conf::Driver::kPci;
}

Result<std::vector<unsigned>> parse_cpu_list(const std::string& text) {
    std::vector<unsigned> cpus;
    std::stringstream items(text);
    for (std::string item; std::getline(items, item, ',');) {
        unsigned first = 0;
        unsigned last = 0;
        const char* end = item.data() + item.size();
        auto parsed = std::from_chars(item.data(), end, first);
        last = first;
        if (parsed.ec == std::errc{} && parsed.ptr != end && *parsed.ptr == '-') {
            parsed = std::from_chars(parsed.ptr + 1, end, last);
        }
        constexpr unsigned kCpusMax = 4096;
        if (parsed.ec != std::errc{} || parsed.ptr != end || last < first || last > kCpusMax) {
            return Error{"dataplane.cores: \"" + text + "\" is not a CPU list such as \"2-7,10\""};
        }
        for (unsigned cpu = first; cpu <= last; ++cpu) {
            if (std::ranges::find(cpus, cpu) == cpus.end()) cpus.push_back(cpu);
        }
    }
    return cpus;
}

Result<std::vector<unsigned>> usable_cpus(const conf::Dataplane& settings, const Machine& machine) {
    if (settings.cores.empty()) return machine.cpus;
    Result<std::vector<unsigned>> wanted = parse_cpu_list(settings.cores);
    if (!wanted) return wanted;
    for (const unsigned cpu : wanted.value()) {
        if (std::ranges::find(machine.cpus, cpu) == machine.cpus.end()) {
            return Error{
                fmt::format("dataplane.cores names CPU {}, which this process may not use", cpu)};
        }
    }
    return wanted;
}

std::string cpu_set(const std::vector<unsigned>& cpus) {
    return fmt::format("({})", fmt::join(cpus, ","));
}

/// Main core first, then workers. Pinned one to one when there are CPUs enough, else all float:
/// two threads pinned to one busy CPU would starve each other.
std::string lcores(const std::vector<unsigned>& cpus, std::uint16_t workers) {
    std::vector<std::string> entries;
    const bool pinned = cpus.size() > std::size_t{workers} && cpus.size() > 2;
    for (unsigned lcore = 0; lcore <= workers; ++lcore) {
        entries.push_back(pinned ? fmt::format("{}@{}", lcore, cpus[lcore])
                                 : fmt::format("{}@{}", lcore, cpu_set(cpus)));
    }
    return fmt::format("--lcores={}", fmt::join(entries, ","));
}

std::uint16_t worker_count(const conf::Config& config, std::size_t cpus) {
    if (config.dataplane.workers) return *config.dataplane.workers;
    // Software ports gain nothing from more queues than the one everybody has.
    if (!std::ranges::all_of(config.ports, is_pci)) return 1;
    return static_cast<std::uint16_t>(std::clamp<std::size_t>(cpus - 1, 1, conf::kWorkersMax));
}

std::string device_argument(const conf::Port& port, std::uint16_t workers,
                            const std::string& xdp_object) {
    const std::string name = device_name(port);
    switch (port.driver) {
        case conf::Driver::kPci:
            return "--allow=" + name;
        case conf::Driver::kAfPacket:
            return fmt::format("--vdev={},iface={},qpairs={},qdisc_bypass=1,framecnt={}", name,
                               port.device_name, workers, kAfPacketFrames);
        case conf::Driver::kAfXdp:
            return fmt::format("--vdev={},iface={},start_queue=0,queue_count={},xdp_prog={}", name,
                               port.device_name, workers, xdp_object);
        case conf::Driver::kTap:
            return fmt::format("--vdev={},iface={}", name, port.device_name);
        case conf::Driver::kPcap:
        case conf::Driver::kNull:
        case conf::Driver::kMemif:
        case conf::Driver::kRing:
            break;
    }
    return "--vdev=" + name + (port.device_name.empty() ? "" : "," + port.device_name);
}

std::uint32_t mbufs_needed(const conf::Config& config, std::uint16_t workers) {
    const auto ports = static_cast<std::uint32_t>(config.ports.size());
    const std::uint32_t queued = 2U * kQueueDescriptors * workers * ports;
    const std::uint32_t total = queued + ports * kTwinMbufs + (workers + 1U) * kCacheMbufs;
    return std::bit_ceil(total) - 1;  // a pool's ring is best used at 2^n - 1 (rte_mempool.h)
}

struct PacketMemory {
    std::uint64_t bytes;
    std::uint32_t mbufs;
    bool huge_pages;
};

std::uint64_t mib(std::uint64_t bytes) {
    return bytes >> 20U;
}

/// As many buffers as the operator's memory holds, or the memory that `needed` buffers take.
PacketMemory memory_of(std::uint64_t wanted_bytes, std::uint32_t needed, bool huge_pages) {
    const std::uint64_t each = huge_pages ? kMbufBytes : kMbufBytesOfNormalPages;
    if (wanted_bytes == 0) return {needed * each + kEalBytes, needed, huge_pages};
    const std::uint64_t mbufs = std::min((wanted_bytes - kEalBytes) / each, kMbufsMax);
    return {wanted_bytes, static_cast<std::uint32_t>(mbufs), huge_pages};
}

/// Huge pages if they hold what is wanted. Errors: too little wanted, more than there is.
Result<PacketMemory> plan_memory(const conf::Dataplane& settings, const Machine& machine,
                                 std::uint32_t needed) {
    const std::uint64_t wanted = settings.packet_memory_bytes;
    constexpr std::uint64_t kBytesMin = kEalBytes + 2 * kCacheMbufs * kMbufBytesOfNormalPages;
    if (wanted != 0 && wanted < kBytesMin) {
        return Error{"dataplane.packet_memory: at least 64MiB are needed"};
    }
    const PacketMemory huge = memory_of(wanted, needed, true);
    const bool enough_huge = machine.free_huge_bytes >= huge.bytes;
    if (settings.memory == conf::Memory::kHuge && !enough_huge) {
        return Error{fmt::format(
            "dataplane.memory is \"huge\", which needs {} MiB of free huge pages, and there are "
            "{}: run 'sysctl vm.nr_hugepages={}' or set memory = \"auto\"",
            mib(huge.bytes) + 1, mib(machine.free_huge_bytes), mib(huge.bytes) / 2 + 1)};
    }
    if (settings.memory != conf::Memory::kNormal && enough_huge) return huge;
    const PacketMemory normal = memory_of(wanted, needed, false);
    if (normal.bytes > machine.available_bytes) {
        return Error{
            fmt::format("packets need {} MiB of memory and {} MiB are available: set "
                        "dataplane.packet_memory lower, or fewer dataplane.workers",
                        mib(normal.bytes), mib(machine.available_bytes))};
    }
    return normal;
}

std::vector<std::string> split_words(const std::string& text) {
    std::istringstream words(text);
    return {std::istream_iterator<std::string>(words), {}};
}

}  // namespace

Machine this_machine() {
    Machine machine;
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (::sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
        for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(cpu, &allowed)) machine.cpus.push_back(cpu);
        }
    }
    std::ifstream meminfo("/proc/meminfo");
    std::uint64_t free_pages = 0;
    std::uint64_t page_kib = 0;
    for (std::string line; std::getline(meminfo, line);) {
        std::istringstream fields(line);
        std::string key;
        std::uint64_t value = 0;
        fields >> key >> value;
        if (key == "HugePages_Free:") free_pages = value;
        if (key == "Hugepagesize:") page_kib = value;
        if (key == "MemAvailable:") machine.available_bytes = value * 1024;
    }
    machine.free_huge_bytes = free_pages * page_kib * 1024;
    return machine;
}

std::string device_name(const conf::Port& port) {
    switch (port.driver) {
        case conf::Driver::kPci:
            return port.device_name;
        case conf::Driver::kAfPacket:
            return "net_af_packet_" + port.name;
        case conf::Driver::kAfXdp:
            return "net_af_xdp_" + port.name;
        case conf::Driver::kTap:
            return "net_tap_" + port.name;
        case conf::Driver::kPcap:
            return "net_pcap_" + port.name;
        case conf::Driver::kNull:
            return "net_null_" + port.name;
        case conf::Driver::kMemif:
            return "net_memif_" + port.name;
        case conf::Driver::kRing:
            return "net_ring_" + port.name;
    }
    return port.name;
}

Result<EalPlan> plan_eal(const conf::Config& config, const Machine& machine,
                         const std::vector<std::string>& xdp_objects) {
    const conf::Dataplane& settings = config.dataplane;
    Result<std::vector<unsigned>> cpus = usable_cpus(settings, machine);
    if (!cpus) return cpus.error();
    if (cpus.value().empty()) return Error{"dataplane.cores names no CPU"};

    EalPlan plan;
    plan.workers = worker_count(config, cpus.value().size());
    if (plan.workers > cpus.value().size()) {  // they poll, and would starve each other
        return Error{
            fmt::format("dataplane.workers is {}, and there {} {} CPU{} for them: set it "
                        "lower, or name more in dataplane.cores",
                        plan.workers, cpus.value().size() == 1 ? "is" : "are", cpus.value().size(),
                        cpus.value().size() == 1 ? "" : "s")};
    }
    Result<PacketMemory> memory =
        plan_memory(settings, machine, mbufs_needed(config, plan.workers));
    if (!memory) return memory.error();
    plan.huge_pages = memory.value().huge_pages;
    plan.mbuf_count = memory.value().mbufs;
    const std::uint64_t memory_mib = mib(memory.value().bytes) + 1;

    const bool any_pci = std::ranges::any_of(config.ports, is_pci);
    plan.arguments = {"tandem-dataplane", "--file-prefix=tandem", "--main-lcore=0",
                      lcores(cpus.value(), plan.workers)};
    if (!any_pci) plan.arguments.emplace_back("--no-pci");
    plan.arguments.push_back(fmt::format("-m{}", memory_mib));
    if (plan.huge_pages) {
        plan.arguments.emplace_back("--in-memory");
    } else {
        plan.arguments.insert(plan.arguments.end(), {"--no-huge", "--no-shconf"});
    }
    for (std::size_t i = 0; i < config.ports.size(); ++i) {
        const std::string object = i < xdp_objects.size() ? xdp_objects[i] : "";
        plan.arguments.push_back(device_argument(config.ports[i], plan.workers, object));
    }
    std::ranges::copy(split_words(settings.eal_args), std::back_inserter(plan.arguments));
    plan.summary =
        fmt::format("{} worker{}, {} packet buffers in {} MiB of {}", plan.workers,
                    plan.workers == 1 ? "" : "s", plan.mbuf_count, memory_mib,
                    plan.huge_pages ? "huge pages"
                                    : fmt::format("normal pages ({} MiB of huge pages free)",
                                                  mib(machine.free_huge_bytes)));
    return plan;
}

Status start_eal(const EalPlan& plan) {
    spdlog::debug("DPDK arguments: {}", fmt::join(plan.arguments, " "));
    std::vector<std::string> arguments = plan.arguments;
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());

    // DPDK talks much while it starts; what it says matters only if it fails.
    char* text = nullptr;
    std::size_t size = 0;
    std::FILE* said = ::open_memstream(&text, &size);
    if (said != nullptr) rte_openlog_stream(said);
    const int result = rte_eal_init(static_cast<int>(argv.size()), argv.data());
    const int code = rte_errno;
    rte_openlog_stream(nullptr);
    if (said != nullptr) std::fclose(said);

    std::istringstream lines(text == nullptr ? "" : text);
    std::string last;
    for (std::string line; std::getline(lines, line);) {
        spdlog::debug("{}", line);
        if (!line.empty()) last = line;
    }
    std::free(text);
    if (result >= 0) return Nothing{};
    return Error{fmt::format("DPDK does not start: {} ({}); all it said: log_level = \"debug\"",
                             last.empty() ? "no reason given" : last, rte_strerror(code))};
}

}  // namespace tandem
