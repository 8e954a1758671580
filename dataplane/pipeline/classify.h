#pragma once

#include "dataplane/net/headers.h"
#include "dataplane/pipeline/burst.h"
#include "dataplane/tables/roles.h"
#include "dataplane/tables/vip_table.h"

namespace tandem::pipeline {

/// Finds each packet's VIP. What stays is a flow's packet with its VIP and pool, or a question
/// about a VIP's address (ARP, neighbour solicitation, ping) for answer(). Leaves: other_host,
/// punted, no_service, fragment, not_active, pair. Returns whether there may be questions among
/// what stays.
bool classify(const tables::VipTable& vips, const tables::Roles& roles, const Mac& port_mac,
              Burst& burst);

}  // namespace tandem::pipeline
