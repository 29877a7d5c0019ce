// @generated@
#include "voice.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace mer::@namespace@ {

VoiceActivity::VoiceActivity(std::shared_ptr<SpeechModel> model, VoiceOptions options)
    : model_(std::move(model)), threshold_(options.threshold), hold_(std::lrint(options.hangover * kVoiceRate)),
      lead_(std::lrint(options.lead * kVoiceRate)) {
  const auto seconds = [](double value) { return value >= 0 && std::isfinite(value); };
  if (!model_ || !(options.threshold > 0 && options.threshold <= 1) || !seconds(options.hangover)) {
    throw std::invalid_argument(
        "voice activity needs a model, a threshold above 0 to 1 and a finite hangover of 0 s or more");
  }
  if ((options.pause && !(*options.pause > 0 && std::isfinite(*options.pause))) || !seconds(options.lead)) {
    throw std::invalid_argument(
        "voice activity needs a finite pause above 0 s, or none, and a finite lead of 0 s or more");
  }
  if (options.pause) pause_ = std::lrint(*options.pause * kVoiceRate);
  reset();
}

void VoiceActivity::reset() {
  position_ = held_until_ = begin_ = 0;
  last_.reset();
  undecided_ = hold_ > 0;
  left_.clear();
  model_->reset();
}

std::vector<float> VoiceActivity::pieces(std::span<const float> samples) {
  // Where the first piece ends, counted from the start of the stream.
  std::int64_t end = position_ - static_cast<std::int64_t>(left_.size()) + static_cast<std::int64_t>(kPieceSamples);
  left_.insert(left_.end(), samples.begin(), samples.end());
  position_ += static_cast<std::int64_t>(samples.size());
  bool voiced = false;
  std::size_t taken = 0;
  std::vector<float> found;
  for (; left_.size() - taken >= kPieceSamples; taken += kPieceSamples, end += kPieceSamples) {
    found.push_back(model_->probability(std::span(left_).subspan(taken, kPieceSamples)));
    const bool loud = found.back() >= threshold_;
    follow(end, loud);
    voiced = voiced || loud;
    if (loud) held_until_ = end + hold_;
  }
  left_.erase(left_.begin(), left_.begin() + static_cast<std::ptrdiff_t>(taken));
  undecided_ = undecided_ && !voiced && position_ < hold_;
  return found;
}

bool VoiceActivity::step(std::span<const float> samples) {
  const std::int64_t begin = position_;
  pieces(samples);
  return held_until_ > begin;
}

void VoiceActivity::gap(std::size_t samples) {
  position_ += static_cast<std::int64_t>(samples);
  undecided_ = undecided_ && position_ < hold_;
  left_.clear();
  model_->reset();
  follow(position_, false);
}

void VoiceActivity::follow(std::int64_t end, bool voiced) {
  if (!pause_) return;
  if (voiced) {
    const std::int64_t begin = end - static_cast<std::int64_t>(kPieceSamples);
    if (!last_ || begin - *last_ >= *pause_) begin_ = std::max(begin_, begin - lead_);
    last_ = end;
  } else if (last_ && end - *last_ >= *pause_) {
    begin_ = std::max(begin_, *last_);
  }
}

}  // namespace mer::@namespace@
