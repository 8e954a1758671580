// The clock of everything that is remembered in shared memory: it goes on across restarts.
#pragma once

#include <ctime>

#include "dataplane/base/time.h"

namespace tandem {

inline CoarseTime coarse_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<CoarseTime>(now.tv_sec);
}

}  // namespace tandem
