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
//#if finder

/// The graph's input: `kInputHeight` x `kInputWidth` x 3, RGB, 0 to 255.
inline constexpr int kInputHeight = @input_height@;
inline constexpr int kInputWidth = @input_width@;
/// Boxes with a score above the threshold count, where they overlap no better one by more than `kOverlap`.
inline constexpr float kThreshold = @finder_threshold@f;
inline constexpr double kOverlap = @finder_overlap@;
/// Boxes that the graph gives.
inline constexpr std::size_t kBoxes = @finder_boxes@;
//#else

/// What the model tells apart; the values are positions in `kLabels`.
enum class Emotion {
    @emotions@
};
inline constexpr std::array<const char*, @label_count@> kLabels{
    @labels@};
/// Valence and arousal of each label, -1 to 1: Russell and Mehrabian 1977; "neutral" and "calm" are the origin.
inline constexpr std::array<std::array<double, 2>, @label_count@> kAffect{{
    @affect@}};

//#if window
/// The clock: one estimate a step; the fusion graph reads a window of the last steps.
inline constexpr int kStepMs = @step_ms@;
inline constexpr int kWindowSteps = @window_steps@;
//#end
//#if dialogue
/// A step of an utterance's sound and faces.
inline constexpr int kStepMs = @step_ms@;
/// The window: the last utterances, and how many speakers the network tells apart.
inline constexpr int kUtterances = @utterances@;
inline constexpr int kSpeakers = @speakers@;
//#end

/// What the fusion graph reads, in the order of its inputs and of its reliance.
inline constexpr std::array<const char*, @modality_count@> kModalities{@modalities@};
@modality_indices@
/// Length of each modality's feature vector.
inline constexpr std::array<int, @modality_count@> kFeatures{@features_sizes@};
//#if audio

/// Sound: mono float32, -1 to 1. The chunk of a step ends with the step.
inline constexpr int kSampleRate = @sample_rate@;
inline constexpr std::size_t kStepSamples = @step_samples@;
inline constexpr std::size_t kChunkSamples = @chunk_samples@;
//#end
//#if face

/// Faces: a square RGB crop, 0 to 255, whose side is the larger one of the box times 1 + 2 * margin.
inline constexpr int kCropSize = @crop_size@;
inline constexpr double kCropMargin = @margin@;
/// A crop whose brightest value is at most this is no face.
inline constexpr float kBlackLevel = @black_level@;
//#end
//#if text

/// Text: the first `kTextWords` words of an utterance, each as ids of itself and of its n-grams.
inline constexpr std::size_t kTextWords = @text_words@;
inline constexpr std::size_t kTextSlots = @text_slots@;
inline constexpr std::uint32_t kTextBuckets = @text_buckets@;
inline constexpr std::size_t kShortestNgram = @shortest_ngram@;
inline constexpr std::size_t kLongestNgram = @longest_ngram@;
//#end

/// The personal baseline: the population's mean counts as so many steps.
inline constexpr double kPriorSteps = @prior_steps@;
/// Which encoders the features come from; a stored profile belongs to these alone.
inline constexpr const char* kEncoders = "@encoders@";
@means@
/// By modality; none where a modality has no baseline.
inline constexpr std::array<const double*, @modality_count@> kPopulationMean{@mean_data@};
@offsets@
/// What an enrolment adds to the features of each step that it takes in, by modality; none where it adds nothing. Other
/// steps get as much of it as the person is neutral more often than `kNeutralPrior`; 0 leaves them as they are.
inline constexpr std::array<const double*, @modality_count@> kNeutralOffset{@offset_data@};
inline constexpr double kNeutralPrior = @neutral_prior@;
/// Position of neutral in `kLabels`, which counts where `kNeutralPrior` is above 0.
inline constexpr std::size_t kNeutral = @neutral_index@;

/// The decision: logits are divided by the temperature; below the threshold the emotion is unknown.
struct Decision {
  double temperature, abstention_threshold;
};
/// By what the window holds: bit m of the index is set where it holds modality m.
inline constexpr std::array<Decision, @state_count@> kDecisions{{
    @decisions@}};

//#end
struct TensorInfo {
  std::string name;
  std::vector<std::int64_t> shape;
  /// Whole numbers of 32 bits instead of floats.
  bool whole = false;
  std::size_t elements() const {
    std::size_t product = 1;
    for (const auto size : shape) product *= static_cast<std::size_t>(size);
    return product;
  }
};

/// A graph of the bundle: its file, the file's size and hash, and its inputs and outputs in order.
struct GraphInfo {
  std::string file;
  std::uintmax_t bytes;
  std::string sha256;
  std::vector<TensorInfo> inputs;
  std::vector<TensorInfo> outputs;
};

@graphs@
//#if finder
/// Positions in the outputs of `kFinderGraph`.
inline constexpr std::size_t kScoresOutput = @scores_index@;
inline constexpr std::size_t kBoxesOutput = @boxes_index@;
//#else
/// Positions in the outputs of `kFusionGraph`.
inline constexpr std::size_t kLogits = @logits_index@;
inline constexpr std::size_t kReliance = @reliance_index@;
//#end

/// What the golden test allows: the rule of `mer verify` for this scheme.
//#if quantized
inline constexpr double kToleranceSqnrDb = @sqnr@;
//#else
inline constexpr double kTolerance = @tolerance@;
//#end
//#if window
/// Where the test's own steps begin an enrolment, and of how many steps.
inline constexpr std::size_t kHostEnrolAt = @enrol_at@;
inline constexpr int kHostEnrolSteps = @enrol_steps@;
//#end

}  // namespace mer::@namespace@
