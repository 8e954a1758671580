// Result<T>: a value or the Error that explains its absence.
//
// A small subset of std::expected (C++23) with the same member names, so that the day the project
// moves to C++23 this file becomes one `using` and then nothing.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "dataplane/base/check.h"

namespace tandem {

/// Why an operation failed, as one sentence for the operator: what, on which object, and why.
struct Error {
    std::string message;
};

/// "WHAT: errno's text", for the errno of the call that just failed.
inline Error errno_error(std::string_view what) {
    const int code = errno;
    return {std::string(what) + ": " + std::strerror(code)};
}

template <class T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    [[nodiscard]] bool has_value() const { return state_.index() == 0; }
    explicit operator bool() const { return has_value(); }

    [[nodiscard]] const T& value() const {
        CHECK(has_value());
        return std::get<0>(state_);
    }
    [[nodiscard]] T& value() {
        CHECK(has_value());
        return std::get<0>(state_);
    }
    [[nodiscard]] const Error& error() const {
        CHECK(!has_value());
        return std::get<1>(state_);
    }

  private:
    std::variant<T, Error> state_;
};

struct Nothing {};
/// The outcome of something done for its effect.
using Status = Result<Nothing>;

}  // namespace tandem
