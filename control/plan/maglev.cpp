#include "control/plan/maglev.h"

#include <algorithm>

#include "dataplane/base/check.h"

namespace tandem::plan {

namespace {

/// Which slots are taken. A bit a slot stays in the first-level cache, the table itself does not.
class Bitmap {
  public:
    explicit Bitmap(std::uint32_t size) : words_((std::size_t{size} + 63) / 64) {}
    [[nodiscard]] bool is_set(std::uint32_t at) const {
        return (words_[at / 64] >> (at % 64) & 1U) != 0;
    }
    void set(std::uint32_t at) { words_[at / 64] |= std::uint64_t{1} << (at % 64); }

  private:
    std::vector<std::uint64_t> words_;
};

struct Progress {
    std::uint32_t next;    ///< the slot it asks for next
    std::uint32_t credit;  ///< towards its next turn
};

}  // namespace

std::vector<std::uint16_t> fill_in_turns(std::span<const Turns> backends,
                                         std::uint32_t slot_count) {
    std::vector<std::uint16_t> owners(backends.empty() ? 0 : slot_count);
    std::vector<Progress> progress;
    std::uint32_t turn_costs = 1;
    for (const Turns& backend : backends) {
        CHECK(backend.offset < slot_count && backend.skip >= 1 && backend.skip < slot_count);
        CHECK(backend.weight >= 1);
        progress.push_back({backend.offset, 0});
        turn_costs = std::max<std::uint32_t>(turn_costs, backend.weight);
    }
    Bitmap taken(slot_count);
    for (std::uint32_t filled = 0; filled < owners.size();) {
        for (std::size_t i = 0; i < backends.size() && filled < owners.size(); ++i) {
            Progress& mine = progress[i];
            mine.credit += backends[i].weight;
            if (mine.credit < turn_costs) continue;
            mine.credit -= turn_costs;

            const std::uint32_t skip = backends[i].skip;
            const auto step = [&](std::uint32_t slot) {
                return slot >= slot_count - skip ? slot - (slot_count - skip) : slot + skip;
            };
            std::uint32_t slot = mine.next;
            while (taken.is_set(slot)) slot = step(slot);
            taken.set(slot);
            owners[slot] = static_cast<std::uint16_t>(i);
            mine.next = step(slot);
            ++filled;
        }
    }
    return owners;
}

}  // namespace tandem::plan
