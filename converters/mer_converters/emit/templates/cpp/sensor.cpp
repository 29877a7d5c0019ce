// @generated@
#include "sensor.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace mer::@namespace@ {
namespace {

// Time stamps are compared with this slack, seconds.
constexpr double kSlack = 1e-6;

std::vector<float> encode(Graph& graph, std::span<const float> raw, std::size_t wanted, const char* what) {
  if (raw.size() != wanted) {
    throw std::invalid_argument(std::string(what) + " has " + std::to_string(raw.size()) + " values, needed are " +
                                std::to_string(wanted));
  }
  return graph.run({raw}).front();
}
//#if face

struct Taps {
  int start;
  std::vector<float> weights;
};

// The antialiased triangle filter from `source` to `target` pixels.
std::vector<Taps> triangle(int source, int target) {
  const double scale = static_cast<double>(source) / target;
  const double support = std::max(1.0, scale);
  std::vector<Taps> taps;
  for (int index = 0; index < target; ++index) {
    const double centre = (index + 0.5) * scale;
    const int start = std::max(0, static_cast<int>(std::floor(centre - support + 0.5)));
    const int stop = std::min(source, static_cast<int>(std::floor(centre + support + 0.5)));
    std::vector<double> raw;
    double sum = 0;
    for (int pixel = start; pixel < stop; ++pixel) {
      raw.push_back(std::max(0.0, 1 - std::abs((pixel + 0.5 - centre) / support)));
      sum += raw.back();
    }
    Taps tap{start, {}};
    for (double weight : raw) tap.weights.push_back(static_cast<float>(weight / sum));
    taps.push_back(std::move(tap));
  }
  return taps;
}
//#end

}  // namespace

Estimate decide(std::span<const float> logits, const std::array<int, kModalities.size()>& present) {
  std::size_t state = 0;
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    if (present[m] > 0) state |= std::size_t{1} << m;
  }
  const auto [temperature, threshold] = kDecisions[state];
  Estimate estimate;
  estimate.present = present;
  std::copy(logits.begin(), logits.end(), estimate.logits.begin());
  const double most = *std::max_element(logits.begin(), logits.end()) / temperature;
  double sum = 0;
  for (std::size_t i = 0; i < kLabels.size(); ++i) {
    estimate.probabilities[i] = std::exp(logits[i] / temperature - most);
    sum += estimate.probabilities[i];
  }
  std::size_t best = 0;
  for (std::size_t i = 0; i < kLabels.size(); ++i) {
    estimate.probabilities[i] /= sum;
    if (estimate.probabilities[i] > estimate.probabilities[best]) best = i;
    estimate.valence += estimate.probabilities[i] * kAffect[i][0];
    estimate.arousal += estimate.probabilities[i] * kAffect[i][1];
  }
  estimate.confidence = estimate.probabilities[best];
  if (estimate.confidence >= threshold) estimate.emotion = static_cast<Emotion>(best);
  return estimate;
}

std::int64_t step_at(double seconds) {
  return static_cast<std::int64_t>(std::floor((seconds + kSlack) / (kStepMs / 1000.0)));
}
//#if audio

AudioChunker::AudioChunker() : buffer_(std::max(0, kChunkSamples - kStepSamples), 0.0f) {}

std::vector<std::vector<float>> AudioChunker::push(std::span<const float> samples) {
  const std::size_t span = std::max(kChunkSamples, kStepSamples);
  buffer_.insert(buffer_.end(), samples.begin(), samples.end());
  std::vector<std::vector<float>> chunks;
  std::size_t first = 0;
  for (; buffer_.size() - first >= span; first += kStepSamples) {
    const auto end = buffer_.begin() + static_cast<std::ptrdiff_t>(first + span);
    chunks.emplace_back(end - kChunkSamples, end);
  }
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(first));
  made_ += static_cast<std::int64_t>(chunks.size());
  return chunks;
}

std::optional<std::vector<float>> AudioChunker::flush() {
  const auto context = static_cast<std::size_t>(std::max(0, kChunkSamples - kStepSamples));
  const std::size_t pending = buffer_.size() - context;
  if (pending == 0 || (2 * pending < static_cast<std::size_t>(kStepSamples) && made_ > 0)) return std::nullopt;
  return push(std::vector<float>(kStepSamples - pending, 0.0f)).front();
}
//#end
//#if face

std::optional<std::vector<float>> crop_face(std::span<const std::uint8_t> rgb, int width, int height, const Box& box) {
  if (width < 1 || height < 1 || rgb.size() != std::size_t{3} * width * height) {
    throw std::invalid_argument("a frame is width x height x 3 bytes; given are " + std::to_string(rgb.size()));
  }
  if (!(box.width > 0 && box.height > 0) || !std::isfinite(box.x + box.y + box.width + box.height)) {
    throw std::invalid_argument("the face's box has no area");
  }
  const double exact = std::max(box.width, box.height) * (1 + 2 * kCropMargin);
  const int side = std::max(1, static_cast<int>(std::floor(exact + 0.5)));
  const int left = static_cast<int>(std::floor(box.x + (box.width - exact) / 2 + 0.5));
  const int top = static_cast<int>(std::floor(box.y + (box.height - exact) / 2 + 0.5));
  const auto taps = triangle(side, kCropSize);
  constexpr int kLine = kCropSize * 3;
  // Columns first. Pixels outside the frame repeat the nearest edge pixel.
  std::vector<float> narrow(static_cast<std::size_t>(side) * kLine, 0.0f);
  for (int y = 0; y < side; ++y) {
    const int row = std::clamp(top + y, 0, height - 1) * width;
    for (int x = 0; x < kCropSize; ++x) {
      for (std::size_t tap = 0; tap < taps[x].weights.size(); ++tap) {
        const int column = std::clamp(left + taps[x].start + static_cast<int>(tap), 0, width - 1);
        for (int channel = 0; channel < 3; ++channel) {
          narrow[y * kLine + 3 * x + channel] += taps[x].weights[tap] * rgb[3 * (row + column) + channel];
        }
      }
    }
  }
  std::vector<float> crop(static_cast<std::size_t>(kCropSize) * kLine, 0.0f);
  for (int y = 0; y < kCropSize; ++y) {
    for (std::size_t tap = 0; tap < taps[y].weights.size(); ++tap) {
      for (int x = 0; x < kLine; ++x) {
        crop[y * kLine + x] += taps[y].weights[tap] * narrow[(taps[y].start + tap) * kLine + x];
      }
    }
  }
  if (*std::max_element(crop.begin(), crop.end()) <= kBlackLevel) return std::nullopt;
  return crop;
}
//#end

StepWindow::StepWindow() {
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    profiles[m].sum.assign(kFeatures[m], 0.0);
    rows_[m].assign(kWindowSteps, Row{std::vector<float>(kFeatures[m], 0.0f)});
  }
}

void StepWindow::push(const std::array<std::span<const float>, kModalities.size()>& features) {
  const bool anything =
      std::any_of(features.begin(), features.end(), [](const auto& one) { return !one.empty(); });
  const bool early = enrolling_ > 0 && anything;
  if (early) --enrolling_;
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    auto& rows = rows_[m];
    if (rows.front().held && rows.front().due) observe(m, rows.front().features);
    // The oldest row becomes the newest, so that nothing is allocated.
    std::rotate(rows.begin(), rows.begin() + 1, rows.end());
    Row& row = rows.back();
    row.held = !features[m].empty();
    row.due = row.held && !early;
    if (row.held) {
      row.features.assign(features[m].begin(), features[m].end());
      if (early) observe(m, row.features);
    }
  }
}

void StepWindow::finish() {
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    for (Row& row : rows_[m]) {
      if (row.held && row.due) observe(m, row.features);
      row.held = row.due = false;
    }
  }
}

void StepWindow::enrol(int steps) {
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    profiles[m] = Profile{std::vector<double>(kFeatures[m], 0.0), 0};
    for (Row& row : rows_[m]) row.due = false;
  }
  enrolling_ = steps;
}

void StepWindow::observe(std::size_t modality, const std::vector<float>& features) {
  if (!std::all_of(features.begin(), features.end(), [](float value) { return std::isfinite(value); })) return;
  for (std::size_t i = 0; i < features.size(); ++i) profiles[modality].sum[i] += features[i];
  ++profiles[modality].steps;
}

std::vector<float> StepWindow::mean(std::size_t modality) const {
  const Profile& profile = profiles[modality];
  std::vector<float> mean(kFeatures[modality]);
  for (std::size_t i = 0; i < mean.size(); ++i) {
    const double total = kPriorSteps * kPopulationMean[modality][i] + profile.sum[i];
    mean[i] = static_cast<float>(total / (kPriorSteps + static_cast<double>(profile.steps)));
  }
  return mean;
}

std::vector<float> StepWindow::rows(std::size_t modality) const {
  const std::vector<float> baseline = mean(modality);
  std::vector<float> result;
  result.reserve(kWindowSteps * baseline.size());
  for (const Row& row : rows_[modality]) {
    for (std::size_t i = 0; i < baseline.size(); ++i) {
      result.push_back(row.held ? row.features[i] - baseline[i] : 0.0f);
    }
  }
  return result;
}

std::vector<float> StepWindow::mask(std::size_t modality) const {
  std::vector<float> result;
  for (const Row& row : rows_[modality]) result.push_back(row.held ? 1.0f : 0.0f);
  return result;
}

Sensor::Sensor(const std::filesystem::path& bundle, int threads) {
//#if audio
  audio_ = load_graph(bundle, kAudioGraph, threads);
//#end
//#if face
  face_ = load_graph(bundle, kFaceGraph, threads);
//#end
  fusion_ = load_graph(bundle, kFusionGraph, threads);
}

Estimate Sensor::step(@step_parameters@) {
  std::array<std::vector<float>, kModalities.size()> features;
//#if audio
  if (!chunk.empty()) features[kAudio] = encode(*audio_, chunk, kChunkSamples, "the chunk");
//#end
//#if face
  if (!crop.empty()) features[kFace] = encode(*face_, crop, kCropSize * kCropSize * 3, "the crop");
//#end
  window.push({@features@});
  return fuse();
}

Estimate Sensor::fuse() {
  std::array<std::vector<float>, kModalities.size()> rows;
  std::array<std::vector<float>, kModalities.size()> masks;
  std::array<int, kModalities.size()> present{};
  std::vector<std::span<const float>> inputs;
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    rows[m] = window.rows(m);
    masks[m] = window.mask(m);
    present[m] = static_cast<int>(std::count(masks[m].begin(), masks[m].end(), 1.0f));
    inputs.emplace_back(rows[m]);
  }
  if (std::all_of(present.begin(), present.end(), [](int steps) { return steps == 0; })) {
    Estimate nothing;
    nothing.probabilities.fill(1.0 / kLabels.size());
    nothing.confidence = nothing.probabilities.front();
    return nothing;
  }
  for (const auto& mask : masks) inputs.emplace_back(mask);
  const auto outputs = fusion_->run(inputs);
  Estimate estimate = decide(outputs[kLogits], present);
  std::copy(outputs[kReliance].begin(), outputs[kReliance].end(), estimate.reliance.begin());
  return estimate;
}

}  // namespace mer::@namespace@
