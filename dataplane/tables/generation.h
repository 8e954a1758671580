// How a writer hands a new version of its tables to readers without a lock, across processes.
//
// The writer completes a version beside the old ones and publishes its generation number with
// release order. A reader adopts the number once per burst with acquire order, and says so in a
// cell of its own. What a version no longer needs is reused only after every running reader has
// adopted a later one. Neither side ever waits for the other.
//
// A reader that has stopped (a paused thread, a paused machine) would hold memory for ever. The
// writer may leave it out of the count: it raises `oldest_intact` first, and a reader that wakes up
// asks still_intact() after reading and before acting, and discards what it read if that is false.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tandem::tables {

inline constexpr std::size_t kCacheLineBytes = 64;
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "shared between processes");

/// reader: wo, writer: ro. In memory that the reader may write.
struct alignas(kCacheLineBytes) ReaderCell {
    std::atomic<std::uint64_t> adopted{0};  ///< 0: not running, to be left out of the count
};
static_assert(sizeof(ReaderCell) == kCacheLineBytes);

/// writer: wo, readers: ro. Generation 0 means that nothing has been published.
struct alignas(kCacheLineBytes) GenerationCell {
    std::atomic<std::uint64_t> published{0};
    std::atomic<std::uint64_t> oldest_intact{0};  ///< older generations may be overwritten

    /// To be called before any of the older generations' memory is written again.
    void raise_oldest_intact(std::uint64_t generation) {
        oldest_intact.store(generation, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_release);  // pairs with still_intact()
    }
};

/// One reader's view of one writer's generations. Not shared between threads.
class GenerationReader {
  public:
    GenerationReader(const GenerationCell& generations, ReaderCell& cell)
        : generations_(&generations), cell_(&cell) {}

    /// Begins to be counted. The loop closes the window in which a writer that has just looked
    /// could miss us.
    void join() {
        std::uint64_t seen = 0;
        do {
            seen = generations_->published.load(std::memory_order_seq_cst);
            cell_->adopted.store(seen, std::memory_order_seq_cst);
        } while (generations_->published.load(std::memory_order_seq_cst) != seen);
        adopted_ = seen;
    }

    /// Returns the published generation and gives up every older one. 0: nothing to read yet.
    std::uint64_t adopt() {
        const std::uint64_t current = generations_->published.load(std::memory_order_acquire);
        if (current != adopted_) {
            if (adopted_ == 0) {  // the first ever: until now the writer has not counted us
                join();
                return adopted_;
            }
            adopted_ = current;
            cell_->adopted.store(current, std::memory_order_release);
        }
        return current;
    }

    /// True if all that was read since adopt() was whole. Ask after reading, before acting on it.
    [[nodiscard]] bool still_intact() const {
        std::atomic_thread_fence(std::memory_order_acquire);
        return generations_->oldest_intact.load(std::memory_order_relaxed) <= adopted_;
    }

    /// Ends being counted; nothing may be read until the next join().
    void leave() {
        adopted_ = 0;
        cell_->adopted.store(0, std::memory_order_release);
    }

    [[nodiscard]] std::uint64_t adopted() const { return adopted_; }

  private:
    const GenerationCell* generations_;
    ReaderCell* cell_;
    std::uint64_t adopted_ = 0;
};

}  // namespace tandem::tables
