// The sections [[group]].
#pragma once

#include <vector>

#include "conf/config.h"
#include "conf/entry.h"

namespace tandem::conf {

/// In the order of the file. A group advertises on a port. Names differ, or are
/// empty if an error hides them.
std::vector<Entry<Group>> read_groups(Section& root, const std::vector<Entry<Port>>& ports);

}  // namespace tandem::conf
