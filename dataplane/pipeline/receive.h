#pragma once

#include "dataplane/pipeline/burst.h"
#include "dataplane/pipeline/port.h"

namespace tandem::pipeline {

/// Fills the empty burst from one queue, headers first in memory. Returns bytes received.
/// Leaves: malformed, if the headers of a packet in pieces cannot be brought together.
std::uint64_t receive(const Port& port, QueueId queue, Burst& burst);

}  // namespace tandem::pipeline
