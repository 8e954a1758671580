#include "conf/flows.h"

namespace tandem::conf {

namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr Range<std::int64_t> kPerWorker{1000, 100'000'000};
constexpr Range<milliseconds> kIdle{seconds{1}, hours{2}};

}  // namespace

Flows read_flows(Section& root) {
    Section section = root.subsection("flows");
    Flows flows;
    section.integer("per_worker", kPerWorker, flows.per_worker);
    section.duration("opening", kIdle, flows.opening);
    section.duration("established", kIdle, flows.established);
    section.duration("closing", kIdle, flows.closing);
    section.duration("udp", kIdle, flows.udp);
    section.finish();
    return flows;
}

}  // namespace tandem::conf
