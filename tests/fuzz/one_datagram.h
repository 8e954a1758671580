// What must hold for any bytes that another instance, or somebody in its place, can send: the
// properties that the fuzzer and the bounded test of random mutations both check, for the envelope
// of the peer channel, its messages, their records, and advertisements.
#pragma once

#include <cstdint>
#include <span>

namespace tandem::fuzz {

/// All of it. Abort if a property is broken; a sanitizer aborts if a byte beyond is touched.
void check_datagram(std::span<const std::uint8_t> bytes);

void check_message(std::span<const std::uint8_t> bytes);
void check_record(std::span<const std::uint8_t> bytes);
void check_advert(std::span<const std::uint8_t> ip_packet);
/// For an instance of secret 0 that knows nobody.
void check_envelope(std::span<const std::uint8_t> datagram);

}  // namespace tandem::fuzz
