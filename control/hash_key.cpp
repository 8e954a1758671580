#include "control/hash_key.h"

#include <charconv>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <optional>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/base/check.h"
#include "dataplane/base/file_descriptor.h"

namespace tandem {

namespace {

using plan::TableKey;

constexpr std::size_t kKeyBytes = sizeof(HashKey);
constexpr std::size_t kKeyDigits = 2 * kKeyBytes;
constexpr std::size_t kFileBytesMax = 128;  ///< more than any that we have written

std::string path_in(const std::string& state_dir) {
    return state_dir + "/hash_key";
}

/// All of `text`, or nothing.
template <class Number>
std::optional<Number> parse_all(std::string_view text, int base) {
    Number number{};
    const auto [end, error] = std::from_chars(text.begin(), text.end(), number, base);
    if (error != std::errc{} || end != text.end()) return std::nullopt;
    return number;
}

std::optional<TableKey> parse_line(std::string_view line) {
    if (line.size() < kKeyDigits + 3 || line[kKeyDigits] != ' ' || line.back() != '\n') {
        return std::nullopt;
    }
    TableKey key;
    for (std::size_t i = 0; i < kKeyBytes; ++i) {
        const auto byte = parse_all<std::uint8_t>(line.substr(2 * i, 2), 16);
        if (!byte) return std::nullopt;
        key.key.bytes[i] = *byte;
    }
    line.remove_prefix(kKeyDigits + 1);
    line.remove_suffix(1);
    const auto born_ms = parse_all<std::uint64_t>(line, 10);
    if (!born_ms || *born_ms == 0) return std::nullopt;
    key.born_ms = *born_ms;
    return key;
}

/// 0 if the file's age cannot be had, which no key has.
std::uint64_t modified_ms(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0 || status.st_mtim.tv_sec < 0) return 0;
    return static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1000U +
           static_cast<std::uint64_t>(status.st_mtim.tv_nsec) / 1'000'000U;
}

std::optional<TableKey> parse_file(const std::string& content, const std::string& path) {
    if (content.size() != kKeyBytes) return parse_line(content);
    TableKey key;
    std::memcpy(key.key.bytes.data(), content.data(), kKeyBytes);
    key.born_ms = std::max<std::uint64_t>(modified_ms(path), 1);
    return key;
}

}  // namespace

TableKey random_hash_key() {
    TableKey key;
    CHECK(::getrandom(key.key.bytes.data(), kKeyBytes, 0) == static_cast<ssize_t>(kKeyBytes));
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    key.born_ms = now_ms > 0 ? static_cast<std::uint64_t>(now_ms) : 1;
    return key;
}

Result<TableKey> obtain_hash_key(const std::string& state_dir) {
    const std::string path = path_in(state_dir);
    if (std::ifstream file(path, std::ios::binary); file.is_open()) {
        std::string content(kFileBytesMax, '\0');
        file.read(content.data(), static_cast<std::streamsize>(content.size()));
        content.resize(static_cast<std::size_t>(file.gcount()));
        const std::optional<TableKey> key = parse_file(content, path);
        if (key) return *key;
        return Error{path + " holds no key: remove it to have a new one made"};
    }
    const TableKey key = random_hash_key();
    const Status saved = save_hash_key(state_dir, key);
    if (!saved) return saved.error();
    return key;
}

Status save_hash_key(const std::string& state_dir, const TableKey& key) {
    std::error_code error;
    std::filesystem::create_directories(state_dir, error);
    if (error) return Error{"cannot make " + state_dir + ": " + error.message()};
    const std::string path = path_in(state_dir);
    const std::string fresh = path + ".new";
    const std::string line = fmt::format("{:02x} {}\n", fmt::join(key.key.bytes, ""), key.born_ms);
    {
        const FileDescriptor file(
            ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR));
        if (!file.is_open() ||
            ::write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
            ::fsync(file.get()) != 0) {
            return errno_error("cannot write " + fresh);
        }
    }
    if (::rename(fresh.c_str(), path.c_str()) != 0) return errno_error("cannot write " + path);
    return Nothing{};
}

}  // namespace tandem
