// The one keyed hash of the product: CBC-MAC over AES reduced to four rounds a block.
//
// Four rounds pass uniformity tests where two fail, and a sender who does not know the key cannot
// aim collisions at it, as CRC and Toeplitz allow (design: the flow table). Every build computes
// the same values, so two instances with one key agree on every slot; AES-NI is therefore required
// (base/cpu.h says so at start) instead of replaced by another function where it is missing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <immintrin.h>
#include <span>

#include "dataplane/net/flow_key.h"

namespace tandem {

/// 128 random bits. A pair shares the key for slots; the key for flow buckets is each worker's own.
struct HashKey {
    std::array<std::uint8_t, 16> bytes{};
    friend bool operator==(const HashKey&, const HashKey&) = default;
};

class KeyedHash {
  public:
    explicit KeyedHash(const HashKey& key);

    /// Of one 16-byte block: about 0.6 ns in a stream of independent blocks.
    [[nodiscard]] std::uint64_t of_block(__m128i block) const {
        return static_cast<std::uint64_t>(
            _mm_cvtsi128_si64(permute(_mm_xor_si128(block, whitening_))));
    }
    /// Of two numbers, for the table function.
    [[nodiscard]] std::uint64_t of_pair(std::uint64_t a, std::uint64_t b) const {
        return of_block(_mm_set_epi64x(static_cast<long long>(b), static_cast<long long>(a)));
    }
    /// Of a flow. IPv4 costs one block and IPv6 three; the two never share a value by construction
    /// of their blocks, only by chance.
    [[nodiscard]] std::uint64_t of_flow(const FlowKey& flow) const;
    /// Of any bytes; the length is part of what is hashed.
    [[nodiscard]] std::uint64_t of_bytes(std::span<const std::byte> bytes) const;

  private:
    [[nodiscard]] __m128i permute(__m128i state) const {
        state = _mm_aesenc_si128(state, round_1_);
        state = _mm_aesenc_si128(state, round_2_);
        state = _mm_aesenc_si128(state, round_3_);
        return _mm_aesenc_si128(state, round_4_);
    }
    [[nodiscard]] __m128i absorb(__m128i state, __m128i block) const {
        return permute(_mm_xor_si128(state, _mm_xor_si128(block, whitening_)));
    }

    // AES-128 round keys 0..4 (FIPS 197 section 5.2).
    __m128i whitening_;
    __m128i round_1_;
    __m128i round_2_;
    __m128i round_3_;
    __m128i round_4_;
};

inline std::uint64_t KeyedHash::of_flow(const FlowKey& flow) const {
    const auto* raw = reinterpret_cast<const char*>(&flow);
    std::uint64_t tail = 0;  // ports, protocol and zeros
    std::memcpy(&tail, raw + 32, sizeof(tail));
    if (flow.destination.is_v4()) {
        const std::uint64_t addresses = std::uint64_t{flow.source.v4_network_order()} |
                                        std::uint64_t{flow.destination.v4_network_order()} << 32U;
        return of_pair(addresses, tail);
    }
    __m128i state = _mm_setzero_si128();
    state = absorb(state, _mm_loadu_si128(reinterpret_cast<const __m128i*>(raw)));
    state = absorb(state, _mm_loadu_si128(reinterpret_cast<const __m128i*>(raw + 16)));
    state = absorb(state, _mm_set_epi64x(0, static_cast<long long>(tail)));
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(state));
}

}  // namespace tandem
