#include "control/admin_request.h"

#include <array>
#include <fmt/format.h>
#include <optional>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "conf/diagnostic.h"
#include "conf/spelling.h"

namespace tandem::admin {

namespace {

namespace json = boost::json;

constexpr std::string_view kVerbList = R"("handoff", "take_back", "drill" or "peer")";
constexpr std::string_view kExample = R"({"do":"handoff","group":"web"})";
/// By Verb.
constexpr std::array<std::string_view, 4> kVerbs{"handoff", "take_back", "drill", "peer"};
constexpr std::array<std::string_view, 3> kKeys{"do", "group", "hard"};

/// As it was written, unless that is long.
std::string shown(const json::value& value) {
    constexpr std::size_t kShownMax = 64;
    const std::string text = json::serialize(value);
    return text.size() <= kShownMax ? text : fmt::format("{} bytes of JSON", text.size());
}

std::string meant(std::string_view word, std::span<const std::string_view> known) {
    const std::string_view found = conf::nearest(word, known);
    return found.empty() ? "" : fmt::format(" (did you mean '{}'?)", found);
}

Result<Verb> parse_verb(const json::object& object) {
    const json::value* value = object.if_contains("do");
    if (value == nullptr) return Error{fmt::format(R"("do" is missing; it is {})", kVerbList)};
    if (!value->is_string()) {
        return Error{fmt::format(R"("do" must be {}, not {})", kVerbList, shown(*value))};
    }
    const std::string_view word = value->get_string();
    for (std::size_t i = 0; i < kVerbs.size(); ++i) {
        if (word == kVerbs[i]) return static_cast<Verb>(i);
    }
    return Error{fmt::format(R"("do" must be {}, not {}{})", kVerbList, conf::in_quotes(word),
                             meant(word, kVerbs))};
}

/// What is wrong with a key and its value; empty: nothing.
std::string read_key(std::string_view key, const json::value& value, Request& request) {
    if (key == "do") return "";
    if (key == "group") {
        if (request.verb == Verb::kPeer) return R"("group" is not for "peer")";
        if (!value.is_string() || value.get_string().empty()) {
            return fmt::format(R"("group" must be the name of a group, not {})", shown(value));
        }
        request.group = value.get_string();
        return "";
    }
    if (key == "hard") {
        if (request.verb != Verb::kDrill) return R"("hard" is only for "drill")";
        if (!value.is_bool()) {
            return fmt::format(R"("hard" must be true or false, not {})", shown(value));
        }
        request.is_hard = value.get_bool();
        return "";
    }
    return fmt::format(R"(there is no key {}{}: an order has "do", "group" and "hard")",
                       conf::in_quotes(key), meant(key, kKeys));
}

}  // namespace

std::string_view name(Verb verb) {
    return kVerbs[static_cast<std::size_t>(verb)];
}

Result<Request> parse_request(std::string_view line) {
    boost::system::error_code error;
    const json::value value = json::parse({line.data(), line.size()}, error);
    if (error) {
        return Error{fmt::format("this is no JSON ({}); expected one object a line, such as {}",
                                 error.message(), kExample)};
    }
    const json::object* object = value.if_object();
    if (object == nullptr) {
        return Error{fmt::format("expected an object such as {}, not {}", kExample, shown(value))};
    }
    const Result<Verb> verb = parse_verb(*object);
    if (!verb) return verb.error();
    Request request{.verb = verb.value(), .group = "", .is_hard = false};
    for (const auto& [key, each] : *object) {
        const std::string wrong = read_key({key.data(), key.size()}, each, request);
        if (!wrong.empty()) return Error{wrong};
    }
    return request;
}

Answer refused(std::string why) {
    return {.is_ok = false, .said = std::move(why), .gap_us = -1, .facts = {}};
}

std::string str(const Answer& answer) {
    std::string line =
        fmt::format(R"({{"ok":{},"{}":{})", answer.is_ok, answer.is_ok ? "said" : "error",
                    json::serialize(json::string_view(answer.said)));
    // By hand, for Boost writes 12.3 as 1.23E1.
    if (answer.gap_us >= 0) {
        line += fmt::format(R"(,"gap_ms":{}.{:03})", answer.gap_us / 1000, answer.gap_us % 1000);
    }
    for (const auto& [key, value] : answer.facts) {
        line += fmt::format(",{}:{}", json::serialize(key), json::serialize(value));
    }
    return line + "}\n";
}

}  // namespace tandem::admin
