// Moves a group from one instance to the other on purpose, and back, so that nothing is lost: the
// peer is told all there is, takes over, and only then this one lets go. A drill does both and
// measures how long nobody would have answered. Pure; one at a time.
//
// A group that was handed off stays there until it is taken back, or until the other one does not
// answer for it any more.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "dataplane/base/time.h"
#include "dataplane/pair/message.h"
#include "dataplane/pair/replication.h"
#include "dataplane/pair/routers.h"

namespace tandem::pair {

class Handoff {
  public:
    enum class Kind : std::uint8_t { kAway, kBack, kDrill, kHardDrill };
    struct Result {
        bool is_done = false;
        std::optional<Duration> gap;  ///< of a drill
        std::string said;
    };

    Handoff(Routers& routers, Replication& replication)
        : routers_(&routers), replication_(&replication) {}

    /// What is known of the peer, as of now.
    struct Peer {
        bool is_alive = false;
        bool is_caught_up = false;  ///< it says that it could go on
    };
    /// nullopt: it has begun; else why it cannot.
    std::optional<std::string> begin(Kind kind, std::uint64_t group, const Peer& peer, Instant now);
    [[nodiscard]] bool is_under_way() const { return stage_ != Stage::kIdle; }
    /// The other one has been asked for a group, and gives it back when it has told all: it is not
    /// to be replaced before.
    [[nodiscard]] bool awaits_group() const { return stage_ == Stage::kReturning || waiting_; }

    /// The peer asks.
    Answer on_ask(const Ask& ask, const Peer& peer, Instant now);
    void on_answer(const Answer& answer);
    /// Often. A result comes once for each begin().
    std::optional<Result> step(const Peer& peer, Instant now);
    /// To be sent now, if anything is.
    std::optional<Ask> next_ask(Instant now);

  private:
    enum class Stage : std::uint8_t {
        kIdle,
        kTelling,   ///< until the peer knows all; of a planned one also what is being opened
        kLeaving,   ///< until the peer is active
        kStaying,   ///< a drill lets it be so for a moment
        kReturning  ///< until this instance is active again
    };

    std::optional<Result> end(Result result, Instant now);
    void enter(Stage stage, Instant now);
    void leave(Instant now);
    void note_active(Instant at);
    [[nodiscard]] std::optional<Duration> gap() const {
        return is_drill() ? std::optional(gap_) : std::nullopt;
    }
    [[nodiscard]] bool is_drill() const {
        return kind_ == Kind::kDrill || kind_ == Kind::kHardDrill;
    }
    std::optional<Result> fail(const std::string& why, Instant now);
    void give_back(std::uint64_t group, Instant now);

    Routers* routers_;
    Replication* replication_;
    Stage stage_ = Stage::kIdle;
    Kind kind_ = Kind::kAway;
    std::uint64_t group_ = 0;
    bool is_for_peer_ = false;  ///< it has asked for the group: nothing of it stays
    bool was_told_ = false;
    bool was_backup_ = false;              ///< in this stage
    bool peer_moves_it_ = false;           ///< while a hard drill waits that it takes over
    Instant since_{};                      ///< of the stage
    std::optional<Instant> silent_since_;  ///< from then on nobody is known to be active
    Duration gap_{};                       ///< the longest such time so far
    std::uint32_t next_id_ = 1;
    Instant next_ask_{};
    struct Sent {
        std::uint32_t id = 0;
        Instant at{};
    };
    std::array<Sent, 64> sent_{};  ///< the last asks, by id
    std::optional<Answer::Outcome> outcome_;
    /// A group that comes back when the peer has got the one that it has asked for meanwhile.
    struct Waiting {
        Kind kind;
        std::uint64_t group;
        Duration gap;
        std::optional<Instant> silent_since;
    };
    std::optional<Waiting> waiting_;
};

}  // namespace tandem::pair
