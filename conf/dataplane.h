// The section [dataplane].
#pragma once

#include "conf/config.h"
#include "conf/section.h"

namespace tandem::conf {

Dataplane read_dataplane(Section& root);

}  // namespace tandem::conf
