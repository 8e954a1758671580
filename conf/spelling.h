// Finds the word that somebody probably meant.
#pragma once

#include <span>
#include <string_view>

namespace tandem::conf {

/// The known word nearest to `word` by letters added, left out, changed or swapped with their
/// neighbour; empty if none is near enough to be a likely slip. The first of equals wins.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);

}  // namespace tandem::conf
