#include "dataplane/pipeline/spare_room.h"

#include <sanitizer/asan_interface.h>

#include <rte_mbuf.h>

// Without AddressSanitizer its macros are empty, and compilers leave out loops that do nothing.
namespace tandem::pipeline {

namespace {

inline void allow(const rte_mbuf* packet) {
    for (const rte_mbuf* piece = packet; piece != nullptr; piece = piece->next) {
        ASAN_UNPOISON_MEMORY_REGION(piece->buf_addr, piece->buf_len);
    }
}

}  // namespace

void forbid_spare_room(Burst& burst) {
    for (const Packet& packet : burst.packets()) {
        for (const rte_mbuf* piece = packet.mbuf; piece != nullptr; piece = piece->next) {
            const char* end = rte_pktmbuf_mtod(piece, const char*) + rte_pktmbuf_data_len(piece);
            const char* buffer_end = static_cast<const char*>(piece->buf_addr) + piece->buf_len;
            ASAN_POISON_MEMORY_REGION(end, buffer_end - end);
        }
    }
}

void allow_spare_room(rte_mbuf* packet) {
    allow(packet);
}

void allow_spare_room(Burst& burst) {
    for (const Packet& packet : burst.packets()) allow(packet.mbuf);
    for (const Departed& departed : burst.departed()) allow(departed.mbuf);
}

}  // namespace tandem::pipeline
