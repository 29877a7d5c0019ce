// @generated@
#include "sensor.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace mer::@namespace@ {
namespace {

std::vector<float> encode(Graph& graph, std::span<const float> raw, std::size_t wanted, const char* what) {
  if (raw.size() != wanted) {
    throw std::invalid_argument(std::string(what) + " has " + std::to_string(raw.size()) + " values, needed are " +
                                std::to_string(wanted));
  }
  return graph.run({raw}).front();
}

}  // namespace

Sensor::Sensor(const std::filesystem::path& bundle, Smoothing smoothing, int threads)
    : smoother_(smoothing), others_(smoothing) {
//#if audio
  audio_ = load_graph(bundle, kAudioGraph, threads);
//#end
//#if face
  face_ = load_graph(bundle, kFaceGraph, threads);
//#end
  fusion_ = load_graph(bundle, kFusionGraph, threads);
}

void Sensor::reset(const Baseline& baseline) {
  windows = PersonWindows(baseline);
  smoother_.reset();
  others_.reset();
  steps_ = 0;
}

void Sensor::skip(std::int64_t steps) {
  const auto most = std::min(steps, static_cast<std::int64_t>(kWindowSteps));
  for (std::int64_t step = 0; step < most; ++step) windows.push({});
  steps_ += steps;
}
//#if audio

Features Sensor::hear(std::span<const float> chunk) {
  if (chunk.empty()) return std::nullopt;
  return encode(*audio_, chunk, kChunkSamples, "the chunk");
}
//#end

Estimate Sensor::step(@step_parameters@) {
  std::array<Features, kModalities.size()> features;
//#if audio
  features[kAudio] = hear(chunk);
//#end
//#if face
  if (!crop.empty()) features[kFace] = encode(*face_, crop, kCropSize * kCropSize * 3, "the crop");
//#end
  return advance(std::move(features), std::nullopt, {}).front();
}
//#if face

std::vector<Estimate> Sensor::step(@sound_parameter@const std::vector<PersonCrop>& faces) {
  std::array<Features, kModalities.size()> features;
//#if audio
  features[kAudio] = hear(chunk);
//#end
  std::optional<int> person;
  std::map<int, std::vector<float>> others;
  for (const PersonCrop& face : faces) {
    auto row = encode(*face_, face.crop, kCropSize * kCropSize * 3, "the crop");
    if (person) {
      others.emplace(face.person, std::move(row));
    } else {
      person = face.person;
      features[kFace] = std::move(row);
    }
  }
  return advance(std::move(features), person, others);
}
//#end

std::vector<Estimate> Sensor::advance(std::array<Features, kModalities.size()> features, std::optional<int> person,
                                      const std::map<int, std::vector<float>>& others) {
  windows.push(features, person, others);
  ++steps_;
  const int current = windows.person();
  std::vector<Estimate> estimates{fuse(windows.read(), current, smoother_, person)};
  for (const auto& [other, row] : others) estimates.push_back(fuse(windows.look_at(other), other, others_, other));
  return estimates;
}

Estimate Sensor::fuse(const FusionInput& input, int owner, Smoother& smoother, std::optional<int> person) {
  const double time = static_cast<double>(steps_) * kStepMs / 1000.0;
  if (state_of(input.present) == 0) {
    return smoother.update(std::vector<float>(kLabels.size(), 0.0f), input.present, time, person);
  }
  std::vector<std::span<const float>> inputs;
  for (const auto& rows : input.rows) inputs.emplace_back(rows);
  for (const auto& mask : input.masks) inputs.emplace_back(mask);
  const auto outputs = fusion_->run(inputs);
  windows.baseline(owner).expect_neutral(probabilities_of(outputs[kLogits], input.present)[kNeutral]);
  Estimate estimate = smoother.update(outputs[kLogits], input.present, time, person);
  std::copy(outputs[kReliance].begin(), outputs[kReliance].end(), estimate.reliance.begin());
  return estimate;
}

}  // namespace mer::@namespace@
