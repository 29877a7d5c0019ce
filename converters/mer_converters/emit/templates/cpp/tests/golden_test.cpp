// @generated@
// Proves the wrapper and the runtime on this device: golden_test BUNDLE golden.bin. Exit code 1 where a check fails.
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>

//#if window
#include "../sensor.hpp"
//#end
//#if dialogue
#include "../dialogue/conversation.hpp"
//#end
//#if finder
#include "../finder/face_finder.hpp"
//#end
#include "golden_file.hpp"

namespace mer::@namespace@::golden {
namespace {
//#if finder

void check_cases(FaceFinder& finder, File& file) {
  for (int index = 0; file.has("case" + std::to_string(index) + "_frame"); ++index) {
    const std::string prefix = "case" + std::to_string(index) + "_", name = "frame " + std::to_string(index);
    const Array& frame = file.at(prefix + "frame");
    const std::vector<std::uint8_t> rgb(frame.values.begin(), frame.values.end());
    const Image image{rgb, static_cast<int>(frame.shape[1]), static_cast<int>(frame.shape[0])};
    const auto outputs = finder.run(letterboxed(image));
    const double scores = furthest(outputs[kScoresOutput], file.at(prefix + "scores").values);
    const double boxes = furthest(outputs[kBoxesOutput], file.at(prefix + "boxes").values);
    file.expect(scores <= kTolerance, said(name + ": largest error of the scores", scores));
    file.expect(boxes <= kTolerance, said(name + ": largest error of the boxes", boxes));
    file.expect(finder.find(image).size() == file.at(prefix + "faces").size(), name + ": as many faces");
  }
}
//#else

void check_logits(File& file, int index, std::span<const float> logits) {
  const std::string name = "case " + std::to_string(index), prefix = "case" + std::to_string(index) + "_";
//#if quantized
  // Held to what the bundle itself gave where it was made: quantized kernels of two machines may round differently.
  const double ratio = sqnr(logits, file.at(prefix + "made_logits").values);
  file.expect(ratio >= kToleranceSqnrDb, said(name + ": SQNR of the logits, dB", ratio));
//#else
  const double apart = furthest(logits, file.at(prefix + "logits").values);
  file.expect(apart <= kTolerance, said(name + ": largest error of the logits", apart));
//#end
}
//#end
//#if window

void check_cases(Sensor& sensor, File& file) {
  for (int index = 0; file.has("case" + std::to_string(index) + "_logits"); ++index) {
    const std::string prefix = "case" + std::to_string(index) + "_";
    sensor.reset();
    Estimate estimate;
    for (std::size_t step = 0; step < kWindowSteps; ++step) {
//#if audio
      std::span<const float> chunk;
      if (file.at(prefix + "audio_mask").values[step] != 0) chunk = file.at(prefix + "pcm")[step];
//#end
//#if face
      std::span<const float> crop;
      if (file.at(prefix + "face_mask").values[step] != 0) crop = file.at(prefix + "crop")[step];
//#end
      estimate = sensor.step(@step_arguments@);
    }
    check_logits(file, index, estimate.logits);
  }
}
//#end
//#if dialogue

std::vector<std::vector<float>> steps_of(std::span<const float> raw, std::size_t size) {
  std::vector<std::vector<float>> steps;
  for (std::size_t at = 0; at < raw.size(); at += size) {
    const auto one = raw.subspan(at, size);
    steps.emplace_back(one.begin(), one.end());
  }
  return steps;
}

void check_cases(Conversation& conversation, File& file) {
  for (int index = 0; file.has("case" + std::to_string(index) + "_logits"); ++index) {
    const std::string prefix = "case" + std::to_string(index) + "_";
    conversation.reset();
    std::size_t at = 0;
//#if text
    const std::string texts = file.at(prefix + "texts").text();
//#end
    for (std::size_t row = 0; row < kUtterances; ++row) {
      Utterance utterance;
//#if text
      const auto length = static_cast<std::size_t>(file.at(prefix + "texts_bytes").whole(row));
      if (file.at(prefix + "text_mask").values[row] != 0) utterance.text = texts.substr(at, length);
      at += length;
//#end
//#if audio
      if (file.at(prefix + "audio_mask").values[row] != 0) {
        utterance.chunks = steps_of(file.at(prefix + "pcm")[row], kChunkSamples);
      }
//#end
//#if face
      if (file.at(prefix + "face_mask").values[row] != 0) {
        utterance.crops = steps_of(file.at(prefix + "crop")[row], std::size_t{3} * kCropSize * kCropSize);
      }
//#end
      conversation.push(utterance, std::to_string(file.at(prefix + "speakers").whole(row)));
    }
    static_cast<void>(at);
    check_logits(file, index, conversation.window_logits);
  }
}
//#end

void check(const std::string& bundle, File& file) {
//#if finder
  check_stages(file);
  FaceFinder finder(bundle);
  check_cases(finder, file);
//#else
  check_estimates(file);
//#if window
  check_windows(file);
//#if audio
  check_sound(file);
//#end
//#if face
  check_faces(file);
//#if audio
  check_alignment(file);
//#end
//#end
  Sensor sensor(bundle);
  check_cases(sensor, file);
//#end
//#if dialogue
  check_dialogue(file);
  Conversation conversation(bundle);
  check_cases(conversation, file);
//#end
//#end
}

}  // namespace
}  // namespace mer::@namespace@::golden

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "golden_test BUNDLE golden.bin: give the bundle's folder and the golden file\n");
    return 2;
  }
  try {
    mer::@namespace@::golden::File file(arguments[2]);
    mer::@namespace@::golden::check(arguments[1], file);
    std::printf("%d failed\n", file.failures());
    return file.failures() ? 1 : 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
