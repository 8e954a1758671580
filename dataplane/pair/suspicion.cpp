#include "dataplane/pair/suspicion.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tandem::pair {

namespace {

double ns(Duration duration) {
    return static_cast<double>(duration.count());
}

}  // namespace

Suspicion::Suspicion(const SuspicionSettings& settings) : settings_(settings) {}

void Suspicion::heard(Instant at) {
    // Gaps that end a death are no gaps between heartbeats; nor those that we were not there for.
    const bool counts = last_ && !is_excused_ && at > *last_ && !is_dead(at);
    if (counts) {
        const double gap = ns(at - *last_);
        double& place = gaps_ns_[count_ % kGaps];
        if (count_ >= kGaps) {
            sum_ -= place;
            sum_of_squares_ -= place * place;
        }
        place = gap;
        sum_ += gap;
        sum_of_squares_ += gap * gap;
        ++count_;
    }
    last_ = last_ ? std::max(*last_, at) : at;
    is_excused_ = false;
}

void Suspicion::looked(Instant now) {
    const Duration away = looked_at_ ? now - *looked_at_ - settings_.interval : Duration{};
    looked_at_ = now;
    if (!last_ || away <= Duration{}) return;
    last_ = *last_ + away;
    is_excused_ |= away >= settings_.interval;
}

double Suspicion::mean_ns() const {
    if (count_ == 0) return ns(settings_.interval);
    return sum_ / static_cast<double>(std::min(count_, kGaps));
}

double Suspicion::deviation_ns() const {
    const double least = ns(settings_.interval) / 2;
    if (count_ == 0) return least;
    const double mean = mean_ns();
    const double variance =
        sum_of_squares_ / static_cast<double>(std::min(count_, kGaps)) - mean * mean;
    return std::max(least, std::sqrt(std::max(variance, 0.0)));
}

double Suspicion::phi(Instant now) const {
    if (!last_ || now <= *last_) return 0;
    const double y = (ns(now - *last_) - mean_ns()) / deviation_ns();
    if (y < 30) return -std::log10(std::erfc(y / std::numbers::sqrt2) / 2);
    // The tail is too thin for a double: its logarithm, by the first term of its expansion.
    return y * y / 2 * std::numbers::log10e + std::log10(y * std::sqrt(2 * std::numbers::pi));
}

bool Suspicion::is_dead(Instant now) const {
    if (!last_) return false;
    return now >= deadline() || (settings_.phi_max > 0 && phi(now) > settings_.phi_max);
}

Instant Suspicion::deadline() const {
    return last_ ? *last_ + settings_.bound : Instant::max();
}

}  // namespace tandem::pair
