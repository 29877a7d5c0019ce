// @generated@
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "sensor.hpp"
//#if face
#include "faces/tracks.hpp"
//#end
//#if audio
#include "sound/steps.hpp"
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

/// Sound and frames in, estimates out: the whole pipeline. Sound and frames have one clock, from 0, and each come in
/// order. A step is over once every stream that began has passed its end, or one lags by more than 2 s.
class EmotionStream {
 public:
  /// @throws std::runtime_error, std::invalid_argument see `Sensor`, and options outside their ranges.
  EmotionStream(const std::filesystem::path& bundle, StreamOptions options);
//#if audio
  /// Takes interleaved sound, -1 to 1, that goes on where the last piece ended.
  /// @return the estimates of the steps that it finishes: of each step the first person's, then those of the others.
  std::vector<std::vector<Estimate>> push_audio(std::span<const float> pcm);
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
  bool ready() const;
  std::vector<std::vector<Estimate>> finished();
  std::vector<Estimate> next();
//#if audio
  void hold_back(const std::optional<std::vector<float>>& chunk, std::optional<bool> speech);

  SoundSteps sound_;
  std::deque<SoundStep> chunks_;
  std::optional<VoiceActivity> voice_;
  std::vector<Features> before_speech_;
  bool heard_ = false;
//#end
//#if face
  struct Frame {
    double time;
    std::shared_ptr<const std::vector<std::uint8_t>> rgb;
    int width, height;
  };
  // Shows the present picture up to `until` in the steps before `number`, which have none of their own.
  void hold(std::int64_t number, double until);

  std::optional<FaceTracks> tracks_;
  std::map<std::int64_t, std::vector<Frame>> frames_;
  std::optional<Frame> shown_;
  double video_time_ = 0, video_end_ = 0;
//#end
  std::int64_t done_ = 0;
};

}  // namespace mer::@namespace@
