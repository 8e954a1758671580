// The key of the table function, kept across restarts so that a machine that boots again spreads
// flows as it did before.
#pragma once

#include <string>

#include "dataplane/base/result.h"
#include "dataplane/net/hash.h"

namespace tandem {

HashKey random_hash_key();

/// Reads the key in `state_dir`, or makes one there. Errors: neither is possible.
Result<HashKey> obtain_hash_key(const std::string& state_dir);

/// Replaces the key in `state_dir`, in one step.
Status save_hash_key(const std::string& state_dir, const HashKey& key);

}  // namespace tandem
