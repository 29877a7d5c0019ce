// @generated@
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "../sound/voice.hpp"

namespace mer::@namespace@ {

/// Where an utterance begins and ends; all times in seconds.
struct UtteranceOptions {
  /// Its hangover is the pause that ends an utterance.
  VoiceOptions voice{.hangover = 0.7};
  /// An utterance whose voiced part is shorter is left out and counted.
  double minimum = 0.25;
  /// An utterance that goes on for longer is cut after its last voiced piece; the next one follows on.
  double longest = 15.0;
  /// Sound kept before the first voiced piece, as far as no utterance before has it.
  double pre_roll = 0.2;
};

/// An utterance's place, in samples at `kVoiceRate` from the beginning of the sound, and its samples.
struct Cut {
  std::int64_t begin, end;
  std::vector<float> samples;
};

/// Takes consecutive mono sound at `kVoiceRate` in pieces of any length, gives utterances as soon as they are over.
/// What comes out depends on the sound alone, not on how it was pushed. Not thread-safe.
class UtteranceCutter {
 public:
  /// @throws std::invalid_argument an option outside its range, or no model.
  explicit UtteranceCutter(std::shared_ptr<SpeechModel> model, const UtteranceOptions& options = {});
  /// Takes samples; gives the utterances that they end.
  std::vector<Cut> push(std::span<const float> samples);
  /// The sound ends here: the utterance that had begun, if any. What is pushed next is another sound, from 0.
  std::vector<Cut> end();
  /// Whether an utterance has begun and is not over.
  bool speaking() const { return first_.has_value(); }
  /// Utterances left out so far as they were shorter than the minimum.
  int left_out() const { return short_; }

 private:
  void piece(bool voiced, std::vector<Cut>& cuts);
  void close(std::vector<Cut>& cuts);

  VoiceActivity voice_;
  double threshold_;
  std::int64_t minimum_, longest_, pre_roll_, hold_;
  // Samples from `sound_begin_` on that an utterance may still want.
  std::vector<float> sound_;
  std::int64_t sound_begin_ = 0;
  // Where the pieces heard so far end, and where the last utterance ended.
  std::int64_t heard_ = 0, floor_ = 0;
  // Of the utterance that has begun: its beginning, its last voiced piece's end, and its first voiced piece's beginning.
  std::int64_t start_ = 0, last_ = 0;
  std::optional<std::int64_t> first_;
  int short_ = 0;
};

}  // namespace mer::@namespace@
