// Keeps a netdev's kernel from merging packets that come in one after the other: GRO, LRO. What is
// merged before a packet socket sees it is longer than the MTU, or than the socket's buffers, and
// its checksum is not finished.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/base/result.h"

namespace tandem {

class ReceiveMerging {
  public:
    /// Switches it off until this object is gone, which restores what was on; a process that is
    /// killed leaves it off. Errors: the kernel refuses; nothing has changed then.
    static Result<ReceiveMerging> switch_off(const std::string& netdev);

    ReceiveMerging(ReceiveMerging&& other) noexcept;
    ReceiveMerging& operator=(ReceiveMerging&& other) noexcept;
    ReceiveMerging(const ReceiveMerging&) = delete;
    ReceiveMerging& operator=(const ReceiveMerging&) = delete;
    ~ReceiveMerging();

  private:
    using Mask = std::vector<std::uint32_t>;  ///< a bit a feature of the kernel's, in its order

    ReceiveMerging(std::string netdev, Mask changed)
        : netdev_(std::move(netdev)), changed_(std::move(changed)) {}

    std::string netdev_;
    Mask changed_;
};

}  // namespace tandem
