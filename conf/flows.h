// The section [flows].
#pragma once

#include "conf/config.h"
#include "conf/section.h"

namespace tandem::conf {

Flows read_flows(Section& root);

}  // namespace tandem::conf
