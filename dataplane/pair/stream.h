// First in, first out from one instance to the other: records that arrive in order, each once, over
// datagrams that may be lost, repeated or come in another order. Pure.
//
// Sequence numbers count records, acknowledgements are cumulative, and who is not answered sends
// again from the first record that is missing (go back N: the peer is one wire away). Memory and
// rate are bounded. What does not fit is never dropped in silence: the stream breaks, and begins
// anew with another epoch, in which the sender has to say all that it has (a resync).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/base/time.h"

namespace tandem::pair {

/// A record as it travels: at most kRecordMax bytes, which mean something to others only.
using Record = std::vector<std::uint8_t>;
inline constexpr std::size_t kRecordMax = 255;

/// Records of one datagram.
struct Batch {
    std::uint32_t epoch = 0;
    std::uint64_t first = 0;  ///< the sequence number of the first
    std::vector<Record> records;

    friend bool operator==(const Batch&, const Batch&) = default;
};

struct StreamLimits {
    std::size_t queue_bytes = std::size_t{16} << 20U;  ///< of records not acknowledged yet
    std::uint64_t bytes_per_second = 50'000'000;       ///< sent again or not
    Duration resend_after = std::chrono::milliseconds{5};
};

class StreamSender {
  public:
    /// `epoch`: before the first. Another one in each life of the sender, or the peer's
    /// acknowledgements to an earlier life would be taken for its own.
    explicit StreamSender(const StreamLimits& limits, std::uint32_t epoch = 1)
        : limits_(limits), epoch_(epoch) {}

    /// False: the queue is full. The stream is broken then, and takes nothing until restart().
    bool push(Record record);
    /// Begins a new epoch with nothing in it. The peer learns of it by its first record.
    void restart();
    /// What is to be sent now, records of at most `room` bytes together (kRecordOverhead included);
    /// nullopt: nothing, or not yet.
    std::optional<Batch> next(Instant now, std::size_t room);
    /// The peer has every record of this epoch before `next`.
    void acknowledged(std::uint32_t epoch, std::uint64_t next, Instant now);

    [[nodiscard]] bool is_broken() const { return is_broken_; }
    [[nodiscard]] std::uint32_t epoch() const { return epoch_; }
    /// Everything pushed has been acknowledged.
    [[nodiscard]] bool is_empty() const { return queue_.empty(); }
    /// At least once; some of it may be lost.
    [[nodiscard]] bool has_sent_all() const { return next_ == end(); }
    [[nodiscard]] std::uint64_t end() const { return first_ + queue_.size(); }
    /// Everything before it has been acknowledged.
    [[nodiscard]] std::uint64_t first() const { return first_; }
    /// Half of the queue is free: for who can wait with what there is to say.
    [[nodiscard]] bool has_room() const {
        return !is_broken_ && queued_bytes_ <= limits_.queue_bytes / 2;
    }
    /// Three quarters are: for who lets others go first.
    [[nodiscard]] bool has_much_room() const {
        return !is_broken_ && queued_bytes_ <= limits_.queue_bytes / 4;
    }
    [[nodiscard]] std::uint64_t resent() const { return resent_; }

  private:
    bool may_send(std::size_t bytes, Instant now);

    StreamLimits limits_;
    std::deque<Record> queue_;  ///< not acknowledged; sent those before next_
    std::size_t queued_bytes_ = 0;
    std::uint64_t first_ = 0;  ///< number of the first in the queue
    std::uint64_t next_ = 0;   ///< number of the next to be sent
    std::uint32_t epoch_;
    bool is_broken_ = false;
    Instant progress_at_{};  ///< last acknowledged something, or began to wait
    std::optional<Instant> budget_at_;
    std::uint64_t budget_bytes_ = 0;
    std::uint64_t resent_ = 0;
};

/// What a record takes in a datagram beside its own bytes.
inline constexpr std::size_t kRecordOverhead = 1;

class StreamReceiver {
  public:
    struct Taken {
        bool is_new_epoch = false;  ///< what earlier ones have said is void
        std::vector<Record> records;
    };
    /// The records that are new and next, in order.
    Taken take(const Batch& batch);
    /// The epoch is void, and the next may have any number.
    void forget() { epoch_.reset(); }

    /// To be acknowledged. nullopt: nothing has come.
    [[nodiscard]] std::optional<std::uint32_t> epoch() const { return epoch_; }
    [[nodiscard]] std::uint64_t next() const { return next_; }

  private:
    std::optional<std::uint32_t> epoch_;
    std::uint64_t next_ = 0;
};

}  // namespace tandem::pair
