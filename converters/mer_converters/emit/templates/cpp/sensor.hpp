// @generated@
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "contract.hpp"
#include "graph.hpp"

namespace mer::@namespace@ {

/// What the sensor says of the window that ends with a step.
struct Estimate {
  /// Nothing where the model is less sure than the threshold in `kDecisions`, or nothing is in the window.
  std::optional<Emotion> emotion;
  /// The largest probability, 0 to 1.
  double confidence = 0;
  /// In the order of `kLabels`; they sum to 1.
  std::array<double, kLabels.size()> probabilities{};
  std::array<float, kLabels.size()> logits{};
  /// Expected under published norms of the emotion words, each -1 to 1; 0 where nothing is in the window.
  double valence = 0;
  double arousal = 0;
  /// The share of each modality, in the order of `kModalities`; all 0 where nothing is in the window.
  std::array<float, kModalities.size()> reliance{};
  /// Steps of the window that hold each modality, in the same order.
  std::array<int, kModalities.size()> present{};
};

/// The decision on logits: softmax with the temperature of what the window holds, abstention, valence and arousal.
/// @param present steps of the window that hold each modality, in the order of `kModalities`.
Estimate decide(std::span<const float> logits, const std::array<int, kModalities.size()>& present);

/// The number of the step that holds a time in seconds since the stream began.
std::int64_t step_at(double seconds);

//#if audio
/// Cuts mono sound at `kSampleRate`, -1 to 1, into the chunk of each step: the last `kChunkSamples` samples before the
/// step's end, with zeros before the stream. Ask the microphone for that rate, or resample before.
class AudioChunker {
 public:
  AudioChunker();
  /// Takes pieces of any size and gives the chunk of every step that they complete.
  std::vector<std::vector<float>> push(std::span<const float> samples);
  /// The incomplete last step of a stream, where at least half of it is there or it is the only one.
  std::optional<std::vector<float>> flush();

 private:
  std::vector<float> buffer_;
  std::int64_t made_ = 0;
};
//#end
//#if face

/// A face in pixels; it may reach outside the frame.
struct Box {
  double x, y, width, height;
};

/// The crop that the face graph reads: RGB, 0 to 255, `kCropSize` x `kCropSize` x 3.
/// @param rgb rows from the top, 3 bytes a pixel, without padding.
/// @return nothing where the crop is black, which counts as "no face".
/// @throws std::invalid_argument a frame of another size than said, or a box without area.
std::optional<std::vector<float>> crop_face(std::span<const std::uint8_t> rgb, int width, int height, const Box& box);
//#end

/// A person's running mean of one modality's features. It holds sums and a count, no sound and no picture; the app may
/// store both members and put them back, for this bundle only.
struct Profile {
  std::vector<double> sum;
  std::int64_t steps = 0;
};

/// The features of the last `kWindowSteps` steps with their masks, less the personal baseline.
///
/// A step is taken into the baseline once it has left the window, so that a window is never judged against itself.
class StepWindow {
 public:
  StepWindow();
  /// Takes one step: features by modality, in the order of `kModalities`; an empty span is a missing modality.
  void push(const std::array<std::span<const float>, kModalities.size()>& features);
  /// Takes what is left in the window into the baseline and empties the window.
  void finish();
  /// Begins the baseline anew with the next `steps` steps that hold anything, which are taken in at once. They should
  /// be neutral ones; what is in the window now is not taken in.
  void enrol(int steps);
  /// What to subtract from a modality's features.
  std::vector<float> mean(std::size_t modality) const;
  /// Rows of the window, newest last, less the baseline: [kWindowSteps x features], 0 where missing.
  std::vector<float> rows(std::size_t modality) const;
  /// 1 where the window holds the modality, 0 where not: [kWindowSteps].
  std::vector<float> mask(std::size_t modality) const;

  /// The baseline by modality, in the order of `kModalities`: store it, put it back, or reset it as the app wants.
  std::array<Profile, kModalities.size()> profiles;

 private:
  struct Row {
    std::vector<float> features;
    bool held = false;
    bool due = false;
  };
  void observe(std::size_t modality, const std::vector<float>& features);

  std::array<std::vector<Row>, kModalities.size()> rows_;
  int enrolling_ = 0;
};

/// One person's emotion, step by step. Not thread-safe; for several persons open one sensor each.
class Sensor {
 public:
  /// @param bundle the bundle's folder.
  /// @param threads CPU threads of each graph.
  /// @throws std::runtime_error a graph is missing, is not the one that the contract was made from, or does not load.
  explicit Sensor(const std::filesystem::path& bundle, int threads = 1);

  /// One step: every @step_ms@ ms, whether anything is there or not. An empty span is a missing modality, never zeros.
  /// @throws std::invalid_argument another number of values than the contract says.
  Estimate step(@step_parameters@);
  /// The stream has ended: what is in the window goes into the baseline, and the window is empty.
  void finish() { window.finish(); }

  /// The window and the personal baseline.
  StepWindow window;

 private:
  Estimate fuse();
//#if audio
  std::unique_ptr<Graph> audio_;
//#end
//#if face
  std::unique_ptr<Graph> face_;
//#end
  std::unique_ptr<Graph> fusion_;
};

}  // namespace mer::@namespace@
