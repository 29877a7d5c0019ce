// @generated@
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "../contract.hpp"

namespace mer::@namespace@ {

/// In the order of `kLabels`; they sum to 1.
using Probabilities = std::array<double, kLabels.size()>;
//#if window

/// A face in pixels; it may reach outside the frame.
struct Box {
  double x, y, width, height;
};
//#end

/// What is said of a window.
struct Estimate {
//#if window
  /// Seconds since the stream began, at the step's end.
  double time = 0;
//#end
  /// Nothing where the model is less sure than the threshold in `kDecisions`, or nothing is there.
  std::optional<Emotion> emotion;
  /// The probability of the label that holds, 0 to 1.
  double confidence = 0;
  Probabilities probabilities{};
  /// As the graph gives them; all 0 where nothing is there.
  std::array<float, kLabels.size()> logits{};
  /// Expected under published norms of the emotion words, each -1 to 1; 0 where nothing is there.
  double valence = 0;
  double arousal = 0;
  /// The share of each modality, in the order of `kModalities`; all 0 where nothing is there.
  std::array<float, kModalities.size()> reliance{};
  /// Steps of the window that hold each modality (of an utterance: 1 or 0), in the same order.
  std::array<int, kModalities.size()> present{};
//#if window
  /// Whose face was seen in this step, and where.
  std::optional<int> person;
  std::optional<Box> face;
  /// Whether somebody spoke; nothing where that is not asked, or there is no sound.
  std::optional<bool> speech;
//#end
};

/// Which values of `kDecisions` hold: bit m is set where modality m is there.
std::size_t state_of(const std::array<int, kModalities.size()>& present);

/// The softmax of logits over the temperature of what is there; uniform where nothing is.
Probabilities probabilities_of(std::span<const float> logits, const std::array<int, kModalities.size()>& present);

/// Emotion, confidence, valence and arousal of probabilities: the likeliest label, or `label` where one holds.
Estimate decide(const Probabilities& probabilities, const std::array<int, kModalities.size()>& present,
                std::optional<std::size_t> label = std::nullopt);

}  // namespace mer::@namespace@
