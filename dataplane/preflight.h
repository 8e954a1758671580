// What would make the start fail, found before DPDK is started and said in one line that tells what
// to do. Changes nothing.
#pragma once

#include "conf/config.h"
#include "dataplane/base/result.h"

namespace tandem {

/// Checks the CPU, our rights and every port's device.
Status preflight(const conf::Config& config);

}  // namespace tandem
