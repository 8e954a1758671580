// Rings of packet buffers between the main core and workers.
#pragma once

#include <rte_mbuf.h>
#include <rte_ring.h>

namespace tandem {

/// Frees what is in it, and it. Harmless with nullptr.
inline void drain_and_free(rte_ring* ring) {
    if (ring == nullptr) return;
    void* mbuf = nullptr;
    while (rte_ring_dequeue(ring, &mbuf) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(mbuf));
    rte_ring_free(ring);
}

}  // namespace tandem
