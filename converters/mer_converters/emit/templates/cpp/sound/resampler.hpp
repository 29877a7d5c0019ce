// @generated@
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mer::@namespace@ {

/// Band-limited resampling of mono sound by a Kaiser-windowed sinc, in pieces of any size: output sample k is at input
/// time k * source / target. The same samples as `mer_sdk` gives, to rounding.
class Resampler {
 public:
  /// @param source, target sample rates, Hz, 1000 to 768000.
  /// @throws std::invalid_argument a rate outside of that.
  Resampler(int source, int target);
  /// Takes samples, gives those that can be computed now.
  std::vector<float> push(std::span<const float> samples);
  /// The samples still held back, with silence after the end.
  std::vector<float> flush();

 private:
  std::vector<float> emit(std::int64_t until);

  std::int64_t up_ = 1, down_ = 1, half_ = 0;
  // The filter of each phase, 2 * half_ values.
  std::vector<float> weights_;
  // Input from sample `first_` on, which begins half_ - 1 samples before the stream.
  std::vector<float> buffer_;
  std::int64_t first_ = 0, received_ = 0, sent_ = 0;
};

}  // namespace mer::@namespace@
