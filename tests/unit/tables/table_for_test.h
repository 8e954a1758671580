// A flow table of any size with everything it needs, for tests.
#pragma once

#include <utility>
#include <vector>

#include "dataplane/tables/flow_table.h"

namespace tandem::tables {

class TableForTest {
  public:
    explicit TableForTest(std::size_t bucket_count, const FlowTimeouts& timeouts = {})
        : buckets_(bucket_count),
          table_(buckets_, {flows_of_, silence_s_}, statistics_, timeouts) {}

    FlowTable& operator*() { return table_; }
    FlowTable* operator->() { return &table_; }
    [[nodiscard]] const FlowStatistics& statistics() const { return statistics_; }
    [[nodiscard]] std::uint64_t entries(FlowState state) const {
        return statistics_.entries[static_cast<std::size_t>(state)];
    }
    [[nodiscard]] std::uint64_t entries() const {
        std::uint64_t sum = 0;
        for (const auto& of_state : statistics_.entries) sum += of_state;
        return sum;
    }
    [[nodiscard]] std::uint16_t silence_s(BackendIndex backend) const {
        return silence_s_[backend];
    }
    [[nodiscard]] std::size_t places() const { return buckets_.size() * FlowBucket::kPlaces; }

  private:
    std::vector<FlowBucket> buckets_;
    std::vector<std::atomic<std::uint32_t>> flows_of_ =
        std::vector<std::atomic<std::uint32_t>>(kBackendsMax + 1);
    std::vector<std::atomic<std::uint16_t>> silence_s_ =
        std::vector<std::atomic<std::uint16_t>>(kBackendsMax + 1);
    FlowStatistics statistics_;
    FlowTable table_;
};

}  // namespace tandem::tables
