// What the log says when the two instances of a pair do not find a backend in the same state.
#pragma once

#include <optional>
#include <string>

#include "control/plan/planner.h"

namespace tandem {

/// "pool web: backend 10.0.0.11:80".
std::string name_of(const health::Identity& backend);

struct RulingLine {
    bool is_alarm = false;  ///< somebody should look
    std::string text;

    friend bool operator==(const RulingLine&, const RulingLine&) = default;
};

/// nullopt: what holds is what this instance finds, as usual.
std::optional<RulingLine> line_of(const plan::Ruling& ruling);

}  // namespace tandem
