// Walks over text by characters, broken ones included: what is shown to people comes from files.
#pragma once

#include <cstddef>
#include <string_view>

namespace tandem::conf {

/// Bytes of the character that a non-empty text begins with; 0 if that is no UTF-8. Only the shape
/// is looked at (RFC 3629 section 3), which is all it takes not to cut a character in two.
inline std::size_t character_bytes(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text.front());
    if (lead < 0x80) return 1;
    const std::size_t size = (lead & 0xe0U) == 0xc0   ? 2
                             : (lead & 0xf0U) == 0xe0 ? 3
                             : (lead & 0xf8U) == 0xf0 ? 4
                                                      : 0;
    if (size == 0 || text.size() < size) return 0;
    for (const char c : text.substr(1, size - 1)) {
        if ((static_cast<unsigned char>(c) & 0xc0U) != 0x80) return 0;
    }
    return size;
}

inline bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

}  // namespace tandem::conf
