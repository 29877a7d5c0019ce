// @generated@
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "sensor.hpp"
#include "window/alignment.hpp"
//#if face
#include "faces/tracks.hpp"
//#end
//#if audio
#include "sound/voice.hpp"
//#end

namespace mer::@namespace@ {

/// How a stream is read.
struct StreamOptions {
  Smoothing smoothing;
//#if face
  /// Finds faces, such as the face finder of its bundle; without one no frame may be pushed.
  FaceDetector detector;
  FaceOptions faces;
//#end
//#if audio
  /// Sample rate and channels of the sound that is pushed.
  int sample_rate = kSampleRate;
  int channels = 1;
  /// Where it is given, steps without speech count as steps without sound.
  std::shared_ptr<SpeechModel> speech;
  VoiceOptions voice;
//#end
  /// CPU threads of each graph.
  int threads = 1;
};

/// Sound and frames in, estimates out: the whole pipeline. Sound and frames have one clock and each come in order; see
/// `StreamAlignment`. A step is over once every stream that began has passed its end, or one lags by more than 2 s.
/// Steps of a pause of over a window have no estimate.
class EmotionStream {
 public:
  /// @throws std::runtime_error, std::invalid_argument see `Sensor`, and options outside their ranges.
  EmotionStream(const std::filesystem::path& bundle, StreamOptions options);
//#if audio
  /// Takes interleaved sound, -1 to 1. @param time seconds at its first sample; without it sound goes on where the last
  /// piece ended.
  /// @return the estimates of the steps that it finishes: of each step the first person's, then those of the others.
  /// @throws std::invalid_argument a time that is not finite, or that was given already.
  std::vector<std::vector<Estimate>> push_audio(std::span<const float> pcm,
                                                std::optional<double> time = std::nullopt);
//#end
//#if face
  /// Takes a frame, which is copied. @param time seconds, not before the last frame's.
  /// @throws std::invalid_argument a frame of another size than said, or one that goes back.
  std::vector<std::vector<Estimate>> push_frame(const Image& image, double time);
//#end
  /// Ends the streams: the estimates still due.
  std::vector<std::vector<Estimate>> flush();

  /// The graphs, windows and baselines.
  Sensor sensor;

 private:
  std::vector<std::vector<Estimate>> finished();
  void next(std::vector<std::vector<Estimate>>& estimates);
  void skip(std::int64_t steps);
  std::vector<Estimate> estimate(StepInput given);

  StreamAlignment alignment_;
//#if audio
  void hold_back(const std::optional<std::vector<float>>& chunk, std::optional<bool> speech);

  std::optional<VoiceActivity> voice_;
  std::vector<Features> before_speech_;
//#end
//#if face
  std::optional<FaceTracks> tracks_;
//#end
};

}  // namespace mer::@namespace@
