// @generated@
#pragma once

#include <array>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../contract.hpp"
#include "../estimate/baseline.hpp"
#include "../estimate/decision.hpp"
#include "../graph.hpp"

namespace mer::@namespace@ {

/// The features of one utterance by modality, in the order of `kModalities`: the mean over its steps, which the window
/// holds, and the rows of its steps, which go into the speaker's baseline. Empty where the modality is missing.
struct UtteranceFeatures {
  std::array<std::vector<std::vector<float>>, kModalities.size()> rows;
};

/// The window of utterances: features less each speaker's baseline, masks, and who of the window is who.
class UtteranceWindow {
 public:
  /// Takes an utterance. One that leaves the window goes into its speaker's baseline.
  void push(UtteranceFeatures features, const std::string& speaker);
  /// What the fusion graph reads, in the order of its inputs: features, masks, speakers.
  std::vector<std::vector<float>> read() const;
  /// Whether anything in the window is present, and which modalities the newest utterance has.
  bool empty() const;
  std::array<int, kModalities.size()> present() const;
  /// A speaker's baseline, for the app to store or put back; cold where nothing of theirs has left the window.
  Baseline& baseline(const std::string& speaker) { return baselines_[speaker]; }

 private:
  struct Row {
    UtteranceFeatures features;
    std::string speaker;
  };
  std::deque<Row> rows_;
  std::map<std::string, Baseline> baselines_;
};

/// What was said in one utterance; what is missing is left out.
struct Utterance {
//#if text
  /// UTF-8; text without a word counts as missing.
  std::optional<std::string> text;
//#end
//#if audio
  /// The chunk of each step: see `SoundSteps`, which begins anew with every utterance.
  std::vector<std::vector<float>> chunks;
//#end
//#if face
  /// The speaker's face in each step where it was seen: see `crop_face`.
  std::vector<std::vector<float>> crops;
//#end
};

/// Emotion of a dialogue, utterance by utterance, from it and those before. Not thread-safe.
class Conversation {
 public:
  /// @param bundle the bundle's folder. @param threads CPU threads of each graph.
  /// @throws std::runtime_error a graph is missing, is not the one that the contract was made from, or does not load.
  explicit Conversation(const std::filesystem::path& bundle, int threads = 1);
  /// Takes one utterance, whole. @param speaker any name; empty is a speaker who is not known.
  /// @throws std::invalid_argument text that is no UTF-8, or a chunk or crop of another size than the contract says.
  Estimate push(const Utterance& utterance, const std::string& speaker = "");
  /// Begins a new dialogue: an empty window and cold baselines.
  void reset() { window = UtteranceWindow(); }

  UtteranceWindow window;
  /// Logits of every utterance in the window when the last one was pushed, [kUtterances x labels].
  std::vector<float> window_logits;

 private:
  std::array<std::unique_ptr<Graph>, kModalities.size()> encoders_;
  std::unique_ptr<Graph> fusion_;
};

}  // namespace mer::@namespace@
