// The ways in which a packet can leave. Every packet leaves by exactly one, so per worker
// received = sum over all verdicts. The enum is counter, drop reason and trace text at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tandem {

enum class Verdict : std::uint8_t {
    kForwarded,           ///< to a backend
    kAnswered,            ///< ARP, neighbour discovery or ping for a VIP: our reply went out
    kPunted,              ///< to the kernel: not for a VIP
    kOtherHost,           ///< its destination MAC is neither ours nor a group's
    kMalformed,           ///< lengths, versions or header chains that contradict themselves
    kFragment,            ///< an IP fragment for a VIP
    kNoService,           ///< for a VIP's address, but no VIP listens on that protocol and port
    kNoBackend,           ///< no backend of the pool serves
    kBackendUnreachable,  ///< the backend's next hop has no MAC yet
    kTtlExpired,          ///< TTL or hop limit would reach 0 here
    kTooBig,              ///< longer than the way to the backend takes
    kTxFull,              ///< the port did not take it in time
    kPuntFull,            ///< the kernel's side did not take it in time
    kNotActive,           ///< for a VIP of a group that another instance is active for
    kPair,                ///< to our own main core: from the other instance
    kStaleTables,         ///< this worker slept so long that its tables were reused meanwhile
};
inline constexpr std::size_t kVerdictCount = static_cast<std::size_t>(Verdict::kStaleTables) + 1;

inline constexpr std::array<std::string_view, kVerdictCount> kVerdictNames{
    "forwarded",           "answered",    "punted",     "other_host",
    "malformed",           "fragment",    "no_service", "no_backend",
    "backend_unreachable", "ttl_expired", "too_big",    "tx_full",
    "punt_full",           "not_active",  "pair",       "stale_tables"};

constexpr std::string_view name_of(Verdict verdict) {
    return kVerdictNames[static_cast<std::size_t>(verdict)];
}

}  // namespace tandem
