#include "dataplane/pipeline/spare_room.h"

#if defined(__SANITIZE_ADDRESS__)
#define TANDEM_WATCHES_SPARE_ROOM
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TANDEM_WATCHES_SPARE_ROOM
#endif
#endif

#ifdef TANDEM_WATCHES_SPARE_ROOM

#include <sanitizer/asan_interface.h>

#include <rte_mbuf.h>

namespace tandem::pipeline {

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
    for (const rte_mbuf* piece = packet; piece != nullptr; piece = piece->next) {
        ASAN_UNPOISON_MEMORY_REGION(piece->buf_addr, piece->buf_len);
    }
}

void allow_spare_room(Burst& burst) {
    for (const Packet& packet : burst.packets()) allow_spare_room(packet.mbuf);
    for (const Departed& departed : burst.departed()) allow_spare_room(departed.mbuf);
}

}  // namespace tandem::pipeline

#else

namespace tandem::pipeline {

void forbid_spare_room(Burst& /*burst*/) {}
void allow_spare_room(rte_mbuf* /*packet*/) {}
void allow_spare_room(Burst& /*burst*/) {}

}  // namespace tandem::pipeline

#endif
