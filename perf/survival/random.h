// Seeded randomness, the same on every machine with the same libm: a generator, and the
// distribution that sizes and silences of connections follow.
#pragma once

#include <cmath>
#include <cstdint>

namespace tandem::survival {

/// Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014
/// (SplitMix64).
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        state_ += 0x9e3779b97f4a7c15;
        std::uint64_t mixed = state_;
        mixed = (mixed ^ mixed >> 30U) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ mixed >> 27U) * 0x94d049bb133111eb;
        return mixed ^ mixed >> 31U;
    }
    /// From 0 up to but not including 1.
    double uniform() { return static_cast<double>(next() >> 11U) * 0x1p-53; }
    std::uint32_t below(std::size_t end) {
        return static_cast<std::uint32_t>((next() >> 32U) * end >> 32U);
    }
    std::uint32_t between(std::uint32_t first, std::uint32_t last) {
        return first + below(last - first + 1);
    }
    bool chance(double probability) { return uniform() < probability; }
    double exponential(double mean) { return -mean * std::log1p(-uniform()); }

  private:
    std::uint64_t state_;
};

/// Heavy-tailed, with an end: P(longer than x) falls as x^-alpha from `min` to `max`.
/// Source: Crovella, Taqqu and Bestavros, "Heavy-Tailed Probability Distributions in the World Wide
/// Web", 1998 (alpha of 1.0 to 1.4 for transfers); Harchol-Balter et al., 1999 (the bounded form).
class BoundedPareto {
  public:
    BoundedPareto(double alpha, double min, double max)
        : alpha_(alpha),
          min_(min),
          max_(max),
          low_(std::pow(min, -alpha)),
          high_(std::pow(max, -alpha)) {}

    /// The one whose mean is `mean`, below `max`. `alpha` is not 1.
    static BoundedPareto with_mean(double alpha, double mean, double max) {
        double low = mean * 1e-6;
        double high = mean;
        for (int step = 0; step < 60; ++step) {
            const double middle = (low + high) / 2;
            (BoundedPareto(alpha, middle, max).mean() < mean ? low : high) = middle;
        }
        return {alpha, high, max};
    }

    double sample(Random& random) const {
        return std::pow(low_ - random.uniform() * (low_ - high_), -1 / alpha_);
    }
    [[nodiscard]] double mean() const {
        return alpha_ / (alpha_ - 1) * (std::pow(min_, 1 - alpha_) - std::pow(max_, 1 - alpha_)) /
               (low_ - high_);
    }
    /// Of those that go on at a given moment: the long ones are more likely to be met. `alpha`
    /// is above 1.
    [[nodiscard]] BoundedPareto as_met() const { return {alpha_ - 1, min_, max_}; }

  private:
    double alpha_;
    double min_;
    double max_;
    double low_;
    double high_;
};

}  // namespace tandem::survival
