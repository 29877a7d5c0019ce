// @generated@
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace mer::@namespace@ {

/// Several channels to one, in pieces of any size: the mean of those that carry sound. A channel that is silent, or
/// over 26 dB below the loudest of the last third of a second, is left out; where channels cancel one another, as with
/// a swapped wire, the loudest is heard alone.
class Downmix {
 public:
  /// @param channels 1 to 64. @param rate sample rate, Hz.
  /// @throws std::invalid_argument another number of channels.
  Downmix(int channels, int rate);
  /// Takes interleaved samples [n x channels], gives mono as far as the choice of channels is made.
  /// @throws std::invalid_argument samples that are no whole number of frames.
  std::vector<float> push(std::span<const float> pcm);
  /// The samples still held back.
  std::vector<float> flush();

 private:
  std::vector<float> mixed(std::span<const float> pcm);
  void decide(std::span<const float> block);
  float mix(const float* frame, const std::vector<std::size_t>& heard) const;

  std::size_t channels_, size_;
  // Of the channels and of their products, [channels x channels], fading.
  std::vector<double> power_;
  std::vector<bool> alive_;
  std::vector<std::size_t> heard_;
  bool decided_ = false;
  std::vector<float> left_;
};

}  // namespace mer::@namespace@
