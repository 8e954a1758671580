// What an operator asks for: one line of JSON, such as {"do":"handoff","group":"web"}, and what
// comes back, another one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "dataplane/base/result.h"

namespace tandem::admin {

enum class Verb : std::uint8_t { kHandoff, kTakeBack, kDrill, kPeer };

/// As it is written in a request.
std::string_view name(Verb verb);

struct Request {
    Verb verb = Verb::kPeer;
    std::string group;     ///< empty: all of them
    bool is_hard = false;  ///< a drill without a word to the other instance

    friend bool operator==(const Request&, const Request&) = default;
};

/// Of a line without its end. Errors: what is wrong with it, and what was expected.
Result<Request> parse_request(std::string_view line);

struct Answer {
    bool is_ok = false;
    std::string said;           ///< one sentence: what was done, or why not
    std::int64_t gap_us = -1;   ///< of a drill; -1: not measured
    boost::json::object facts;  ///< what else there is to know; empty: nothing
};

Answer refused(std::string why);

/// With the line's end.
std::string str(const Answer& answer);

}  // namespace tandem::admin
