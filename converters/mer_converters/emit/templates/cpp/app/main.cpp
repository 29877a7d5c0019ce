// @generated@
// A line of emotion for each step of a recording: the whole pipeline, as an app would run it.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>

#include "app/options.hpp"
//#if face
#include "app/raw_video.hpp"
//#end
#include "app/wav.hpp"
#include "emotion/stream.hpp"
//#if face
#include "finder/finder/face_finder.hpp"
//#end
#ifdef MER_SIGNATURES
#include "emotion/trust/signature.hpp"
//#if face
#include "finder/trust/signature.hpp"
//#end
#endif

namespace emotion = mer::@namespace@;

namespace {

void print(const std::vector<std::vector<emotion::Estimate>>& steps) {
  for (const auto& persons : steps) {
    for (const emotion::Estimate& estimate : persons) {
      std::string state;
      for (std::size_t m = 0; m < emotion::kModalities.size(); ++m) {
        if (estimate.present[m] > 0) state += (state.empty() ? "" : "+") + std::string(emotion::kModalities[m]);
      }
      const char* label = estimate.emotion ? emotion::kLabels[static_cast<std::size_t>(*estimate.emotion)] : "unknown";
      std::printf("%8.2f s  %-10s %.3f  valence %+.2f  arousal %+.2f  %-10s", estimate.time, label, estimate.confidence,
                  estimate.valence, estimate.arousal, state.empty() ? "none" : state.c_str());
      if (estimate.face) {
        const auto& box = *estimate.face;
        std::printf("  person %d at %.0f %.0f %.0f %.0f", estimate.person.value_or(0), box.x, box.y, box.width,
                    box.height);
      }
      std::printf("\n");
    }
  }
  std::fflush(stdout);
}

void check_trust(const app::Options& options) {
  if (options.trust.empty()) return;
#ifdef MER_SIGNATURES
  emotion::require_signed(options.bundle, {options.trust});
//#if face
  if (!options.video.empty()) mer::@finder_namespace@::require_signed(options.finder, {options.trust});
//#end
#endif
#ifndef MER_SIGNATURES
  throw std::invalid_argument("this program checks no signatures; build it with -DMER_SIGNATURES=ON and OpenSSL");
#endif
}
//#if face

emotion::FaceDetector detector_of(const std::string& bundle) {
  auto finder = std::make_shared<mer::@finder_namespace@::FaceFinder>(bundle);
  return [finder](const emotion::Image& image) {
    std::vector<emotion::Box> boxes;
    for (const auto& [box, score] : finder->find({image.rgb, image.width, image.height})) {
      boxes.push_back({box.x, box.y, box.width, box.height});
    }
    return boxes;
  };
}
//#end

void run(app::Options options) {
  if (options.bundle.empty()) options.bundle = MER_EMOTION_BUNDLE;
//#if face
  if (options.finder.empty()) options.finder = MER_FINDER_BUNDLE;
//#end
  check_trust(options);
  emotion::StreamOptions given;
  given.smoothing = {options.smooth, options.margin};
  std::unique_ptr<app::WavFile> sound;
  if (!options.sound.empty()) {
    sound = std::make_unique<app::WavFile>(options.sound);
    given.sample_rate = sound->sample_rate();
    given.channels = sound->channels();
  }
//#if face
  std::unique_ptr<app::RawVideo> video;
  if (!options.video.empty()) {
    video = std::make_unique<app::RawVideo>(options.video, options.width, options.height);
    given.detector = detector_of(options.finder);
    given.faces.faces = options.faces;
  }
//#end
  emotion::EmotionStream stream(options.bundle, given);
  if (!options.baseline.empty()) {
    std::ifstream file(options.baseline);
    stream.sensor.windows.baseline().load_json({std::istreambuf_iterator<char>(file), {}});
  }
  if (options.enrol > 0) {
    stream.sensor.windows.enrol(std::max(1, static_cast<int>(std::lround(options.enrol * 1000 / emotion::kStepMs))));
  }
  // Sound and frames go in by turns, as they would come.
//#if face
  bool more_sound = sound != nullptr, more_frames = video != nullptr;
  for (std::size_t number = 0; more_sound || more_frames; ++number) {
    const std::size_t rate = static_cast<std::size_t>(given.sample_rate);
    if (more_sound) {
      const double seconds = video ? 1.0 / options.frames_per_second : 0.1;
      const auto piece = sound->read(static_cast<std::size_t>(std::ceil(seconds * static_cast<double>(rate))));
      more_sound = !piece.empty();
      if (more_sound) print(stream.push_audio(piece));
    }
    if (more_frames) {
      const auto frame = video->next();
      more_frames = frame.has_value();
      const double time = static_cast<double>(number) / options.frames_per_second;
      if (frame) print(stream.push_frame({*frame, options.width, options.height}, time));
    }
  }
//#else
  while (true) {
    const auto piece = sound->read(static_cast<std::size_t>(given.sample_rate) / 10);
    if (piece.empty()) break;
    print(stream.push_audio(piece));
  }
//#end
  print(stream.flush());
  if (!options.save_baseline.empty()) {
    std::ofstream file(options.save_baseline);
    if (!(file << stream.sensor.windows.baseline().to_json())) {
      throw std::runtime_error(options.save_baseline + " cannot be written");
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  try {
    run(app::read_options(count, arguments));
    return 0;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "mer_app: %s\n\n%s", error.what(), app::usage().c_str());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mer_app: %s\n", error.what());
    return 1;
  }
}
