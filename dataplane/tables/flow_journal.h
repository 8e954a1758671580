// What a worker tells the main core of the flows that it remembers, for the other instance: each
// change in order, and on demand all that it has. In the process's own memory; one writer, one
// reader, bounded. What does not fit is not dropped in silence: the worker says nothing more then
// until it is asked for everything again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <boost/lockfree/spsc_queue.hpp>

#include "dataplane/tables/flow_identity.h"
#include "dataplane/tables/flow_state.h"
#include "dataplane/tables/plan.h"

namespace tandem::tables {

struct FlowChange {
    enum class Kind : std::uint8_t {
        kIs,      ///< remembered, with this backend and in this state
        kEnded,   ///< no longer remembered
        kBegins,  ///< what was said before is void; `identity`: the asking that is answered now
        kTold,    ///< all that there was has been told
    };
    FlowIdentity identity = 0;
    BackendIndex backend = kNoBackend;
    FlowState state{};
    Kind kind = Kind::kIs;

    friend bool operator==(const FlowChange&, const FlowChange&) = default;
};

class FlowJournal {
  public:
    static constexpr std::size_t kCapacity = std::size_t{1} << 16U;

    explicit FlowJournal(std::size_t capacity = kCapacity) : changes_(capacity) {}

    // The main core's side.
    /// Asks the worker for all flows, and for what changes from then on. `serial`: another one each
    /// time; 0: nobody wants to know.
    void ask(std::uint32_t serial) { asked_.store(serial, std::memory_order_release); }
    /// From now on, or no longer, also of flows that have only just been opened.
    void want_openings(bool wanted) { wants_openings_.store(wanted, std::memory_order_relaxed); }
    /// The answer has a gap: it is to be asked for anew.
    [[nodiscard]] bool has_overflowed() const {
        const std::uint32_t serial = asked_.load(std::memory_order_relaxed);
        return serial != 0 && overflowed_.load(std::memory_order_acquire) == serial;
    }
    template <class Take>
    std::size_t drain(std::size_t at_most, Take&& take) {
        std::size_t count = 0;
        FlowChange change;
        while (count < at_most && changes_.pop(change)) {
            take(change);
            ++count;
        }
        return count;
    }

    // The worker's side.
    /// Whether another answer is due than the one that is being given; begins it, if there is room
    /// to say so.
    bool begins_anew() {
        const std::uint32_t serial = asked_.load(std::memory_order_acquire);
        if (serial == answered_) return false;
        if (serial != 0 &&
            !changes_.push({.identity = serial, .kind = FlowChange::Kind::kBegins})) {
            return false;
        }
        answered_ = serial;
        return true;
    }
    /// Whether it is to be told of a flow.
    [[nodiscard]] bool wants(bool is_on_probation) const {
        return answered_ != 0 &&
               (!is_on_probation || wants_openings_.load(std::memory_order_relaxed));
    }
    [[nodiscard]] bool has_room(std::size_t changes) const {
        return changes_.write_available() >= changes;
    }
    void tell(const FlowChange& change) {
        if (answered_ == 0 || overflowed_.load(std::memory_order_relaxed) == answered_) return;
        if (!changes_.push(change)) overflowed_.store(answered_, std::memory_order_release);
    }

  private:
    boost::lockfree::spsc_queue<FlowChange> changes_;
    std::atomic<std::uint32_t> asked_{0};
    std::atomic<std::uint32_t> overflowed_{0};  ///< the answer to which asking
    std::atomic<bool> wants_openings_{false};
    std::uint32_t answered_ = 0;  ///< the worker's own
};

}  // namespace tandem::tables
