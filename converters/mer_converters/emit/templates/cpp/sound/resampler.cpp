// @generated@
#include "resampler.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

namespace mer::@namespace@ {
namespace {

constexpr int kZeroCrossings = 16;
constexpr double kRolloff = 0.945;
constexpr double kKaiserBeta = 8.6;
// All usual rates have at most so many phases; another is taken as the nearest ratio that has.
constexpr std::int64_t kMostPhases = 640;

// The modified Bessel function of order 0, by its series; not every standard library has it.
double bessel(double x) {
  double sum = 1, term = 1;
  for (int k = 1; term > 1e-17 * sum; ++k) sum += term *= x * x / (4.0 * k * k);
  return sum;
}

// The fraction next to a / b whose denominator is at most kMostPhases, by continued fractions.
std::pair<std::int64_t, std::int64_t> nearest(std::int64_t a, std::int64_t b) {
  const double wanted = static_cast<double>(a) / static_cast<double>(b);
  std::int64_t p0 = 0, q0 = 1, p1 = 1, q1 = 0, n = a, d = b;
  while (true) {
    const std::int64_t whole = n / d, q2 = q0 + whole * q1;
    if (q2 > kMostPhases) break;
    std::tie(p0, q0, p1, q1) = std::make_tuple(p1, q1, p0 + whole * p1, q2);
    std::tie(n, d) = std::make_tuple(d, n - whole * d);
  }
  const std::int64_t k = (kMostPhases - q0) / q1;
  const auto apart = [&](std::int64_t p, std::int64_t q) {
    return std::abs(static_cast<double>(p) / static_cast<double>(q) - wanted);
  };
  if (apart(p1, q1) <= apart(p0 + k * p1, q0 + k * q1)) return {p1, q1};
  return {p0 + k * p1, q0 + k * q1};
}

}  // namespace

Resampler::Resampler(int source, int target) {
  for (const int rate : {source, target}) {
    if (rate < 1000 || rate > 768000) {
      throw std::invalid_argument("the sample rate is " + std::to_string(rate) + " Hz; allowed are 1000 to 768000");
    }
  }
  const std::int64_t shared = std::gcd(source, target);
  up_ = target / shared;
  down_ = source / shared;
  if (up_ > kMostPhases) std::tie(down_, up_) = nearest(source, target);
  if (up_ == down_) return;
  const double cutoff = kRolloff * std::min(1.0, static_cast<double>(up_) / static_cast<double>(down_));
  half_ = static_cast<std::int64_t>(std::ceil(kZeroCrossings / cutoff));
  std::vector<double> row(static_cast<std::size_t>(2 * half_));
  for (std::int64_t phase = 0; phase < up_; ++phase) {
    double sum = 0;
    for (std::int64_t tap = 0; tap < 2 * half_; ++tap) {
      const double offset = static_cast<double>(tap - half_ + 1);
      const double distance = static_cast<double>(phase) / static_cast<double>(up_) - offset;
      const double inside = std::max(0.0, 1 - std::pow(distance / static_cast<double>(half_), 2));
      const double angle = std::numbers::pi * cutoff * distance;
      const double sinc = angle == 0 ? 1 : std::sin(angle) / angle;
      sum += row[static_cast<std::size_t>(tap)] = sinc * bessel(kKaiserBeta * std::sqrt(inside));
    }
    // Each phase sums to one, so that a constant stays that constant.
    for (const double weight : row) weights_.push_back(static_cast<float>(weight / sum));
  }
  buffer_.assign(static_cast<std::size_t>(half_ - 1), 0.0f);
  first_ = -(half_ - 1);
}

std::vector<float> Resampler::push(std::span<const float> samples) {
  received_ += static_cast<std::int64_t>(samples.size());
  if (half_ == 0) return {samples.begin(), samples.end()};
  buffer_.insert(buffer_.end(), samples.begin(), samples.end());
  // Output k reads up to input floor(k * down / up) + half.
  const std::int64_t whole = received_ - half_;
  return emit(whole <= 0 ? 0 : (whole * up_ + down_ - 1) / down_);
}

std::vector<float> Resampler::flush() {
  if (half_ == 0) return {};
  const std::int64_t until = (received_ * up_ + down_ - 1) / down_;
  buffer_.insert(buffer_.end(), static_cast<std::size_t>(2 * half_), 0.0f);
  return emit(until);
}

std::vector<float> Resampler::emit(std::int64_t until) {
  std::vector<float> made;
  const auto taps = static_cast<std::size_t>(2 * half_);
  for (; sent_ < until; ++sent_) {
    const std::int64_t place = sent_ * down_ / up_, phase = sent_ * down_ % up_;
    const float* weights = weights_.data() + static_cast<std::size_t>(phase) * taps;
    const float* given = buffer_.data() + (place - (half_ - 1) - first_);
    float sum = 0;
    for (std::size_t tap = 0; tap < taps; ++tap) sum += weights[tap] * given[tap];
    made.push_back(sum);
  }
  const std::int64_t next = sent_ * down_ / up_ - (half_ - 1);
  const auto gone = std::min(buffer_.size(), static_cast<std::size_t>(std::max<std::int64_t>(0, next - first_)));
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(gone));
  first_ += static_cast<std::int64_t>(gone);
  return made;
}

}  // namespace mer::@namespace@
