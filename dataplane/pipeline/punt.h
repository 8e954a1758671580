#pragma once

#include "dataplane/pipeline/burst.h"
#include "dataplane/pipeline/port.h"

namespace tandem::pipeline {

/// Passes what was seen off as punted to the kernel, if the kernel does not have it already.
/// Changes verdicts: punted to punt_full where the kernel's side is full.
void punt(const Port& port, Burst& burst);

}  // namespace tandem::pipeline
