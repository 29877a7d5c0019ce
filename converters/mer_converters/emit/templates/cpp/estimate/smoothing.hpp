// @generated@
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>

#include "decision.hpp"

namespace mer::@namespace@ {

/// How steady the output is. The defaults change nothing.
struct Smoothing {
  /// Time constant of the exponential mean over the probabilities, seconds.
  double seconds = 0;
  /// By how much a new label's probability must lead the present label's before the label changes, 0 to 1.
  double margin = 0;
};

/// Smooths the estimates of one stream, each person's by themselves.
class Smoother {
 public:
  explicit Smoother(Smoothing options = {}) : options_(options) {}
  /// From the logits of a step to its estimate: temperature, smoothing, abstention, valence and arousal.
  /// @param present steps of the window that hold each modality; where all are 0 the person's timeline ends.
  /// @param time seconds, after the last step's. @param person whose face it is; nothing goes on with the same one.
  Estimate update(std::span<const float> logits, const std::array<int, kModalities.size()>& present, double time,
                  std::optional<int> person = std::nullopt);
  /// Begins a new stream.
  void reset();

 private:
  struct Timeline {
    Probabilities probabilities;
    std::size_t label;
    double time;
  };
  Timeline& advance(const Probabilities& now, double time, std::optional<int> person);

  Smoothing options_;
  std::map<int, Timeline> timelines_;
  std::optional<int> person_;
};

}  // namespace mer::@namespace@
