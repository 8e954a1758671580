// What must hold for any bytes that a wire can bring: the properties that the fuzzer and the
// bounded test of random mutations both check, for parse, the replies and the encapsulation.
#pragma once

#include <cstdint>
#include <span>

namespace tandem::fuzz {

/// Aborts if a property is broken; a sanitizer aborts if a byte beyond is touched.
void check_frame(std::span<const std::uint8_t> frame);

}  // namespace tandem::fuzz
