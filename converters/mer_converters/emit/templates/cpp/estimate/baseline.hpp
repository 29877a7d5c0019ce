// @generated@
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../contract.hpp"

namespace mer::@namespace@ {

/// The personal baseline: a running mean of one person's features, from the population's mean to their own. It holds
/// sums and counts, no sound and no picture.
class Baseline {
 public:
  Baseline();
  /// What to subtract from a modality's features (its position in `kModalities`); zeros for one without a baseline.
  std::vector<float> mean(std::size_t modality) const;
  /// Says how likely the latest estimate finds the person neutral: steps that are observed from now on get as much of
  /// `kNeutralOffset` as that is above (or below) `kNeutralPrior`: all of it at 1, none at the prior. A probability
  /// that is not finite changes nothing.
  void expect_neutral(double probability);
  /// Takes in the features of one step; features that are not finite are left out.
  void observe(std::size_t modality, std::span<const float> features);
  /// The same for a step of an enrolment, in which the person is at rest: all of `kNeutralOffset` is added.
  void observe_neutral(std::size_t modality, std::span<const float> features);
  /// Steps taken in of a modality.
  std::int64_t steps(std::size_t modality) const { return steps_[modality]; }
  /// Forgets the person: back to the population's means.
  void reset();

  /// The profile as JSON, as `mer run --save-baseline` writes it, for the app to store. Every platform reads it.
  std::string to_json() const;
  /// Goes on from a stored profile.
  /// @throws std::invalid_argument it is of another model, damaged, or no profile; the baseline stays as it was.
  void load_json(const std::string& text);

 private:
  void take(std::size_t modality, std::span<const float> features, double share);

  std::array<std::vector<double>, kModalities.size()> sum_;
  std::array<std::int64_t, kModalities.size()> steps_{};
  double share_ = 0.0;
};

}  // namespace mer::@namespace@
