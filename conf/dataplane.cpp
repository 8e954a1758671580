#include "conf/dataplane.h"

#include <algorithm>

namespace tandem::conf {

namespace {

constexpr std::uint64_t kCpuMax = 4096;
constexpr Range<milliseconds> kStallLimits{milliseconds{10}, milliseconds{10'000}};

constexpr std::array<Word<Memory>, 3> kMemoryWords{
    {{"auto", Memory::kAuto}, {"huge", Memory::kHuge}, {"normal", Memory::kNormal}}};
constexpr std::array<Word<Poll>, 3> kPollWords{
    {{"adaptive", Poll::kAdaptive}, {"relaxed", Poll::kRelaxed}, {"busy", Poll::kBusy}}};

/// "2" or "2-7".
bool is_cpu_range(std::string_view text) {
    const std::size_t dash = text.find('-');
    const auto first = parse_number(text.substr(0, dash), kCpuMax);
    const auto last = dash == text.npos ? first : parse_number(text.substr(dash + 1), kCpuMax);
    return first && last && *first <= *last;
}

/// The list as it is written; empty for "auto".
Result<std::string> parse_cores(std::string_view text) {
    if (text == "auto") return std::string();
    std::size_t start = 0;
    std::size_t comma = 0;
    do {
        comma = std::min(text.find(',', start), text.size());
        if (!is_cpu_range(text.substr(start, comma - start))) {
            return Error{in_quotes(text) + R"( is not a list of CPUs such as "2-7,10", or "auto")"};
        }
        start = comma + 1;
    } while (comma < text.size());
    return std::string(text);
}

}  // namespace

Dataplane read_dataplane(Section& root) {
    Dataplane dataplane;
    Section section = root.subsection("dataplane");
    section.integer_or_auto("workers", {1, kWorkersMax}, dataplane.workers);
    section.parsed("cores", R"(a string such as "2-7,10", or "auto")", parse_cores,
                   dataplane.cores);
    section.choice("memory", kMemoryWords, dataplane.memory);
    section.size_or_auto("packet_memory", dataplane.packet_memory_bytes);
    section.size_or_auto("table_memory", dataplane.table_memory_bytes);
    section.choice("poll", kPollWords, dataplane.poll);
    section.duration("stall_limit", kStallLimits, dataplane.stall_limit);
    section.file_path("socket", kSocketPathMax, dataplane.socket);
    if (const auto text = section.text("eal_args", "a string")) dataplane.eal_args = text->value;
    section.finish();
    return dataplane;
}

}  // namespace tandem::conf
