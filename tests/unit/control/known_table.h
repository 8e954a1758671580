// A table whose digests are known. Every build computes the same, by whatever compiler and at
// whatever level of optimisation: two instances with one key rely on it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "control/plan/slot_table.h"

namespace tandem::plan {

/// Of 1000 backends, of three weights: while most of them serve, one at a part of its weight, and
/// while three do.
struct KnownDigests {
    std::uint64_t most_serve;
    std::uint64_t three_serve;
    friend bool operator==(const KnownDigests&, const KnownDigests&) = default;
};
inline constexpr KnownDigests kKnownDigests{530013637624768815U, 17533094908792341567U};

inline KnownDigests compute_known_digests() {
    constexpr std::size_t kBackends = 1000;
    constexpr std::array<std::uint16_t, 3> kWeights{100, 50, 10};
    const KeyedHash hash{HashKey{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}}};
    std::vector<Member> members;
    std::vector<std::uint16_t> most{0};
    std::vector<std::uint16_t> three{0};
    for (std::size_t i = 0; i < kBackends; ++i) {
        const std::uint16_t weight = kWeights[i % kWeights.size()];
        const IpAddress address = IpAddress::from_v4(
            {10, 1, static_cast<std::uint8_t>(i >> 8U), static_cast<std::uint8_t>(i)});
        members.push_back({address, 80, static_cast<tables::BackendIndex>(i + 1), weight});
        most.push_back(i % 10 == 0 ? std::uint16_t{0} : weight);
        three.push_back(i < 3 ? weight : std::uint16_t{0});
    }
    most[2] = 20;
    SlotTable table;
    table.configure(hash, 65'537, members);
    KnownDigests digests{};
    table.update(hash, most);
    digests.most_serve = table.digest();
    table.update(hash, three);
    digests.three_serve = table.digest();
    return digests;
}

}  // namespace tandem::plan
