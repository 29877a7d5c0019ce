// @generated@
// Dialogues outside of their graphs: words to ids, speakers, the window of utterances, and where utterances are cut.
//#if audio
#include <memory>
//#end
#include <string>

#include "../dialogue/conversation.hpp"
//#if text
#include "../dialogue/text.hpp"
//#end
//#if audio
#include "../dialogue/utterances.hpp"
//#end
#include "golden_file.hpp"

namespace mer::@namespace@::golden {
namespace {
//#if text

void check_text(File& file) {
  const std::string texts = file.at("stage_text").text();
  std::size_t at = 0;
  const Array& lengths = file.at("stage_text_bytes");
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const auto length = static_cast<std::size_t>(lengths.whole(i));
    file.expect(furthest(text_ids(texts.substr(at, length)), file.at("stage_text_ids")[i]) == 0,
                "ids of text " + std::to_string(i));
    at += length;
  }
}
//#end

void check_windows(File& file) {
  UtteranceWindow window;
  const Array& speakers = file.at("stage_dialogue_speakers");
  const Array& steps = file.at("stage_dialogue_steps");
  const std::size_t count = kModalities.size();
  bool fine = true;
  for (std::size_t number = 0; number < speakers.size(); ++number) {
    UtteranceFeatures features;
    for (std::size_t m = 0; m < count; ++m) {
      const auto size = static_cast<std::size_t>(kFeatures[m]);
      const auto rows = file.at("stage_dialogue_rows_" + std::string(kModalities[m]))[number];
      for (std::size_t step = 0; step < static_cast<std::size_t>(steps[number][m]); ++step) {
        const auto row = rows.subspan(step * size, size);
        features.rows[m].emplace_back(row.begin(), row.end());
      }
    }
    window.push(std::move(features), std::to_string(speakers.whole(number)));
    if (window.empty()) continue;
    const auto inputs = window.read();
    for (std::size_t m = 0; m < count; ++m) {
      const std::string name = "stage_dialogue_window_" + std::string(kModalities[m]);
      fine = fine && furthest(inputs[m], file.at(name)[number]) <= 1e-4 &&
             furthest(inputs[count + m], file.at(name + "_mask")[number]) == 0;
    }
    fine = fine && furthest(inputs.back(), file.at("stage_dialogue_window_speakers")[number]) == 0;
  }
  file.expect(fine, "window of utterances, masks and speakers");
  for (std::size_t m = 0; m < count; ++m) {
    if (!kPopulationMean[m]) continue;
    const Array& means = file.at("stage_dialogue_mean_" + std::string(kModalities[m]));
    bool same = true;
    for (std::size_t i = 0; i < means.size(); ++i) {
      same = same && furthest(window.baseline(std::to_string(i)).mean(m), means[i]) <= 1e-4;
    }
    file.expect(same, "each speaker's baseline: " + std::string(kModalities[m]));
  }
}
//#if audio

// A network that gives the probabilities in order.
class Told : public SpeechModel {
 public:
  explicit Told(const Array& probabilities) : left_(probabilities.values) {}
  void reset() override {}
  float probability(std::span<const float>) override { return left_.at(next_++); }

 private:
  std::vector<float> left_;
  std::size_t next_ = 0;
};

void check_cutters(File& file) {
  const Array& options = file.at("stage_cutter_options");
  const Array& sizes = file.at("stage_cutter_pieces");
  for (std::size_t index = 0; index < options.size(); ++index) {
    const auto given = options[index];
    const UtteranceOptions rules{{.threshold = given[0], .hangover = given[1]}, given[2], given[3], given[4]};
    UtteranceCutter cutter(std::make_shared<Told>(file.at("stage_cutter_probabilities")), rules);
    std::vector<float> found;
    const auto tell = [&](std::size_t place, const std::vector<Cut>& cuts) {
      for (const Cut& cut : cuts) {
        const auto end = cut.begin + static_cast<std::int64_t>(cut.samples.size());
        for (const std::int64_t one : {static_cast<std::int64_t>(place), cut.begin, end}) {
          found.push_back(static_cast<float>(one));
        }
        found.push_back(static_cast<float>(cutter.left_out()));
      }
    };
    for (std::size_t place = 0; place < sizes.size(); ++place) {
      tell(place, cutter.push(std::vector<float>(static_cast<std::size_t>(sizes.whole(place)))));
    }
    tell(sizes.size(), cutter.end());
    file.expect(furthest(found, file.at("stage_cutter" + std::to_string(index) + "_cuts").values) == 0,
                "cuts of utterances " + std::to_string(index));
  }
}
//#end

}  // namespace

void check_dialogue(File& file) {
//#if text
  check_text(file);
//#end
  check_windows(file);
//#if audio
  if (file.has("stage_cutter_options")) check_cutters(file);
//#end
}

}  // namespace mer::@namespace@::golden
