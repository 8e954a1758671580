// The connections: when each opens, sends and ends. Knows nothing of backends or tables.
//
// Lifetimes and silences are heavy-tailed. The first connections are drawn as one would meet them
// at any moment, so nothing has to warm up: long ones among them, each somewhere in its life.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "dataplane/tables/track.h"
#include "perf/survival/random.h"

namespace tandem::survival {

/// A packet that matters to where its connection goes; it stands for a burst of them.
struct Packet {
    std::uint64_t flow;    ///< no two connections of a trace have the same
    std::uint32_t record;  ///< below Workload::records_max(); given on when a connection has ended
    tables::FlowSignal signal;
};

struct WorkloadShape {
    std::uint32_t connections = 200'000;  ///< at a time, in the mean
    std::uint32_t new_per_second = 10'000;
    std::uint32_t lifetime_s_max = 7200;
    std::uint32_t silence_s_max = 900;  ///< no longer than flow tables remember
};

class Workload {
  public:
    Workload(const WorkloadShape& shape, std::uint64_t seed);

    using Visit = std::function<void(const Packet&)>;
    /// The SYNs of those that are open when the trace begins, at 0 ms.
    void begin(const Visit& visit);
    /// What is sent in the millisecond `now_ms`, which is one later at each call. Without
    /// `opens_new` connections only go on and end.
    void run(std::uint32_t now_ms, bool opens_new, const Visit& visit);

    [[nodiscard]] std::size_t open() const { return records_.size() - free_.size(); }
    [[nodiscard]] std::size_t records_max() const { return records_.size(); }

  private:
    struct Connection {
        std::uint64_t flow = 0;
        std::uint32_t ends_ms = 0;
        std::uint32_t next = 0;  ///< in the list of those that send in the same millisecond
    };

    void open(std::uint32_t now_ms, double lifetime_s, const Visit& visit);
    void send(std::uint32_t record, std::uint32_t now_ms, const Visit& visit);
    void send_at(std::uint32_t record, std::uint32_t at_ms);

    WorkloadShape shape_;
    Random random_;
    BoundedPareto lifetime_s_;
    BoundedPareto silence_s_;
    std::uint64_t opened_ = 0;
    double owed_ = 0;  ///< of a connection to be opened
    std::vector<Connection> records_;
    std::vector<std::uint32_t> free_;
    std::vector<std::uint32_t> due_;  ///< by millisecond, round and round
};

}  // namespace tandem::survival
