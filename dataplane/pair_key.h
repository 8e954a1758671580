// The file with the key that both instances share.
#pragma once

#include <string>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/pair/session.h"

namespace tandem {

/// One key or two: lines of 64 hexadecimal digits; empty lines and those that begin with '#' say
/// nothing. Errors: there is no such file, others may read it, or it holds something else.
Result<std::vector<pair::PeerSecret>> read_pair_key(const std::string& path);

}  // namespace tandem
