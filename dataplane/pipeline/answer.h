#pragma once

#include "dataplane/net/headers.h"
#include "dataplane/pipeline/burst.h"
#include "dataplane/tables/roles.h"

namespace tandem::pipeline {

/// Turns questions about VIPs into replies (net/reply.h), which send() sends where they came in. A
/// flow's packets pass untouched. Leaves: answered; not_active; malformed, if a question has no
/// room for its reply.
void answer(const Mac& port_mac, const tables::Roles& roles, Burst& burst);

}  // namespace tandem::pipeline
