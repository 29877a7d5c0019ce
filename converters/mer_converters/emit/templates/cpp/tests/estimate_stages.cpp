// @generated@
// Decisions by state, smoothing, and the personal baseline as it is stored.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "../estimate/baseline.hpp"
#include "../estimate/decision.hpp"
//#if window
#include "../estimate/smoothing.hpp"
//#end
#include "golden_file.hpp"

namespace mer::@namespace@::golden {
namespace {

using Present = std::array<int, kModalities.size()>;

Present present_of(std::span<const float> row) {
  Present present{};
  std::transform(row.begin(), row.end(), present.begin(), [](float one) { return static_cast<int>(one); });
  return present;
}

float named(const Estimate& estimate) {
  return estimate.emotion ? static_cast<float>(static_cast<int>(*estimate.emotion)) : -1.0f;
}

bool near(const Probabilities& found, std::span<const float> wanted) {
  return furthest(std::vector<float>(found.begin(), found.end()), wanted) <= 1e-6;
}

void check_decisions(File& file) {
  const Array& logits = file.at("host_logits");
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const Present present = present_of(file.at("host_present")[i]);
    const Estimate found = decide(probabilities_of(logits[i], present), present);
    const auto wanted = file.at("host_decisions")[i];
    file.expect(near(found.probabilities, file.at("host_probabilities")[i]) && named(found) == wanted[0] &&
                    std::abs(found.valence - wanted[1]) <= 1e-6 && std::abs(found.arousal - wanted[2]) <= 1e-6,
                "decision " + std::to_string(i));
  }
}
//#if window

void check_smoothing(File& file) {
  const Array& options = file.at("stage_smoothing_options");
  const Array& shares = file.at("stage_smoothing_probabilities");
  const Array& decisions = file.at("stage_smoothing_decisions");
  const std::size_t steps = file.at("stage_smoothing_logits").size();
  for (std::size_t option = 0; option < options.size(); ++option) {
    Smoother smoother({options[option][0], options[option][1]});
    bool fine = true;
    for (std::size_t step = 0; step < steps; ++step) {
      const long person = file.at("stage_smoothing_persons").whole(step);
      const Estimate found = smoother.update(
          file.at("stage_smoothing_logits")[step], present_of(file.at("stage_smoothing_present")[step]),
          file.at("stage_smoothing_times").values[step],
          person < 0 ? std::nullopt : std::optional<int>(static_cast<int>(person)));
      const auto wanted = decisions[option].subspan(step * 4, 4);
      fine = fine && near(found.probabilities, shares[option].subspan(step * kLabels.size(), kLabels.size())) &&
             named(found) == wanted[0] && std::abs(found.confidence - wanted[1]) <= 1e-6 &&
             std::abs(found.valence - wanted[2]) <= 1e-6 && std::abs(found.arousal - wanted[3]) <= 1e-6;
    }
    file.expect(fine, "smoothing, abstention and persons, option " + std::to_string(option));
  }
}
//#end

void check_profile(File& file) {
  if (!file.has("stage_profile_text")) return;
  Baseline loaded;
  loaded.load_json(file.at("stage_profile_text").text());
  Baseline again;
  again.load_json(loaded.to_json());
  std::size_t place = 0;
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    if (!kPopulationMean[m]) continue;
    const std::string name(kModalities[m]);
    const std::vector<float> bad(static_cast<std::size_t>(kFeatures[m]), std::numeric_limits<float>::quiet_NaN());
    bool fine = loaded.steps(m) == file.at("stage_profile_steps").whole(place++);
    for (Baseline* one : {&loaded, &again}) {
      fine = fine && furthest(one->mean(m), file.at("stage_profile_mean_" + name).values) <= 1e-5;
      one->observe(m, file.at("stage_profile_row_" + name).values);
      one->observe(m, bad);
      fine = fine && furthest(one->mean(m), file.at("stage_profile_next_" + name).values) <= 1e-5;
    }
    file.expect(fine, "a stored baseline, loaded, stored and loaded again: " + name);
  }
  const std::string texts = file.at("stage_profile_refused").text();
  std::size_t at = 0, refused = 0;
  const Array& lengths = file.at("stage_profile_refused_bytes");
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const auto length = static_cast<std::size_t>(lengths.whole(i));
    try {
      loaded.load_json(texts.substr(at, length));
    } catch (const std::invalid_argument&) {
      ++refused;
    }
    at += length;
  }
  file.expect(refused == lengths.size() && loaded.to_json() == again.to_json(),
              "profiles that are damaged or of another model are refused");
}

}  // namespace

void check_estimates(File& file) {
  check_decisions(file);
//#if window
  check_smoothing(file);
//#end
  check_profile(file);
}

}  // namespace mer::@namespace@::golden
