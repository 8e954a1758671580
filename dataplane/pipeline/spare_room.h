// What of a packet's buffers is not the packet's, nobody may read. A buffer goes on behind a short
// frame, so AddressSanitizer has to be told; in other builds this does nothing.
#pragma once

#include "dataplane/pipeline/burst.h"

namespace tandem::pipeline {

/// From here on who touches the room behind a packet's bytes is reported, and the process ends.
void forbid_spare_room(Burst& burst);

/// Before a packet is lengthened.
void allow_spare_room(rte_mbuf* packet);

/// Before they go to a port or back to their pool: of all packets, departed or not.
void allow_spare_room(Burst& burst);

}  // namespace tandem::pipeline
