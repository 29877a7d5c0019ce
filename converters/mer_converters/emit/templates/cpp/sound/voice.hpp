// @generated@
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace mer::@namespace@ {

/// Voice activity reads sound at so many samples a second, in pieces of so many samples.
inline constexpr int kVoiceRate = 16000;
inline constexpr std::size_t kPieceSamples = 512;

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
  /// An utterance is over, for the window, once nobody was voiced for so many seconds: what is said next is seen
  /// without what was said before. Without a pause the window slides over all of it.
  std::optional<double> pause = 0.75;
  /// Seconds before an utterance's first voiced piece that the window still holds of it.
  double lead = 0.5;
};

/// Hears whether somebody speaks, step by step.
class VoiceActivity {
 public:
  /// @throws std::invalid_argument an option outside its range, or no model.
  VoiceActivity(std::shared_ptr<SpeechModel> model, VoiceOptions options = {});
  /// Takes the samples of one step, at 16 kHz and without the context before them; says whether they count as speech.
  bool step(std::span<const float> samples);
  /// The probability of speech of each piece that these samples complete; they go on from those before.
  std::vector<float> pieces(std::span<const float> samples);
  /// Begins a new stream.
  void reset();
  /// So many samples are missing, as in a step without sound.
  void gap(std::size_t samples);
  /// Whether the stream is no older than the hangover and no piece of it was voiced: hold the sound back.
  bool undecided() const { return undecided_; }
  /// Samples up to now that belong to the present utterance, or to the pause that goes on.
  std::int64_t fresh() const { return position_ - begin_; }

 private:
  std::shared_ptr<SpeechModel> model_;
  double threshold_;
  // What a piece, or a gap, that ends at this sample says of utterances.
  void follow(std::int64_t end, bool voiced);

  std::int64_t hold_, lead_, position_ = 0, held_until_ = 0;
  std::optional<std::int64_t> pause_;
  // Where the present utterance, or the pause after it, begins; and where the last voiced piece ended.
  std::int64_t begin_ = 0;
  std::optional<std::int64_t> last_;
  bool undecided_;
  std::vector<float> left_;
};

}  // namespace mer::@namespace@
