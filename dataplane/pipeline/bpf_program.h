// What the kernel knows about loaded BPF programs: names, maps, who has them open; and libbpf's
// results as our errors.
#pragma once

#include <bpf/libbpf.h>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/file_descriptor.h"
#include "dataplane/base/result.h"

namespace tandem::pipeline {

/// While one lives, libbpf does not write its trouble, expected trouble too, to stderr: we say it
/// in our own words.
class QuietLibbpf {
  public:
    QuietLibbpf() : previous_(libbpf_set_print(nullptr)) {}
    ~QuietLibbpf() { libbpf_set_print(previous_); }
    QuietLibbpf(const QuietLibbpf&) = delete;
    QuietLibbpf& operator=(const QuietLibbpf&) = delete;

  private:
    libbpf_print_fn_t previous_;
};

/// One sentence from the (negative) result of a libbpf call.
Error bpf_error(const std::string& what, int result);

struct BpfProgram {
    FileDescriptor fd;
    std::string name;
    std::vector<std::uint32_t> map_ids;
};

/// Needs CAP_SYS_ADMIN, as all that opens by id.
Result<BpfProgram> bpf_program_of(std::uint32_t id);

/// The program's map of that name.
Result<FileDescriptor> bpf_map_of(const BpfProgram& program, std::string_view name);

/// The process, as its number, that has a program open, which its owner has until it dies.
std::optional<std::string> holder_of(std::uint32_t program_id);

}  // namespace tandem::pipeline
