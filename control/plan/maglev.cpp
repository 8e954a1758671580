#include "control/plan/maglev.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "dataplane/base/check.h"

namespace tandem::plan {

namespace {

/// When so few slots are left, nearly all that a backend asks for are taken: the last 64 would take
/// two fifths of all attempts. Where each stands in its order is computed instead.
constexpr std::uint32_t kLastSlots = 64;

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

/// The slot that is `skip` after another, modulo the table's size, which is `skip` + `back`. Of the
/// two differences one is it and the other is larger, or has gone below 0 and is larger too: taking
/// the smaller needs no branch, which would go either way.
std::uint32_t next_slot(std::uint32_t slot, std::uint32_t skip, std::uint32_t back) {
    return std::min(slot - back, slot + skip);
}

/// The slots that are left when there are few.
class LastSlots {
  public:
    LastSlots(const Bitmap& taken, std::uint32_t slot_count) : slot_count_(slot_count) {
        for (std::uint32_t slot = 0; slot < slot_count; ++slot) {
            if (!taken.is_set(slot)) left_.push_back(slot);
        }
    }

    /// Takes the one that comes first in the order next, next + skip, next + 2 skip, …
    std::uint32_t take(std::uint32_t next, std::uint32_t skip) {
        const std::uint64_t inverse = inverse_of(skip);
        const auto rank = [&](std::uint32_t slot) {
            return (std::uint64_t{slot} + slot_count_ - next) * inverse % slot_count_;
        };
        const auto first = std::ranges::min_element(left_, {}, rank);
        const std::uint32_t slot = *first;
        *first = left_.back();
        left_.pop_back();
        return slot;
    }

  private:
    /// By Fermat's little theorem: a^(p-2) a = 1 modulo a prime p.
    [[nodiscard]] std::uint64_t inverse_of(std::uint64_t number) const {
        std::uint64_t inverse = 1;
        for (std::uint32_t power = slot_count_ - 2; power != 0; power /= 2) {
            if (power % 2 == 1) inverse = inverse * number % slot_count_;
            number = number * number % slot_count_;
        }
        return inverse;
    }

    std::uint32_t slot_count_;
    std::vector<std::uint32_t> left_;
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
    std::optional<LastSlots> last;
    for (std::uint32_t filled = 0; filled < owners.size();) {
        for (std::size_t i = 0; i < backends.size() && filled < owners.size(); ++i) {
            Progress& mine = progress[i];
            mine.credit += backends[i].weight;
            if (mine.credit < turn_costs) continue;
            mine.credit -= turn_costs;

            const std::uint32_t skip = backends[i].skip;
            const std::uint32_t back = slot_count - skip;
            std::uint32_t slot = mine.next;
            if (last) [[unlikely]] {
                slot = last->take(slot, skip);
                mine.next = next_slot(slot, skip, back);
            } else {
                // Each slot follows from the last but one: two chains that do not wait for each
                // other.
                const std::uint32_t two_skips = next_slot(skip, skip, back);
                std::uint32_t after = next_slot(slot, skip, back);
                while (taken.is_set(slot)) {
                    const std::uint32_t next = next_slot(slot, two_skips, slot_count - two_skips);
                    slot = std::exchange(after, next);
                }
                taken.set(slot);
                mine.next = after;
            }
            owners[slot] = static_cast<std::uint16_t>(i);
            ++filled;
            if (slot_count - filled == kLastSlots) last.emplace(taken, slot_count);
        }
    }
    return owners;
}

}  // namespace tandem::plan
