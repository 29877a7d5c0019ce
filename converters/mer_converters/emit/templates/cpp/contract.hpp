// @generated@
// The contract of @bundle_name@: model @model@, scheme @scheme@, for @runtime@.
// Checkpoint sha256 @checkpoint@.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mer::@namespace@ {

/// What the model tells apart; the values are positions in `kLabels`.
enum class Emotion {
    @emotions@
};
inline constexpr std::array<const char*, @label_count@> kLabels{
    @labels@};
/// Valence and arousal of each label, -1 to 1: Russell and Mehrabian 1977; "neutral" and "calm" are the origin.
inline constexpr std::array<std::array<double, 2>, @label_count@> kAffect{{
    @affect@}};

/// The clock: one estimate a step; the fusion graph reads a window of the last steps.
inline constexpr int kStepMs = @step_ms@;
inline constexpr int kWindowSteps = @window_steps@;

/// What the fusion graph reads, in the order of its inputs and of its reliance.
inline constexpr std::array<const char*, @modality_count@> kModalities{@modalities@};
@modality_indices@
/// Length of each modality's feature vector.
inline constexpr std::array<int, @modality_count@> kFeatures{@features_sizes@};
//#if audio

/// Sound: mono float32, -1 to 1. The chunk of a step ends with the step.
inline constexpr int kSampleRate = @sample_rate@;
inline constexpr int kStepSamples = @step_samples@;
inline constexpr int kChunkSamples = @chunk_samples@;
//#end
//#if face

/// Faces: a square RGB crop, 0 to 255, whose side is the larger one of the box times 1 + 2 * margin.
inline constexpr int kCropSize = @crop_size@;
inline constexpr double kCropMargin = @margin@;
/// A crop whose brightest value is at most this is no face.
inline constexpr float kBlackLevel = @black_level@;
//#end

/// The personal baseline: the population's mean counts as so many steps.
inline constexpr double kPriorSteps = @prior_steps@;
@means@
inline constexpr std::array<const double*, @modality_count@> kPopulationMean{@mean_data@};

/// The decision: logits are divided by the temperature; below the threshold the emotion is unknown.
struct Decision {
  double temperature, abstention_threshold;
};
/// By what the window holds: bit m of the index is set where it holds modality m.
inline constexpr std::array<Decision, @state_count@> kDecisions{{
    @decisions@}};

struct TensorInfo {
  std::string name;
  std::vector<std::int64_t> shape;
  std::size_t elements() const {
    std::size_t product = 1;
    for (const auto size : shape) product *= static_cast<std::size_t>(size);
    return product;
  }
};

/// A graph of the bundle: its file, the file's size and hash, and its float32 inputs and outputs in order.
struct GraphInfo {
  std::string file;
  std::uintmax_t bytes;
  std::string sha256;
  std::vector<TensorInfo> inputs;
  std::vector<TensorInfo> outputs;
};

@graphs@
/// Positions in the outputs of `kFusionGraph`.
inline constexpr std::size_t kLogits = @logits_index@;
inline constexpr std::size_t kReliance = @reliance_index@;

/// What the golden test allows: the rule of `mer verify` for this scheme.
//#if quantized
inline constexpr double kToleranceSqnrDb = @sqnr@;
//#else
inline constexpr double kTolerance = @tolerance@;
//#end
/// Where the test's own steps begin an enrolment, and of how many steps.
inline constexpr int kHostEnrolAt = @enrol_at@;
inline constexpr int kHostEnrolSteps = @enrol_steps@;

}  // namespace mer::@namespace@
