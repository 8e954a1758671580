#include "dataplane/pair/stream.h"

#include <algorithm>

#include "dataplane/base/check.h"

namespace tandem::pair {

namespace {

/// The most that is sent at once after a silence: of a hundredth of a second.
constexpr std::uint64_t kBurstsPerSecond = 100;

}  // namespace

bool StreamSender::push(Record record) {
    CHECK(record.size() <= kRecordMax);
    if (is_broken_) return false;
    const std::size_t bytes = record.size() + kRecordOverhead;
    if (queued_bytes_ + bytes > limits_.queue_bytes) {
        is_broken_ = true;
        return false;
    }
    queued_bytes_ += bytes;
    queue_.push_back(std::move(record));
    return true;
}

void StreamSender::restart() {
    queue_.clear();
    queued_bytes_ = 0;
    first_ = next_ = 0;
    ++epoch_;
    is_broken_ = false;
}

/// A bucket of bytes that fills with time.
bool StreamSender::may_send(std::size_t bytes, Instant now) {
    const std::uint64_t full =
        std::max<std::uint64_t>(limits_.bytes_per_second / kBurstsPerSecond, bytes);
    if (!budget_at_) {
        budget_bytes_ = full;
        budget_at_ = now;
    }
    const auto passed = std::min<Duration>(now - *budget_at_, std::chrono::seconds{1});
    const std::uint64_t gained =
        limits_.bytes_per_second * static_cast<std::uint64_t>(passed.count()) / 1'000'000'000U;
    if (gained != 0) {
        budget_bytes_ = std::min(budget_bytes_ + gained, full);
        budget_at_ = now;
    }
    if (budget_bytes_ < bytes) return false;
    budget_bytes_ -= bytes;
    return true;
}

std::optional<Batch> StreamSender::next(Instant now, std::size_t room) {
    if (next_ > first_ && now - progress_at_ >= limits_.resend_after) {
        resent_ += next_ - first_;
        next_ = first_;
        progress_at_ = now;
    }
    Batch batch{.epoch = epoch_, .first = next_, .records = {}};
    std::size_t bytes = 0;
    for (std::size_t i = next_ - first_; i < queue_.size(); ++i) {
        const std::size_t more = queue_[i].size() + kRecordOverhead;
        if (bytes + more > room) break;
        bytes += more;
        batch.records.push_back(queue_[i]);
    }
    if (batch.records.empty() || !may_send(bytes, now)) return std::nullopt;
    if (next_ == first_) progress_at_ = now;
    next_ += batch.records.size();
    return batch;
}

void StreamSender::acknowledged(std::uint32_t epoch, std::uint64_t next, Instant now) {
    // Of another epoch, old, or of what was never sent: nothing to be learnt from it.
    if (epoch != epoch_ || next <= first_ || next > end()) return;
    for (; first_ < next; ++first_) {
        queued_bytes_ -= queue_.front().size() + kRecordOverhead;
        queue_.pop_front();
    }
    next_ = std::max(next_, first_);
    progress_at_ = now;
}

StreamReceiver::Taken StreamReceiver::take(const Batch& batch) {
    Taken taken;
    if (epoch_ != batch.epoch) {
        // Datagrams of an epoch that is over may come late; numbers go up only.
        if (epoch_ && batch.epoch < *epoch_) return taken;
        epoch_ = batch.epoch;
        next_ = 0;
        taken.is_new_epoch = true;
    }
    if (batch.first > next_) return taken;  // something is missing before it
    const std::uint64_t known = next_ - batch.first;
    for (std::uint64_t i = known; i < batch.records.size(); ++i) {
        taken.records.push_back(batch.records[i]);
        ++next_;
    }
    return taken;
}

}  // namespace tandem::pair
