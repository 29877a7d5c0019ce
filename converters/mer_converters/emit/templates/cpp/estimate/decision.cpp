// @generated@
#include "decision.hpp"

#include <algorithm>
#include <cmath>

namespace mer::@namespace@ {

std::size_t state_of(const std::array<int, kModalities.size()>& present) {
  std::size_t state = 0;
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    if (present[m] > 0) state |= std::size_t{1} << m;
  }
  return state;
}

Probabilities probabilities_of(std::span<const float> logits, const std::array<int, kModalities.size()>& present) {
  Probabilities shares{};
  const std::size_t state = state_of(present);
  if (state == 0) {
    shares.fill(1.0 / static_cast<double>(kLabels.size()));
    return shares;
  }
  const double temperature = kDecisions[state].temperature;
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (std::size_t i = 0; i < kLabels.size(); ++i) sum += shares[i] = std::exp((logits[i] - most) / temperature);
  for (double& share : shares) share /= sum;
  return shares;
}

Estimate decide(const Probabilities& probabilities, const std::array<int, kModalities.size()>& present,
                std::optional<std::size_t> label) {
  Estimate estimate;
  estimate.probabilities = probabilities;
  estimate.present = present;
  const auto likeliest = std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin();
  const std::size_t held = label.value_or(static_cast<std::size_t>(likeliest));
  estimate.confidence = probabilities[held];
  const std::size_t state = state_of(present);
  if (state == 0) return estimate;
  for (std::size_t i = 0; i < kLabels.size(); ++i) {
    estimate.valence += probabilities[i] * kAffect[i][0];
    estimate.arousal += probabilities[i] * kAffect[i][1];
  }
  if (estimate.confidence >= kDecisions[state].abstention_threshold) estimate.emotion = static_cast<Emotion>(held);
  return estimate;
}

}  // namespace mer::@namespace@
