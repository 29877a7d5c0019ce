// @generated@
// Dialogues outside of their graphs: words to ids, speakers, and the window of utterances.
#include <string>

#include "../dialogue/conversation.hpp"
//#if text
#include "../dialogue/text.hpp"
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

}  // namespace

void check_dialogue(File& file) {
//#if text
  check_text(file);
//#end
  check_windows(file);
}

}  // namespace mer::@namespace@::golden
