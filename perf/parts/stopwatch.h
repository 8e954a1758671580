// What a benchmark times itself, because the preparation between two times is not to be in them.
#pragma once

#include <chrono>

namespace tandem::perf {

/// For benchmark::State::SetIterationTime().
template <class Work>
double seconds_of(Work&& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace tandem::perf
