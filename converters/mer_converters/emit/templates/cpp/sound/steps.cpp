// @generated@
#include "steps.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace mer::@namespace@ {
namespace {

// Silent is what moves by no more than a step and a half of 16 bits up or down, for so many seconds.
constexpr float kStillSpan = 3.0f / 32768.0f;
constexpr double kStillSeconds = 1.0;
// Time stamps that differ by less are taken for one another, seconds.
constexpr double kGapSeconds = 0.05;
// Sound lies in -1 to 1, and a little over it where a decoder gave it; more is of another scale.
constexpr float kLoudest = 8.0f;
constexpr std::size_t kContext = kChunkSamples > kStepSamples ? kChunkSamples - kStepSamples : 0;

}  // namespace

SoundSteps::SoundSteps(int sample_rate, int channels)
    : rate_(sample_rate),
      channels_(channels),
      mix_(channels, sample_rate),
      resampler_(sample_rate, kSampleRate),
      buffer_(kContext, 0.0f),
      step_(sample_rate * (kStepMs / 1000.0)),
      still_(std::numeric_limits<double>::infinity()) {}

void check_sound(std::span<const float> pcm) {
  for (const float value : pcm) {
    if (!std::isfinite(value)) throw std::invalid_argument("a sample is not a finite number; replace it by 0");
    if (std::abs(value) > kLoudest) {
      throw std::invalid_argument("sound must lie in -1 to 1; divide 16-bit samples by 32768");
    }
  }
}

std::vector<SoundStep> SoundSteps::push(std::span<const float> given, std::optional<double> stamp) {
  check_sound(given);
  std::vector<float> clipped(given.begin(), given.end());
  for (float& value : clipped) value = std::clamp(value, -1.0f, 1.0f);
  std::span<const float> pcm = clipped;
  std::vector<SoundStep> steps;
  const std::int64_t missing = stamp ? std::lrint((*stamp - time()) * rate_) : 0;
  if (missing < 0 && taken_ == 0) {
    // Samples before the stream's start are left out, so that sound begins at 0 in any pieces.
    pcm = pcm.subspan(std::min(pcm.size(), static_cast<std::size_t>(-missing * channels_)));
  } else if (stamp && std::abs(*stamp - time()) > kGapSeconds) {
    if (missing < 0) throw std::invalid_argument("sound of this time was given already; push it in order");
    gaps_.emplace_back(time(), *stamp);
    taken_ += missing;
    std::vector<float> rest = mix_.flush();
    rest.resize(rest.size() + static_cast<std::size_t>(missing), 0.0f);
    advance(rest, steps);
  }
  taken_ += static_cast<std::int64_t>(pcm.size()) / channels_;
  advance(mix_.push(pcm), steps);
  return steps;
}

std::vector<SoundStep> SoundSteps::flush() {
  std::vector<SoundStep> steps;
  if (ended_ || taken_ == 0) return steps;
  ended_ = true;
  advance(mix_.flush(), steps);
  cut(resampler_.flush(), steps);
  const std::size_t pending = buffer_.size() - kContext;
  if (pending > 0 && (2 * pending >= kStepSamples || made_ == 0)) {
    buffer_.resize(kContext + kStepSamples, 0.0f);
    steps.push_back({std::vector<float>(buffer_.end() - kChunkSamples, buffer_.end()), covered(pending)});
  }
  return steps;
}

void SoundSteps::advance(const std::vector<float>& mono, std::vector<SoundStep>& steps) {
  watch(mono);
  cut(resampler_.push(mono), steps);
}

void SoundSteps::cut(const std::vector<float>& samples, std::vector<SoundStep>& steps) {
  buffer_.insert(buffer_.end(), samples.begin(), samples.end());
  std::size_t first = 0;
  for (; buffer_.size() - first >= kContext + kStepSamples; first += kStepSamples) {
    const auto end = buffer_.begin() + static_cast<std::ptrdiff_t>(first + kContext + kStepSamples);
    steps.push_back({std::vector<float>(end - kChunkSamples, end), covered(kStepSamples)});
  }
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(first));
}

void SoundSteps::watch(const std::vector<float>& mono) {
  for (std::size_t place = 0; place < mono.size();) {
    const auto number = static_cast<std::int64_t>(std::floor((static_cast<double>(watched_) + 0.5) / step_));
    const auto next = static_cast<std::int64_t>(std::ceil(static_cast<double>(number + 1) * step_ - 0.5));
    const auto count = static_cast<std::size_t>(std::max<std::int64_t>(1, next - watched_));
    const std::size_t stop = std::min(mono.size(), place + count);
    auto [span, fresh] = spans_.try_emplace(number, mono[place], mono[place]);
    for (std::size_t i = place; i < stop; ++i) {
      span->second.first = std::min(span->second.first, mono[i]);
      span->second.second = std::max(span->second.second, mono[i]);
    }
    watched_ += static_cast<std::int64_t>(stop - place);
    place = stop;
  }
}

bool SoundSteps::covered(std::size_t samples) {
  const auto span = spans_.find(made_);
  const bool moves = span != spans_.end() && span->second.second - span->second.first > kStillSpan;
  if (span != spans_.end()) spans_.erase(span);
  still_ = moves ? 0 : still_ + 1;
  const double begin = static_cast<double>(made_ * static_cast<std::int64_t>(kStepSamples)) / kSampleRate;
  const double end = begin + static_cast<double>(samples) / kSampleRate;
  ++made_;
  double missing = 0;
  for (const auto& [start, stop] : gaps_) missing += std::max(0.0, std::min(end, stop) - std::max(begin, start));
  std::erase_if(gaps_, [&](const auto& gap) { return gap.second <= end; });
  return missing <= 0.5 * (end - begin) && still_ * kStepMs / 1000.0 < kStillSeconds;
}

}  // namespace mer::@namespace@
