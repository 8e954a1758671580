// Random changes of bytes: what the bounded tests do in place of a fuzzer.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace tandem::fuzz {

using Random = std::mt19937;

inline std::size_t below(Random& random, std::size_t bound) {
    return random() % bound;
}

/// Values that lengths, offsets and types turn at.
inline std::uint8_t interesting_byte(Random& random) {
    constexpr std::array<std::uint8_t, 16> kBytes{0,  1,  4,  5,  6,   7,   8,   17,
                                                  44, 51, 58, 60, 127, 128, 254, 255};
    return random() % 2 == 0 ? kBytes[below(random, kBytes.size())]
                             : static_cast<std::uint8_t>(random());
}

inline void mutate(Random& random, std::vector<std::uint8_t>& bytes) {
    const std::size_t at = below(random, std::max<std::size_t>(bytes.size(), 1));
    switch (random() % 6) {
        case 0:
            bytes.resize(at);
            break;
        case 1:
            bytes.insert(bytes.end(), below(random, 64), interesting_byte(random));
            break;
        case 2:  // headers move, as with options
            bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(std::min(at, bytes.size())), 8,
                         interesting_byte(random));
            break;
        default:  // most often one byte, most often one of the headers'
            if (!bytes.empty())
                bytes[at % std::min<std::size_t>(bytes.size(), 96)] = interesting_byte(random);
    }
}

/// Checks as many mutations of the seeds, the same ones in every run.
inline void check_mutations(const std::vector<std::vector<std::uint8_t>>& seeds,
                            void (*check)(std::span<const std::uint8_t>), int rounds) {
    Random random(20'251);
    for (int round = 0; round < rounds; ++round) {
        std::vector<std::uint8_t> bytes = seeds[below(random, seeds.size())];
        const std::size_t count = below(random, 5);
        for (std::size_t i = 0; i < count; ++i) mutate(random, bytes);
        check(bytes);
    }
}

}  // namespace tandem::fuzz
