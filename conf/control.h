// The section [control].
#pragma once

#include "conf/config.h"
#include "conf/section.h"

namespace tandem::conf {

Control read_control(Section& root);

}  // namespace tandem::conf
