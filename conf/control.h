// The section [control].
#pragma once

#include "conf/config.h"
#include "conf/section.h"

namespace tandem::conf {

/// The admin socket is beside that of the dataplane if the file does not say where.
Control read_control(Section& root, const Dataplane& dataplane);

}  // namespace tandem::conf
