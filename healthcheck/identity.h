// What makes a backend the same one across configurations, processes and restarts.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "dataplane/net/address.h"

namespace tandem::health {

/// What a state belongs to. Not the backend's name, nor the version of the configuration.
struct Identity {
    std::string pool;
    IpAddress address;
    std::uint16_t port = 0;  ///< the backend's own, host order; the check may use another

    friend auto operator<=>(const Identity&, const Identity&) = default;
};

}  // namespace tandem::health
