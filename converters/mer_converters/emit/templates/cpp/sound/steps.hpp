// @generated@
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../contract.hpp"
#include "downmix.hpp"
#include "resampler.hpp"

namespace mer::@namespace@ {

/// The sound of one step.
struct SoundStep {
  /// Mono at `kSampleRate`: the last `kChunkSamples` samples before the step's end, zeros before the stream.
  std::vector<float> chunk;
  /// Whether it counts: not where less than half of it was recorded, not where the sound was silent (digital zeros, a
  /// muted microphone) for a second, and not before it first moves. A step that is not covered has no sound: leave the
  /// chunk out.
  bool covered;
};

/// @throws std::invalid_argument a sample that is not finite, or far over full scale.
void check_sound(std::span<const float> pcm);

/// Sound of any rate and number of channels, in pieces of any size, to the chunk of each step.
class SoundSteps {
 public:
  /// @throws std::invalid_argument a rate outside 1000 to 768000 Hz, or other than 1 to 64 channels.
  explicit SoundSteps(int sample_rate = kSampleRate, int channels = 1);
  /// Takes interleaved samples, -1 to 1, and gives every step that they complete.
  /// @param time seconds from the beginning to the first sample; without it they go on where the last piece ended.
  /// @throws std::invalid_argument a time that was given already.
  std::vector<SoundStep> push(std::span<const float> pcm, std::optional<double> time = std::nullopt);
  /// The stream has ended: the steps still held back. An incomplete last step counts, its missing end zero, where at
  /// least half of it is there or it is the only one.
  std::vector<SoundStep> flush();
  /// Seconds that have been taken in.
  double time() const { return static_cast<double>(taken_) / rate_; }

 private:
  void advance(const std::vector<float>& mono, std::vector<SoundStep>& steps);
  void cut(const std::vector<float>& samples, std::vector<SoundStep>& steps);
  void watch(const std::vector<float>& mono);
  bool covered(std::size_t samples);

  int rate_, channels_;
  Downmix mix_;
  Resampler resampler_;
  std::vector<float> buffer_;
  std::int64_t made_ = 0, taken_ = 0;
  bool ended_ = false;
  // Seconds that were not recorded: from and to.
  std::vector<std::pair<double, double>> gaps_;
  // Samples of a step at the sound's own rate, and lowest and highest sample of the steps that are not made yet.
  double step_;
  std::int64_t watched_ = 0;
  std::map<std::int64_t, std::pair<float, float>> spans_;
  // For how many steps the sound has been silent; for ever before it first moves.
  double still_;
};

}  // namespace mer::@namespace@
