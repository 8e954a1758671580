// The other side of the admin socket: asks a running control for something, and waits for its
// answer.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "dataplane/base/result.h"

namespace tandem::admin {

/// More than the patience of control with its dataplane.
inline constexpr std::chrono::seconds kAnswerTimeout{300};

/// Sends one line and returns the one that comes back, both without their ends. Errors: nobody
/// listens at `path`, or nothing comes back in time.
Result<std::string> ask(const std::string& path, std::string_view line,
                        std::chrono::seconds timeout = kAnswerTimeout);

/// Whether an answer says that what was asked for is done.
bool is_ok(std::string_view answer);

}  // namespace tandem::admin
