#pragma once

#include "dataplane/pipeline/burst.h"

namespace tandem::pipeline {

/// Reads every packet's headers (net/parse.h). Leaves: malformed.
void dissect(Burst& burst);

}  // namespace tandem::pipeline
