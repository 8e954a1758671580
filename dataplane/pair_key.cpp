#include "dataplane/pair_key.h"

#include <array>
#include <charconv>
#include <fcntl.h>
#include <fmt/format.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/base/file_descriptor.h"

namespace tandem {

namespace {

constexpr std::size_t kFileBytesMax = 4096;
constexpr std::size_t kKeysMax = 2;
constexpr std::string_view kHowToMake = "'openssl rand -hex 32' makes one";

std::optional<pair::PeerSecret> parse_key(std::string_view line) {
    pair::PeerSecret secret{};
    if (line.size() != 2 * secret.size()) return std::nullopt;
    for (std::size_t i = 0; i < secret.size(); ++i) {
        const char* at = line.data() + 2 * i;
        const auto [end, error] = std::from_chars(at, at + 2, secret[i], 16);
        if (error != std::errc{} || end != at + 2) return std::nullopt;
    }
    return secret;
}

std::string_view trimmed(std::string_view line) {
    constexpr std::string_view kBlank = " \t\r";
    const std::size_t first = line.find_first_not_of(kBlank);
    if (first == std::string_view::npos) return {};
    return line.substr(first, line.find_last_not_of(kBlank) - first + 1);
}

}  // namespace

Result<std::vector<pair::PeerSecret>> read_pair_key(const std::string& path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file.is_open()) {
        const Error why = errno_error("pair.key_file: cannot read " + path);
        return Error{errno == ENOENT ? fmt::format("{}; {}", why.message, kHowToMake)
                                     : why.message};
    }
    struct stat state {};
    if (::fstat(file.get(), &state) != 0) return errno_error("pair.key_file: " + path);
    if (!S_ISREG(state.st_mode)) return Error{"pair.key_file: " + path + " is no file"};
    if ((state.st_mode & 077U) != 0) {
        return Error{
            fmt::format("pair.key_file: others than its owner may use {} (mode {:04o}): run "
                        "'chmod 600 {}'",
                        path, state.st_mode & 07777U, path)};
    }
    if (state.st_uid != 0 && state.st_uid != ::geteuid()) {
        return Error{
            fmt::format("pair.key_file: {} belongs to user {}, who is neither root nor this "
                        "process's user",
                        path, state.st_uid)};
    }
    std::array<char, kFileBytesMax> buffer;
    const ssize_t length = ::read(file.get(), buffer.data(), buffer.size());
    if (length < 0) return errno_error("pair.key_file: cannot read " + path);

    std::vector<pair::PeerSecret> keys;
    std::string_view left(buffer.data(), static_cast<std::size_t>(length));
    for (std::size_t number = 1; !left.empty(); ++number) {
        const std::size_t end = left.find('\n');
        const std::string_view line = trimmed(left.substr(0, end));
        left = end == std::string_view::npos ? std::string_view{} : left.substr(end + 1);
        if (line.empty() || line.front() == '#') continue;
        const std::optional<pair::PeerSecret> key = parse_key(line);
        // What stands there is not repeated: it may be a key with a typing error.
        if (!key) {
            return Error{fmt::format("pair.key_file: {}:{}: a key is 64 hexadecimal digits; {}",
                                     path, number, kHowToMake)};
        }
        keys.push_back(*key);
    }
    if (keys.empty() || keys.size() > kKeysMax) {
        return Error{
            fmt::format("pair.key_file: {} holds {} keys; one is needed, and a second one "
                        "while they are exchanged",
                        path, keys.size())};
    }
    return keys;
}

}  // namespace tandem
