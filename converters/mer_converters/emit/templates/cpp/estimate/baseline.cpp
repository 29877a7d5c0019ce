// @generated@
#include "baseline.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "json.hpp"

namespace mer::@namespace@ {
namespace {

constexpr double kVersion = 2;
// No feature is larger: half precision ends here. And no stream has more steps than this.
constexpr double kLargestFeature = 65504.0;
constexpr double kMostSteps = 1e15;

[[noreturn]] void refuse(const std::string& why) {
  throw std::invalid_argument("the personal baseline " + why + "; leave it out to begin a new one");
}

const JsonValue& member(const JsonValue& value, const std::string& name, JsonValue::Kind kind) {
  const auto found = value.members.find(name);
  if (found == value.members.end() || found->second.kind != kind) refuse("lacks " + name);
  return found->second;
}

}  // namespace

Baseline::Baseline() { reset(); }

void Baseline::reset() {
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    sum_[m].assign(static_cast<std::size_t>(kFeatures[m]), 0.0);
    steps_[m] = 0;
  }
  share_ = 0.0;
}

std::vector<float> Baseline::mean(std::size_t modality) const {
  std::vector<float> mean(static_cast<std::size_t>(kFeatures[modality]), 0.0f);
  const double* population = kPopulationMean[modality];
  for (std::size_t i = 0; population && i < mean.size(); ++i) {
    const double total = kPriorSteps * population[i] + sum_[modality][i];
    mean[i] = static_cast<float>(total / (kPriorSteps + static_cast<double>(steps_[modality])));
  }
  return mean;
}

void Baseline::expect_neutral(double probability) {
  if (kNeutralPrior > 0 && std::isfinite(probability)) share_ = (probability - kNeutralPrior) / (1.0 - kNeutralPrior);
}

void Baseline::observe(std::size_t modality, std::span<const float> features) { take(modality, features, share_); }

void Baseline::observe_neutral(std::size_t modality, std::span<const float> features) {
  take(modality, features, 1.0);
}

void Baseline::take(std::size_t modality, std::span<const float> features, double share) {
  const double* offset = kNeutralOffset[modality];
  if (!kPopulationMean[modality]) return;
  if (!std::all_of(features.begin(), features.end(), [](float value) { return std::isfinite(value); })) return;
  for (std::size_t i = 0; i < features.size(); ++i) {
    sum_[modality][i] += features[i] + (offset ? share * offset[i] : 0.0);
  }
  ++steps_[modality];
}

std::string Baseline::to_json() const {
  std::string text = "{\"mer_baseline\": " + json_number(kVersion) + ", \"encoders\": \"" + kEncoders +
                     "\", \"modalities\": {";
  const char* between = "";
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    if (!kPopulationMean[m]) continue;
    text += std::string(between) + '"' + kModalities[m] + "\": {\"sum\": [";
    for (std::size_t i = 0; i < sum_[m].size(); ++i) text += (i ? ", " : "") + json_number(sum_[m][i]);
    text += "], \"steps\": " + std::to_string(steps_[m]) + "}";
    between = ", ";
  }
  return text + "}}\n";
}

void Baseline::load_json(const std::string& text) {
  using Kind = JsonValue::Kind;
  JsonValue content;
  try {
    content = read_json(text);
  } catch (const std::invalid_argument& error) {
    refuse(std::string("cannot be read: ") + error.what());
  }
  const double version = member(content, "mer_baseline", Kind::kNumber).numbers.front();
  if (version != std::floor(version) || version < 1) refuse("is damaged");
  if (version > kVersion) refuse("is of a later version");
  if (member(content, "encoders", Kind::kText).text != kEncoders) refuse("is that of another model");
  const JsonValue& modalities = member(content, "modalities", Kind::kObject);
  Baseline loaded;
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    if (!kPopulationMean[m]) continue;
    const JsonValue& profile = member(modalities, kModalities[m], Kind::kObject);
    const auto& sum = member(profile, "sum", Kind::kArray).numbers;
    const double steps = member(profile, "steps", Kind::kNumber).numbers.front();
    const bool counted = steps >= 0 && steps < kMostSteps && steps == std::floor(steps);
    // Not so where there is a NaN.
    const auto possible = [&](double value) { return std::abs(value) <= kLargestFeature * steps; };
    if (!counted || sum.size() != loaded.sum_[m].size() || !std::all_of(sum.begin(), sum.end(), possible)) {
      refuse("is damaged");
    }
    loaded.sum_[m] = sum;
    loaded.steps_[m] = static_cast<std::int64_t>(steps);
  }
  *this = loaded;
}

}  // namespace mer::@namespace@
