// The envelope of the peer channel: that a datagram is from the peer, unread by others, not seen
// before, and not from an earlier life of either side. Pure; random bits are an argument.
//
// ChaCha20-Poly1305 (RFC 8439) with a key for each life of a sender, derived from the shared secret
// and the sender's boot id (HKDF, RFC 5869): so a counter is a nonce that never repeats. A replay
// window as in RFC 4303 section 3.4.3. Who was restarted is believed once it repeats a challenge
// that was made after that: what somebody recorded earlier does not.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "dataplane/net/hash.h"

struct evp_cipher_ctx_st;

namespace tandem::pair {

using PeerSecret = std::array<std::uint8_t, 32>;
using BootId = std::array<std::uint8_t, 16>;  ///< random, new at each start of a dataplane

inline constexpr std::uint8_t kPeerVersion = 1;
inline constexpr std::size_t kPayloadMax = 1380;  ///< bytes; a datagram fits 1500 with IPv6
inline constexpr std::size_t kReplayWindow = 1024;

/// Why a datagram is not believed. One counter each; nothing else changes.
enum class Refusal : std::uint8_t {
    kTruncated,
    kNotOurs,   ///< another protocol on this port
    kVersion,   ///< of a release that this one does not understand
    kOurOwn,    ///< sent back by somebody
    kForged,    ///< opens with none of the keys
    kReplayed,  ///< seen before, or too old to tell
};
inline constexpr std::size_t kRefusalCount = static_cast<std::size_t>(Refusal::kReplayed) + 1;
std::string_view name_of(Refusal refusal);

struct Opened {
    std::vector<std::uint8_t> payload;
    /// From the life of the peer that is known. False: somebody with the key who has not shown yet
    /// that it lives now. Nothing it says counts; answer() lets it show that.
    bool is_known = false;
    bool is_new = false;  ///< known since this datagram: what an earlier life has said is void
    std::uint64_t challenge = 0;
};

/// One of AEAD's two directions: a derived key, ready for use.
class SealingKey {
  public:
    SealingKey(const PeerSecret& secret, const BootId& sender);

    /// Ciphertext and tag. `header` is authenticated, not encrypted.
    void seal(std::uint64_t sequence, std::span<const std::uint8_t> header,
              std::span<const std::uint8_t> plain, std::vector<std::uint8_t>& out) const;
    /// nullopt: it was not sealed with this key, or has been changed.
    [[nodiscard]] std::optional<std::vector<std::uint8_t>> open(
        std::uint64_t sequence, std::span<const std::uint8_t> header,
        std::span<const std::uint8_t> sealed) const;

  private:
    struct Free {
        void operator()(evp_cipher_ctx_st* context) const;
    };
    std::unique_ptr<evp_cipher_ctx_st, Free> context_;
    std::array<std::uint8_t, 32> key_{};
};

class Session {
  public:
    /// `secrets`: one, or two while they are exchanged; the first is used to send. `random`: bits
    /// that nobody else knows.
    Session(std::vector<PeerSecret> secrets, const BootId& ours, const HashKey& random);

    /// A datagram of a payload of at most kPayloadMax bytes.
    [[nodiscard]] std::vector<std::uint8_t> seal(std::span<const std::uint8_t> payload);
    [[nodiscard]] std::variant<Opened, Refusal> open(std::span<const std::uint8_t> datagram);
    /// For somebody who is not known: if it lives, it will be with its next datagram.
    [[nodiscard]] std::vector<std::uint8_t> answer(const Opened& question);

    /// Others than so far. Who is known stays known, if it has one of them, too.
    void set_secrets(std::vector<PeerSecret> secrets);

    [[nodiscard]] bool has_peer() const { return peer_.has_value(); }

  private:
    struct Peer {
        BootId id;
        std::vector<SealingKey> keys;
        std::uint64_t highest = 0;
        std::bitset<kReplayWindow> seen{};  ///< bit 0: `highest`
    };
    [[nodiscard]] std::vector<SealingKey> keys_of(const BootId& sender) const;
    std::vector<std::uint8_t> seal(std::span<const std::uint8_t> payload, std::uint64_t repeated);
    static bool is_repeated(const Peer& peer, std::uint64_t sequence);
    static void remember(Peer& peer, std::uint64_t sequence);

    std::vector<PeerSecret> secrets_;
    BootId ours_;
    KeyedHash random_;
    SealingKey sealing_;
    std::uint64_t next_sequence_ = 0;
    std::uint64_t challenge_;      ///< ours; whoever repeats it lives now
    std::uint64_t to_repeat_ = 0;  ///< the peer's
    std::uint64_t challenges_made_ = 1;
    std::optional<Peer> peer_;
};

}  // namespace tandem::pair
