#include "control/hash_key.h"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/base/check.h"
#include "dataplane/base/file_descriptor.h"

namespace tandem {

namespace {

std::string path_in(const std::string& state_dir) {
    return state_dir + "/hash_key";
}

}  // namespace

HashKey random_hash_key() {
    HashKey key;
    CHECK(::getrandom(key.bytes.data(), key.bytes.size(), 0) ==
          static_cast<ssize_t>(key.bytes.size()));
    return key;
}

Result<HashKey> obtain_hash_key(const std::string& state_dir) {
    const std::string path = path_in(state_dir);
    std::ifstream file(path, std::ios::binary);
    HashKey key;
    const bool is_read = file.is_open() &&
                         file.read(reinterpret_cast<char*>(key.bytes.data()), key.bytes.size()) &&
                         file.peek() == std::ifstream::traits_type::eof();
    if (is_read) return key;
    if (file.is_open()) {
        return Error{path + " is not a key of " + std::to_string(key.bytes.size()) +
                     " bytes: remove it to have a new one made"};
    }
    key = random_hash_key();
    const Status saved = save_hash_key(state_dir, key);
    if (!saved) return saved.error();
    return key;
}

Status save_hash_key(const std::string& state_dir, const HashKey& key) {
    std::error_code error;
    std::filesystem::create_directories(state_dir, error);
    if (error) return Error{"cannot make " + state_dir + ": " + error.message()};
    const std::string path = path_in(state_dir);
    const std::string fresh = path + ".new";
    {
        const FileDescriptor file(
            ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR));
        if (!file.is_open() ||
            ::write(file.get(), key.bytes.data(), key.bytes.size()) !=
                static_cast<ssize_t>(key.bytes.size()) ||
            ::fsync(file.get()) != 0) {
            return errno_error("cannot write " + fresh);
        }
    }
    if (::rename(fresh.c_str(), path.c_str()) != 0) return errno_error("cannot write " + path);
    return Nothing{};
}

}  // namespace tandem
