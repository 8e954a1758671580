// The channel to the other instance: heartbeats over one or two paths, and what they say of it.
#pragma once

#include <array>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <utility>
#include <vector>

#include "conf/config.h"
#include "dataplane/base/file_descriptor.h"
#include "dataplane/base/result.h"
#include "dataplane/pair/handoff.h"
#include "dataplane/pair/message.h"
#include "dataplane/pair/session.h"
#include "dataplane/pair/suspicion.h"
#include "dataplane/paired_tables.h"
#include "dataplane/tables/live.h"

namespace tandem {

class PeerLink {
  public:
    /// Errors: the key's file cannot be used. A path that is not there yet is tried again later.
    static Result<PeerLink> open(const conf::Pair& settings, tables::PeerState& state);

    /// All that has come, and whether the peer lives.
    void hear(Instant now, PairedTables& tables);
    /// What one of the two asks the other, of handing groups off.
    void converse(Instant now, pair::Handoff& handoff);
    /// If this instance is fit; `own` is what it says of itself.
    void speak(Instant now, const pair::Heartbeat& own, bool is_fit, PairedTables& tables);
    [[nodiscard]] pair::Handoff::Peer peer() const {
        return {.is_alive = heard_.has_value(),
                .is_caught_up = heard_ && heard_->is_caught_up && can(pair::kHandsOff)};
    }
    /// The peer has been heard just now, has the same tables, and has told all that it has to.
    [[nodiscard]] bool is_in_step(PairedTables& tables, Instant now) const;
    [[nodiscard]] bool is_peer_alive() const { return heard_.has_value(); }
    /// What it has said of groups since the last call.
    std::vector<pair::GroupClaim> take_claims() { return std::exchange(claims_, {}); }
    /// The peer says that this instance has lost its groups too often lately.
    [[nodiscard]] bool is_held_down() const { return heard_ && heard_->holds_down; }

    /// For poll(); one that is not open is -1.
    [[nodiscard]] std::vector<int> descriptors() const;

  private:
    struct Path {
        IpAddress peer;
        IpAddress local;  ///< all 0: the kernel chooses
        FileDescriptor socket{-1};
        Instant next_try{};
        Instant heard_at{};
        std::string said{};  ///< of what became of it
    };

    PeerLink(const conf::Pair& settings, std::vector<pair::PeerSecret> secrets,
             tables::PeerState& state);
    void keep_open(Path& path, Instant now);
    /// Where it speaks from.
    Result<IpAddress> open_path(Path& path) const;
    void hear_on(Path& path, Instant now, PairedTables& tables);
    void believe(Path& path, std::span<const std::uint8_t> datagram, Instant at, Instant now,
                 PairedTables& tables);
    void take(const pair::Heartbeat& heartbeat, Instant at, const Path& path, PairedTables& tables);
    void take(const pair::Message& message, Instant at, Instant now, PairedTables& tables);
    void take_told(const pair::Message& message, Instant now, PairedTables& tables);
    [[nodiscard]] bool can(pair::Feature feature) const { return (common_.usable & feature) != 0; }
    void follow_interval(const pair::Heartbeat& heartbeat, Instant at);
    void suit(const pair::Heartbeat& heartbeat, bool is_new, const Path& path,
              PairedTables& tables);
    void judge(Instant now, PairedTables& tables);
    void compare(const pair::Heartbeat& own, Instant now);
    void send_heartbeat(Instant now, const pair::Heartbeat& own, PairedTables& tables);
    void stream(Instant now, const pair::Heartbeat& own, PairedTables& tables);
    pair::Message heartbeat(const pair::Heartbeat& own, PairedTables& tables) const;
    void send(const Path& path, std::span<const std::uint8_t> datagram);
    void follow_key(Instant now);

    conf::Pair settings_;
    tables::PeerState* state_;
    std::vector<Path> paths_;
    pair::Session session_;
    pair::SuspicionSettings suspects_;
    pair::Suspicion suspicion_;
    std::optional<pair::Heartbeat> heard_;  ///< its last; nullopt: none, or it is dead
    Instant heard_at_{};                    ///< when that came from the wire
    std::array<std::uint64_t, pair::kRefusalCount> refused_{};
    Instant next_heartbeat_{};
    Instant answered_at_{};
    Instant key_looked_at_{};
    struct stat key_ {};          ///< of its file, as it was read last
    std::size_t next_pool_ = 0;   ///< whose digest is said next
    std::size_t next_claim_ = 0;  ///< of which group is said next
    std::size_t best_path_ = 0;   ///< that the peer was heard on last
    bool is_new_life_ = false;    ///< of the peer: nothing has been taken from it
    pair::Common common_{};       ///< what it and this instance can do
    std::string trouble_;         ///< why that is nothing; said already
    bool is_followed_ = false;    ///< what it tells is taken, and it is told
    bool owes_acknowledgement_ = false;
    std::vector<pair::GroupClaim> claims_;  ///< of the peer's, not taken yet
    std::vector<pair::Ask> asked_;          ///< by the peer
    std::vector<pair::Answer> answered_;    ///< likewise
    std::optional<pair::Ask> ask_;          ///< to be sent
    std::optional<pair::Answer> answer_;    ///< likewise
    std::optional<Instant> differs_since_;
    bool difference_is_said_ = false;
};

}  // namespace tandem
