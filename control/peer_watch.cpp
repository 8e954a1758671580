#include "control/peer_watch.h"

#include <cstring>

namespace tandem {

namespace {

plan::TableKey read_key(const tables::PeerViews& views) {
    const std::array words{views.hash_key[0].load(std::memory_order_relaxed),
                           views.hash_key[1].load(std::memory_order_relaxed)};
    plan::TableKey key;
    static_assert(sizeof(words) == sizeof(key.key.bytes));
    std::memcpy(key.key.bytes.data(), words.data(), sizeof(words));
    key.born_ms = views.hash_key_born_ms.load(std::memory_order_relaxed);
    return key;
}

}  // namespace

bool PeerWatch::look(const tables::PeerViews& views) {
    const std::uint64_t serial = views.serial.load(std::memory_order_acquire);
    bool is_news = serial_ != serial;
    // A key may be half of one and half of the next: it counts when it is the same in two looks.
    const plan::TableKey key = read_key(views);
    if (key.born_ms != 0 && key == seen_key_ && key_ != key) {
        key_ = key;
        is_news = true;
    }
    seen_key_ = key;
    if (serial_ == serial) return is_news;
    serial_ = serial;
    is_known_ = views.is_known.load(std::memory_order_relaxed);
    key_holds_ = views.hash_key_holds.load(std::memory_order_relaxed);
    verdicts_.clear();
    if (!is_known_) return is_news;
    verdicts_.reserve(views.verdicts.size());
    for (const std::atomic<tables::HealthState>& verdict : views.verdicts) {
        verdicts_.push_back(verdict.load(std::memory_order_relaxed));
    }
    return is_news;
}

}  // namespace tandem
