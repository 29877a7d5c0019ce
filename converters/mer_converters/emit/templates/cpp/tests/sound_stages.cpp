// @generated@
// Sound: chunks, channels, resampling, silence and voice activity.
#include <algorithm>
#include <cmath>
#include <deque>
#include <iterator>
#include <memory>

#include "../sound/steps.hpp"
#include "../sound/voice.hpp"
#include "fusion_script.hpp"
#include "golden_file.hpp"
#include "../window/persons.hpp"

namespace mer::@namespace@::golden {
namespace {

// Feeds an interleaved recording in pieces of so many frames.
template <typename Take>
void in_pieces(const Array& pcm, const Array& pieces, Take take) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto size = static_cast<std::size_t>(pieces.whole(i)) * pcm.row();
    take(std::span(pcm.values).subspan(at, size));
    at += size;
  }
}

template <typename Item>
void append(std::vector<Item>& all, std::vector<Item> more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

std::vector<SoundStep> steps_of(File& file, const std::string& pcm, const std::string& pieces, int rate) {
  SoundSteps sound(rate);
  std::vector<SoundStep> steps;
  in_pieces(file.at(pcm), file.at(pieces), [&](std::span<const float> piece) { append(steps, sound.push(piece)); });
  append(steps, sound.flush());
  return steps;
}

void check_resampling(File& file) {
  const Array& cases = file.at("stage_resample_cases");
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const std::string prefix = "stage_resample" + std::to_string(i) + "_";
    const int rate = static_cast<int>(cases[i][0]), channels = static_cast<int>(cases[i][1]);
    Downmix mix(channels, rate);
    Resampler resampler(rate, kSampleRate);
    std::vector<float> made;
    in_pieces(file.at(prefix + "pcm"), file.at(prefix + "pieces"),
              [&](std::span<const float> piece) { append(made, resampler.push(mix.push(piece))); });
    append(made, resampler.push(mix.flush()));
    append(made, resampler.flush());
    const double apart = furthest(made, file.at(prefix + "out").values);
    file.expect(apart <= 1e-5, said(std::to_string(channels) + " channels of " + std::to_string(rate) +
                                        " Hz in pieces, largest error", apart));
  }
}

void check_silence(File& file) {
  const auto steps = steps_of(file, "stage_silence_pcm", "stage_silence_pieces",
                              static_cast<int>(file.at("stage_silence_rate").whole(0)));
  std::vector<float> covered;
  for (const SoundStep& step : steps) covered.push_back(step.covered ? 1.0f : 0.0f);
  file.expect(furthest(covered, file.at("stage_silence_covered").values) == 0, "silence that counts as no sound");
}

// A network that gives the probabilities in order.
class Scripted final : public SpeechModel {
 public:
  explicit Scripted(const Array& probabilities) : left_(probabilities.values.begin(), probabilities.values.end()) {}
  void reset() override {}
  float probability(std::span<const float>) override {
    const float next = left_.front();
    left_.pop_front();
    return next;
  }

 private:
  std::deque<float> left_;
};

void check_voice(File& file, std::size_t option) {
  const auto options = file.at("stage_voice_options")[option];
  VoiceActivity voice(std::make_shared<Scripted>(file.at("stage_voice_probabilities")),
                      {options[0], std::lrint(1000 * options[1]) / 1000.0, std::nullopt, 0.0});
  PersonWindows windows;
  FusionScript fusion;
  std::vector<Features> before;
  std::vector<float> speech, undecided, masks, window;
  const Array& rows = file.at("stage_voice_rows");
  const std::vector<float> silence(kStepSamples, 0.0f);
  for (std::size_t step = 0; step < rows.size(); ++step) {
    Features heard;
    float says = -1;
    if (file.at("stage_voice_present").whole(step)) {
      heard = Features(std::in_place, rows[step].begin(), rows[step].end());
      says = voice.step(silence) ? 1.0f : 0.0f;
    } else {
      voice.gap(kStepSamples);
    }
    if (says == 1 && !before.empty()) windows.recall_sound(before);
    if (voice.undecided()) before.push_back(heard);
    else before.clear();
    std::array<Features, kModalities.size()> features;
    if (says != 0) features[kAudio] = heard;
    windows.push(features);
    const FusionInput given = fusion.run(windows.read(), windows.baseline());
    append(masks, std::vector<float>(given.masks[kAudio]));
    if (step == static_cast<std::size_t>(file.at("stage_voice_window_at").whole(0))) window = given.rows[kAudio];
    speech.push_back(says);
    undecided.push_back(voice.undecided() ? 1.0f : 0.0f);
  }
  file.expect(furthest(speech, file.at("stage_voice_speech")[option]) == 0 &&
                  furthest(undecided, file.at("stage_voice_undecided")[option]) == 0 &&
                  furthest(masks, file.at("stage_voice_window_mask")[option]) == 0 &&
                  furthest(window, file.at("stage_voice_window")[option]) <= 1e-4,
              "voice activity, hold-back and hang-over, option " + std::to_string(option));
}

// With the defaults: how much of the stream is of the present utterance, what the window holds of it, and how many
// steps the baseline has taken in.
void check_utterances(File& file) {
  VoiceActivity voice(std::make_shared<Scripted>(file.at("stage_voice_probabilities")));
  PersonWindows windows;
  FusionScript fusion;
  std::vector<Features> before;
  std::vector<float> fresh, masks, faces, observed;
  const Array& rows = file.at("stage_voice_rows");
  const std::vector<float> silence(kStepSamples, 0.0f);
  for (std::size_t step = 0; step < rows.size(); ++step) {
    Features heard;
    bool speech = true;
    if (file.at("stage_voice_present").whole(step)) {
      heard = Features(std::in_place, rows[step].begin(), rows[step].end());
      speech = voice.step(silence);
      if (speech && !before.empty()) windows.recall_sound(before);
    } else {
      voice.gap(kStepSamples);
    }
    if (voice.undecided()) before.push_back(heard);
    else before.clear();
    const std::int64_t steps = voice.fresh() / static_cast<std::int64_t>(kStepSamples) - 1;
    windows.begin_window(static_cast<std::size_t>(std::max<std::int64_t>(0, steps)));
    std::array<Features, kModalities.size()> features;
    if (speech) features[kAudio] = heard;
//#if face
    const auto face = file.at("stage_utterance_faces")[step];
    features[kFace] = Features(std::in_place, face.begin(), face.end());
//#end
    windows.push(features);
    const FusionInput given = fusion.run(windows.read(), windows.baseline());
    append(masks, std::vector<float>(given.masks[kAudio]));
//#if face
    append(faces, std::vector<float>(given.masks[kFace]));
//#end
    for (std::size_t modality = 0; modality < kModalities.size(); ++modality) {
      observed.push_back(static_cast<float>(windows.baseline(windows.person()).steps(modality)));
    }
    fresh.push_back(static_cast<float>(voice.fresh()));
  }
  bool fine = furthest(fresh, file.at("stage_utterance_fresh").values) == 0 &&
              furthest(masks, file.at("stage_utterance_window_mask").values) == 0 &&
              furthest(observed, file.at("stage_utterance_observed").values) == 0;
//#if face
  fine = fine && furthest(faces, file.at("stage_utterance_faces_mask").values) == 0;
//#end
  file.expect(fine, "a window begins with each utterance");
}

}  // namespace

void check_sound(File& file) {
  const auto steps = steps_of(file, "host_sound", "host_pieces", kSampleRate);
  const Array& wanted = file.at("host_chunks");
  bool same = steps.size() == wanted.size();
  for (std::size_t i = 0; same && i < steps.size(); ++i) same = furthest(steps[i].chunk, wanted[i]) == 0;
  file.expect(same, "chunks of a stream in pieces");
  check_resampling(file);
  check_silence(file);
  if (!file.has("stage_voice_options")) return;
  for (std::size_t option = 0; option < file.at("stage_voice_options").size(); ++option) check_voice(file, option);
  check_utterances(file);
}

}  // namespace mer::@namespace@::golden
