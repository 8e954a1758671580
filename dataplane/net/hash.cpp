#include "dataplane/net/hash.h"

#include <algorithm>

namespace tandem {

namespace {

// FIPS 197 section 5.2, one step of the AES-128 key expansion.
template <int kRoundConstant>
__m128i next_round_key(__m128i key) {
    const __m128i word = _mm_shuffle_epi32(_mm_aeskeygenassist_si128(key, kRoundConstant), 0xff);
    key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    return _mm_xor_si128(key, word);
}

}  // namespace

KeyedHash::KeyedHash(const HashKey& key)
    : whitening_(_mm_loadu_si128(reinterpret_cast<const __m128i*>(key.bytes.data()))),
      round_1_(next_round_key<0x01>(whitening_)),
      round_2_(next_round_key<0x02>(round_1_)),
      round_3_(next_round_key<0x04>(round_2_)),
      round_4_(next_round_key<0x08>(round_3_)) {}

std::uint64_t KeyedHash::of_bytes(std::span<const std::byte> bytes) const {
    __m128i state =
        absorb(_mm_setzero_si128(), _mm_set_epi64x(-1, static_cast<long long>(bytes.size())));
    while (!bytes.empty()) {
        std::array<std::byte, 16> block{};
        const std::size_t taken = std::min(bytes.size(), block.size());
        std::copy_n(bytes.begin(), taken, block.begin());
        state = absorb(state, _mm_loadu_si128(reinterpret_cast<const __m128i*>(block.data())));
        bytes = bytes.subspan(taken);
    }
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(state));
}

}  // namespace tandem
