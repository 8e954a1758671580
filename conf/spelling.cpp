#include "conf/spelling.h"

#include <algorithm>
#include <vector>

namespace tandem::conf {

namespace {

/// Edit distance with swaps of neighbours (optimal string alignment), by the usual table of which
/// three rows are enough.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> above(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t changed = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, changed});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
        before.swap(above);
        above.swap(row);
    }
    return above[b.size()];
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> known) {
    constexpr std::size_t kWordMax = 64;  // the effort is the product of two lengths
    constexpr std::size_t kLettersPerSlip = 3;
    if (word.size() > kWordMax) return {};
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(word.size() / kLettersPerSlip, 1) + 1;
    for (const std::string_view candidate : known) {
        // Cheap first: names can be many.
        const std::size_t longer = std::max(word.size(), candidate.size());
        if (longer - std::min(word.size(), candidate.size()) >= best_distance) continue;
        const std::size_t found = distance(word, candidate);
        if (found >= best_distance) continue;
        best = candidate;
        best_distance = found;
    }
    return best;
}

}  // namespace tandem::conf
