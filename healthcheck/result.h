// What one probe found out about one backend: a value, with no I/O in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dataplane/base/time.h"

namespace tandem::health {

/// What happened, in HAProxy's vocabulary, which operators know.
enum class ProbeCode : std::uint8_t {
    kL4Ok,         ///< L4OK: connected
    kL4Timeout,    ///< L4TOUT: no connection within the timeout
    kL4Connect,    ///< L4CON: the connection was refused, or there is no way to the backend
    kL7Ok,         ///< L7OK: answered as expected
    kL7Timeout,    ///< L7TOUT: connected, but no complete answer within the timeout
    kL7Response,   ///< L7RSP: what came is no answer of the protocol, or was cut short
    kL7Status,     ///< L7STS: a valid answer with a status that was not expected
    kSocketError,  ///< SOCKERR: we could not even ask, and the fault is ours
};

/// "L4OK", "L7STS", …
std::string_view name(ProbeCode code);

/// Inconclusive says nothing about the backend, and so changes nothing.
enum class Outcome : std::uint8_t { kPass, kFail, kInconclusive };

Outcome outcome(ProbeCode code);

struct ProbeResult {
    ProbeCode code = ProbeCode::kSocketError;
    std::string reason{};  ///< for the operator: "connect: Connection refused"
    Duration latency{};    ///< from the start of the probe to this result

    [[nodiscard]] Outcome outcome() const { return health::outcome(code); }
    friend bool operator==(const ProbeResult&, const ProbeResult&) = default;
};

}  // namespace tandem::health
