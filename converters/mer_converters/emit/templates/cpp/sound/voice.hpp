// @generated@
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace mer::@namespace@ {

/// What tells speech from other sound, such as Silero VAD, which the app brings: it reads 512 samples at 16 kHz.
class SpeechModel {
 public:
  virtual ~SpeechModel() = default;
  /// Begins a new stream.
  virtual void reset() = 0;
  /// The probability of speech, 0 to 1, in the next 512 samples.
  virtual float probability(std::span<const float> piece) = 0;
};

/// When somebody counts as speaking.
struct VoiceOptions {
  /// A piece of 32 ms is voiced from this probability on.
  double threshold = 0.5;
  /// Seconds for which speech holds on after the last voiced piece. From the beginning of a stream so long it is open
  /// whether somebody speaks: what is heard then counts once a piece is voiced.
  double hangover = 2.0;
};

/// Hears whether somebody speaks, step by step.
class VoiceActivity {
 public:
  /// @throws std::invalid_argument a threshold outside 0 to 1, a hangover below 0, or no model.
  VoiceActivity(std::shared_ptr<SpeechModel> model, VoiceOptions options = {});
  /// Takes the samples of one step, at 16 kHz and without the context before them; says whether they count as speech.
  bool step(std::span<const float> samples);
  /// So many samples are missing, as in a step without sound.
  void gap(std::size_t samples);
  /// Whether the stream is no older than the hangover and no piece of it was voiced: hold the sound back.
  bool undecided() const { return undecided_; }

 private:
  std::shared_ptr<SpeechModel> model_;
  double threshold_;
  std::int64_t hold_, position_ = 0, held_until_ = 0;
  bool undecided_;
  std::vector<float> left_;
};

}  // namespace mer::@namespace@
