#pragma once

#include "dataplane/net/headers.h"
#include "dataplane/pipeline/burst.h"

namespace tandem::pipeline {

/// Turns questions about VIPs into replies that go out where they came in (net/reply.h). A flow's
/// packets pass untouched. Leaves: malformed, if a question has no room for its reply.
void answer(const Mac& port_mac, Burst& burst);

}  // namespace tandem::pipeline
