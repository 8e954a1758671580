// The key of the table function, kept across restarts so that a machine that boots again spreads
// flows as it did before.
//
// In its file it is one line: 32 hexadecimal digits, a space, and when it was made in milliseconds
// of Unix time. A file of 16 bytes is the key alone, as earlier releases kept it: it is as old as
// the file.
#pragma once

#include <string>

#include "control/plan/table_key.h"
#include "dataplane/base/result.h"

namespace tandem {

/// Made now.
plan::TableKey random_hash_key();

/// Reads the key in `state_dir`, or makes one there. Errors: neither is possible.
Result<plan::TableKey> obtain_hash_key(const std::string& state_dir);

/// Replaces the key in `state_dir`, in one step.
Status save_hash_key(const std::string& state_dir, const plan::TableKey& key);

}  // namespace tandem
