// libFuzzer's entry: one datagram, every property. Built and run by tests/fuzz/run.
#include <cstddef>
#include <cstdint>
#include <span>

#include "tests/fuzz/one_datagram.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    tandem::fuzz::check_datagram(std::span(data, size));
    return 0;
}
