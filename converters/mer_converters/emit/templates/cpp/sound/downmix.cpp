// @generated@
#include "downmix.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

namespace mer::@namespace@ {
namespace {

// The choice is made anew for every block; the weight of what the last ones held falls by 20 dB in kFadeSeconds.
constexpr double kBlockSeconds = 0.05, kFadeSeconds = 0.25;
// A channel that is this far below the loudest is left out, and counts again once it is less far below (power).
const double kDead = std::pow(10.0, -2.6), kAlive = std::pow(10.0, -1.4);
// Channels cancel where their mean has less than this share of the power that unrelated channels would have.
constexpr double kCancels = 0.1;
// The power of sound that moves by no more than a step and a half of 16 bits.
constexpr double kNothing = (1.5 / 32768.0) * (1.5 / 32768.0) / 2;

}  // namespace

Downmix::Downmix(int channels, int rate)
    : channels_(static_cast<std::size_t>(channels)),
      size_(static_cast<std::size_t>(std::max(1L, std::lrint(rate * kBlockSeconds)))) {
  if (channels < 1 || channels > 64) throw std::invalid_argument("sound has 1 to 64 channels");
  power_.assign(channels_ * channels_, 0.0);
  alive_.assign(channels_, false);
  heard_.resize(channels_);
  std::iota(heard_.begin(), heard_.end(), std::size_t{0});
}

std::vector<float> Downmix::push(std::span<const float> pcm) {
  if (pcm.size() % channels_ != 0) throw std::invalid_argument("sound must hold a sample for each channel");
  if (channels_ == 1) return {pcm.begin(), pcm.end()};
  left_.insert(left_.end(), pcm.begin(), pcm.end());
  const std::size_t whole = left_.size() / (size_ * channels_) * size_ * channels_;
  auto made = mixed(std::span(left_).first(whole));
  left_.erase(left_.begin(), left_.begin() + static_cast<std::ptrdiff_t>(whole));
  return made;
}

std::vector<float> Downmix::flush() {
  auto made = mixed(left_);
  left_.clear();
  return made;
}

std::vector<float> Downmix::mixed(std::span<const float> pcm) {
  std::vector<float> made;
  const std::size_t frames = pcm.size() / channels_, size = std::min(size_, frames);
  for (std::size_t start = 0; start < frames; start += size) {
    const auto block = pcm.subspan(start * channels_, size * channels_);
    const auto before = heard_;
    const bool ramp = decided_;
    decide(block);
    for (std::size_t i = 0; i < size; ++i) {
      const float* frame = block.data() + i * channels_;
      float value = mix(frame, heard_);
      if (ramp && heard_ != before) {
        // Over one block, so that a change of the choice is no click.
        const float share = static_cast<float>(i + 1) / static_cast<float>(size);
        value = share * value + (1 - share) * mix(frame, before);
      }
      made.push_back(value);
    }
  }
  return made;
}

float Downmix::mix(const float* frame, const std::vector<std::size_t>& heard) const {
  const float share = static_cast<float>(1.0 / static_cast<double>(heard.size()));
  float sum = 0;
  for (const std::size_t channel : heard) sum += frame[channel] * share;
  return sum;
}

void Downmix::decide(std::span<const float> block) {
  const std::size_t frames = block.size() / channels_;
  std::vector<double> mean(channels_, 0.0);
  for (std::size_t i = 0; i < block.size(); ++i) mean[i % channels_] += block[i];
  for (double& one : mean) one /= static_cast<double>(frames);
  static const double decay = std::pow(0.01, kBlockSeconds / kFadeSeconds);
  for (double& one : power_) one *= decay;
  for (std::size_t i = 0; i < frames; ++i) {
    const float* frame = block.data() + i * channels_;
    for (std::size_t a = 0; a < channels_; ++a) {
      for (std::size_t b = 0; b < channels_; ++b) {
        power_[a * channels_ + b] += (frame[a] - mean[a]) * (frame[b] - mean[b]) / static_cast<double>(frames);
      }
    }
  }
  std::size_t loudest = 0;
  const auto loud = [&](std::size_t channel) { return power_[channel * (channels_ + 1)]; };
  for (std::size_t channel = 1; channel < channels_; ++channel) {
    if (loud(channel) > loud(loudest)) loudest = channel;
  }
  if (loud(loudest) <= kNothing) return;  // nothing to choose by: what was chosen stays
  std::vector<std::size_t> chosen;
  double together = 0, unrelated = 0;
  for (std::size_t channel = 0; channel < channels_; ++channel) {
    alive_[channel] = loud(channel) >= (alive_[channel] ? kDead : kAlive) * loud(loudest);
    if (alive_[channel]) chosen.push_back(channel);
  }
  for (const std::size_t a : chosen) {
    unrelated += loud(a);
    for (const std::size_t b : chosen) together += power_[a * channels_ + b];
  }
  if (chosen.size() > 1 && together < kCancels * unrelated) chosen = {loudest};
  heard_ = std::move(chosen);
  decided_ = true;
}

}  // namespace mer::@namespace@
