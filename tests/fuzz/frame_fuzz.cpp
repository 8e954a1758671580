// libFuzzer's entry: one frame, every property. Built and run by tests/fuzz/run.
#include <cstddef>
#include <cstdint>
#include <span>

#include "tests/fuzz/one_frame.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    tandem::fuzz::check_frame(std::span(data, size));
    return 0;
}
