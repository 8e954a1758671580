// Numbers in network order, one after the other: how messages and records are written and read.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace tandem::pair {

class ByteWriter {
  public:
    template <class Number>
    void number(Number value) {
        std::array<std::uint8_t, sizeof(Number)> written;
        for (std::size_t i = 0; i < sizeof(Number); ++i) {
            written[i] = static_cast<std::uint8_t>(value >> (8 * (sizeof(Number) - 1 - i)));
        }
        bytes(written);
    }
    void bytes(std::span<const std::uint8_t> bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    /// For a number that is known only later.
    void number_at(std::size_t position, std::uint16_t value) {
        bytes_[position] = static_cast<std::uint8_t>(value >> 8U);
        bytes_[position + 1] = static_cast<std::uint8_t>(value);
    }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    std::vector<std::uint8_t> take() { return std::move(bytes_); }

  private:
    std::vector<std::uint8_t> bytes_;
};

/// Reads from the front. What is not there is 0, and makes it unsound.
class ByteReader {
  public:
    explicit ByteReader(std::span<const std::uint8_t> bytes) : left_(bytes) {}

    template <class Number>
    Number number() {
        Number value = 0;
        for (const std::uint8_t byte : take(sizeof(Number))) {
            value = static_cast<Number>(std::uint64_t{value} << 8U | byte);
        }
        return value;
    }
    std::span<const std::uint8_t> take(std::size_t count) {
        if (count > left_.size()) {
            is_sound_ = false;
            left_ = {};
            return {};
        }
        const auto taken = left_.first(count);
        left_ = left_.subspan(count);
        return taken;
    }
    [[nodiscard]] bool at_end() const { return left_.empty(); }
    [[nodiscard]] bool is_sound() const { return is_sound_; }

  private:
    std::span<const std::uint8_t> left_;
    bool is_sound_ = true;
};

}  // namespace tandem::pair
