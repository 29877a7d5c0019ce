// @generated@
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "contract.hpp"
#include "estimate/smoothing.hpp"
#include "graph.hpp"
#include "window/persons.hpp"

namespace mer::@namespace@ {
//#if face

/// The crop of a face and whose it is.
struct PersonCrop {
  int person;
  std::span<const float> crop;
};
//#end

/// Emotion step by step, of one person or several: encoders, windows, personal baselines, fusion, decision. Not
/// thread-safe. `EmotionStream` (stream.hpp) feeds it from sound and frames as they come.
class Sensor {
 public:
  /// @param bundle the bundle's folder.
  /// @param threads CPU threads of each graph.
  /// @throws std::runtime_error a graph is missing, is not the one that the contract was made from, or does not load.
  explicit Sensor(const std::filesystem::path& bundle, Smoothing smoothing = {}, int threads = 1);

  /// One step: every @step_ms@ ms, whether anything is there or not. An empty span is a missing modality, never zeros.
  /// @throws std::invalid_argument another number of values than the contract says.
  Estimate step(@step_parameters@);
//#if face
  /// One step in which several persons may be seen: the first is the one that the sound belongs to.
  /// @return the first one's estimate, or that of whoever was there before; then what the others' faces say.
  std::vector<Estimate> step(@sound_parameter@const std::vector<PersonCrop>& faces);
//#end
//#if audio
  /// A step whose sound is held back: its features, for `recall_sound`.
  Features hear(std::span<const float> chunk);
//#end
  /// Steps of a pause: they stand in the windows as missing, and no graph is run.
  void skip(std::int64_t steps);
  /// The stream has ended: what is in the windows goes into the baselines, and the windows are empty.
  void finish() { windows.finish(); }
  /// Begins a new stream with empty windows. @param baseline of the first person.
  void reset(const Baseline& baseline = {});

  /// The windows and the personal baselines.
  PersonWindows windows;

 private:
  std::vector<Estimate> advance(std::array<Features, kModalities.size()> features, std::optional<int> person,
                                const std::map<int, std::vector<float>>& others);
  Estimate fuse(const FusionInput& input, int owner, Smoother& smoother, std::optional<int> person);

//#if audio
  std::unique_ptr<Graph> audio_;
//#end
//#if face
  std::unique_ptr<Graph> face_;
//#end
  std::unique_ptr<Graph> fusion_;
  Smoother smoother_, others_;
  std::int64_t steps_ = 0;
};

}  // namespace mer::@namespace@
