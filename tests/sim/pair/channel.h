// The envelope of the peer channel without its cryptography: who is believed, and when a restart of
// the other side is noticed, is as in dataplane/pair/session.h.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <vector>

namespace tandem::sim {

struct Datagram {
    std::uint64_t sender = 0;  ///< a life of an instance
    std::uint64_t sequence = 0;
    std::uint64_t challenge = 0;
    std::uint64_t repeated = 0;
    std::vector<std::uint8_t> payload;
};

class Channel {
  public:
    /// `life`: of an instance, unlike all others.
    explicit Channel(std::uint64_t life) : life_(life), challenge_(life << 16U) {}

    Datagram seal(std::vector<std::uint8_t> payload) {
        return {life_, next_sequence_++, challenge_, to_repeat_, std::move(payload)};
    }
    Datagram answer(const Datagram& question) {
        return {life_, next_sequence_++, challenge_, question.challenge, {}};
    }

    struct Opened {
        bool is_known = false;
        bool is_new = false;
    };
    /// nullopt: seen before, or too old to tell.
    std::optional<Opened> open(const Datagram& datagram) {
        const bool is_known = peer_ && peer_->life == datagram.sender;
        if (is_known && is_repeated(datagram.sequence)) return std::nullopt;
        const bool lives_now = datagram.repeated == challenge_;
        const Opened opened{.is_known = is_known || lives_now, .is_new = !is_known && lives_now};
        if (opened.is_new) {
            peer_.emplace(Peer{.life = datagram.sender, .highest = datagram.sequence});
            ++challenge_;
        }
        if (opened.is_known) {
            remember(datagram.sequence);
            to_repeat_ = datagram.challenge;
        }
        return opened;
    }

  private:
    static constexpr std::size_t kWindow = 256;
    struct Peer {
        std::uint64_t life;
        std::uint64_t highest;
        std::bitset<kWindow> seen{};
    };
    [[nodiscard]] bool is_repeated(std::uint64_t sequence) const {
        if (sequence > peer_->highest) return false;
        const std::uint64_t age = peer_->highest - sequence;
        return age >= kWindow || peer_->seen[age];
    }
    void remember(std::uint64_t sequence) {
        if (sequence > peer_->highest) {
            peer_->seen <<= sequence - peer_->highest;
            peer_->highest = sequence;
        }
        peer_->seen[peer_->highest - sequence] = true;
    }

    std::uint64_t life_;
    std::uint64_t challenge_;
    std::uint64_t next_sequence_ = 0;
    std::uint64_t to_repeat_ = 0;
    std::optional<Peer> peer_;
};

}  // namespace tandem::sim
