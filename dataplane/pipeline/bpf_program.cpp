#include "dataplane/pipeline/bpf_program.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

namespace tandem::pipeline {

namespace {

bool has_line(const std::filesystem::path& path, const std::string& line) {
    std::ifstream file(path);
    for (std::string text; std::getline(file, text);)
        if (text == line) return true;
    return false;
}

}  // namespace

Error bpf_error(const std::string& what, int result) {
    switch (-result) {
        case EPERM:
        case EACCES:
            return {what +
                    ": not permitted; run as root, or with CAP_NET_ADMIN, CAP_BPF and "
                    "CAP_SYS_ADMIN"};
        case ENOSYS:
            return {what + ": this kernel has no BPF (CONFIG_BPF_SYSCALL)"};
        default:
            return {what + ": " + std::strerror(-result)};
    }
}

Result<BpfProgram> bpf_program_of(std::uint32_t id) {
    const std::string what = "cannot look at BPF program " + std::to_string(id);
    const int opened = bpf_prog_get_fd_by_id(id);
    if (opened < 0) return bpf_error(what, opened);
    FileDescriptor fd(opened);
    std::vector<std::uint32_t> map_ids(16);
    bpf_prog_info info{};
    info.nr_map_ids = static_cast<std::uint32_t>(map_ids.size());
    info.map_ids = reinterpret_cast<std::uintptr_t>(map_ids.data());
    std::uint32_t size = sizeof(info);
    if (const int result = bpf_obj_get_info_by_fd(fd.get(), &info, &size); result < 0)
        return bpf_error(what, result);
    map_ids.resize(std::min<std::size_t>(map_ids.size(), info.nr_map_ids));
    return BpfProgram{std::move(fd), info.name, std::move(map_ids)};
}

Result<FileDescriptor> bpf_map_of(const BpfProgram& program, std::string_view name) {
    for (const std::uint32_t id : program.map_ids) {
        const int opened = bpf_map_get_fd_by_id(id);
        if (opened < 0) return bpf_error("cannot open BPF map " + std::to_string(id), opened);
        FileDescriptor fd(opened);
        bpf_map_info info{};
        std::uint32_t size = sizeof(info);
        if (const int result = bpf_obj_get_info_by_fd(fd.get(), &info, &size); result < 0)
            return bpf_error("cannot look at BPF map " + std::to_string(id), result);
        if (info.name == name) return fd;
    }
    return Error{"BPF program " + program.name + " has no map " + std::string(name) +
                 ": it is of another version"};
}

std::optional<std::string> holder_of(std::uint32_t program_id) {
    using Directory = std::filesystem::directory_iterator;
    const std::string line = "prog_id:\t" + std::to_string(program_id);
    std::error_code error;  // processes come and go while we look
    for (Directory process("/proc", error); !error && process != Directory();
         process.increment(error)) {
        std::string pid = process->path().filename();
        if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
        std::error_code gone;
        for (Directory descriptor(process->path() / "fdinfo", gone);
             !gone && descriptor != Directory(); descriptor.increment(gone))
            if (has_line(descriptor->path(), line)) return pid;
    }
    return std::nullopt;
}

}  // namespace tandem::pipeline
