// @generated@
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "../contract.hpp"
#include "../estimate/baseline.hpp"
#include "feature_window.hpp"

namespace mer::@namespace@ {

/// What the fusion graph reads, in the order of `kModalities`.
struct FusionInput {
  /// [kWindowSteps x features] each, less the baseline, 0 where missing.
  std::array<std::vector<float>, kModalities.size()> rows;
  /// [kWindowSteps] each, 1 where the modality is there.
  std::array<std::vector<float>, kModalities.size()> masks;
  /// Steps of the window that hold each modality.
  std::array<int, kModalities.size()> present{};
};

/// The windows and baselines of the persons of a stream. One of them is current: whoever a step names. The first person
/// takes over the baseline that the stream began with and what was heard before; any later one starts cold. Sound
/// belongs to whoever was current when it was heard, and is missing in the windows of the others. A step is taken into
/// the baseline once it has left the window, so that a window is never judged against itself.
class PersonWindows {
 public:
  explicit PersonWindows(const Baseline& baseline = {});
  /// Takes one step. What the fusion then says of a person goes to that person's baseline (`expect_neutral`), as
  /// `Sensor` does it.
  /// @param features in the order of `kModalities`. @param person whose face it is; nothing where there is none.
  /// @param others face features of further persons.
  void push(const std::array<Features, kModalities.size()>& features, std::optional<int> person = std::nullopt,
            const std::map<int, std::vector<float>>& others = {});
  /// What the fusion graph reads for the current person.
  FusionInput read() const { return read(person_, true); }
  /// What it reads for another person, whose face alone counts.
  FusionInput look_at(int person) const { return read(person, false); }
  /// Begins the current person's baseline anew with the next `steps` steps that hold anything, which should be neutral.
  void enrol(int steps);
  /// Sound of the last steps that was held back counts after all: oldest first, nothing where missing.
  void recall_sound(const std::vector<Features>& rows);
  /// All but the newest steps leave the windows, as those of another utterance, and go into the baselines.
  void begin_window(std::size_t newest);
  /// The stream has ended: the steps still in the windows go into the baselines, and the windows are empty.
  void finish();
  /// Forgets a person: the baseline is cold again, and nothing of the window goes into it.
  void forget(int person);
  int person() const { return person_; }
  /// Everyone who has a baseline: who was seen last comes last, and the current person after all others.
  std::vector<int> persons() const;
  /// A person's baseline, for the app to store or put back.
  /// @throws std::out_of_range nobody of that number is known.
  Baseline& baseline(int person);
  Baseline& baseline() { return baseline(person_); }

 private:
  FusionInput read(int person, bool sound) const;
  void take(std::size_t modality, FeatureWindow& window, const Features& row, int owner, bool early);
  void observe(int owner, std::size_t modality, const std::vector<float>& row);
  void switch_to(int person);
  /// Puts a person's baseline behind all others; whoever is new has a cold one.
  void meet(int person);
  /// Forgets those beyond the bound who were not seen for longest; nobody who is seen now.
  void forget_oldest(const std::map<int, Features>& seen);
  const Baseline* find(int person) const;

  int person_ = 0;
  bool known_ = false;
  int enrolling_ = 0;
  std::vector<std::pair<int, Baseline>> baselines_;
//#if audio
  FeatureWindow sound_;
//#end
//#if face
  std::map<int, FeatureWindow> faces_;
//#end
};

}  // namespace mer::@namespace@
