// @generated@
#include "utterances.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace mer::@namespace@ {
namespace {

std::int64_t voice_samples(double seconds) { return std::lrint(seconds * kVoiceRate); }

}  // namespace

UtteranceCutter::UtteranceCutter(std::shared_ptr<SpeechModel> model, const UtteranceOptions& options)
    : voice_(std::move(model), options.voice), threshold_(options.voice.threshold) {
  const double least = options.minimum + options.pre_roll + static_cast<double>(kPieceSamples) / kVoiceRate;
  const bool finite = std::isfinite(options.longest);  // minimum and pre-roll are smaller
  if (!(options.minimum >= 0) || !(options.pre_roll >= 0) || !(options.longest >= least) || !finite) {
    throw std::invalid_argument(
        "utterances need a minimum and a pre-roll of 0 s or more, and a finite longest of at least both and 0.032 s");
  }
  minimum_ = voice_samples(options.minimum);
  longest_ = voice_samples(options.longest);
  pre_roll_ = voice_samples(options.pre_roll);
  hold_ = voice_samples(options.voice.hangover);
}

std::vector<Cut> UtteranceCutter::push(std::span<const float> samples) {
  const std::vector<float> probabilities = voice_.pieces(samples);
  sound_.insert(sound_.end(), samples.begin(), samples.end());
  std::vector<Cut> cuts;
  for (const float probability : probabilities) piece(probability >= threshold_, cuts);
  // No utterance that is still to come begins before this sample.
  const std::int64_t wanted = speaking() ? start_ : std::max(floor_, heard_ - pre_roll_);
  const std::int64_t done = std::max<std::int64_t>(0, wanted - sound_begin_);
  sound_.erase(sound_.begin(), sound_.begin() + static_cast<std::ptrdiff_t>(done));
  sound_begin_ += done;
  return cuts;
}

std::vector<Cut> UtteranceCutter::end() {
  std::vector<Cut> cuts;
  if (speaking()) close(cuts);
  voice_.reset();
  sound_.clear();
  sound_begin_ = heard_ = floor_ = start_ = last_ = 0;
  return cuts;
}

void UtteranceCutter::piece(bool voiced, std::vector<Cut>& cuts) {
  const std::int64_t begin = heard_;
  heard_ += static_cast<std::int64_t>(kPieceSamples);
  if (voiced) {
    if (speaking() && heard_ - start_ > longest_) close(cuts);
    if (!speaking()) {
      first_ = begin;
      start_ = std::max(floor_, begin - pre_roll_);
    }
    last_ = heard_;
  } else if (speaking() && heard_ - last_ >= hold_) {
    close(cuts);
  }
}

void UtteranceCutter::close(std::vector<Cut>& cuts) {
  if (last_ - *first_ >= minimum_) {
    const auto from = sound_.begin() + static_cast<std::ptrdiff_t>(start_ - sound_begin_);
    const auto to = sound_.begin() + static_cast<std::ptrdiff_t>(last_ - sound_begin_);
    cuts.push_back({start_, last_, std::vector<float>(from, to)});
  } else {
    ++short_;
  }
  floor_ = last_;
  first_.reset();
}

}  // namespace mer::@namespace@
