// @generated@
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "../contract.hpp"
//#if face
#include "../faces/picture.hpp"
//#end
//#if audio
#include "../sound/steps.hpp"
//#end

namespace mer::@namespace@ {
//#if face

/// A frame of a stream, which it keeps.
struct TimedFrame {
  double time;
  std::shared_ptr<const std::vector<std::uint8_t>> rgb;
  int width, height;
};
//#end

/// What one step reads: its sound where it is there, and the frames that may be searched for a face.
struct StepInput {
  std::int64_t number;
//#if audio
  std::optional<std::vector<float>> chunk;
//#end
//#if face
  std::vector<TimedFrame> frames;
//#end
};

/// Cuts two streams into steps. A step is over once every stream that began has passed its end. Time counts from 0 or,
/// where the first stamp is over a window later, from the step of that stamp: any clock will do. Sound that goes on
/// after a gap of over a window begins anew.
class StreamAlignment {
 public:
//#if audio
  /// @throws std::invalid_argument see `SoundSteps`.
  StreamAlignment(int sample_rate, int channels);
  /// Takes interleaved sound. @param time seconds at its first sample; without it sound goes on where it ended.
  /// @throws std::invalid_argument a time that is not finite, or that was given already.
  void add_sound(std::span<const float> pcm, std::optional<double> time = std::nullopt);
//#end
//#if face
  /// Takes a frame, in order of time. It is shown until the next one, for 10 s at most.
  /// @throws std::invalid_argument a time that is not finite, or before the last frame's.
  void add_frame(TimedFrame frame);
//#end
  /// Whether the next step is over. @param patience seconds by which a stream may lag behind the other.
  bool ready(double patience) const;
  /// The next step, with what is there of it.
  StepInput take();
  /// Goes on to the first step that can hold anything, if over `least` before it cannot.
  void skip_empty(std::int64_t least);
  /// Ends the streams: the number of steps that there are in all. `take` gives those still due.
  std::int64_t end();
  /// Steps that were taken, or passed over.
  std::int64_t done() const { return done_; }

 private:
  void begin_with(double time);
  void check_open() const;
//#if audio
  struct Sound {
    std::int64_t number;
    SoundStep step;
  };
  double sound_time() const;
  void restart_sound(double time);
  void queue(std::vector<SoundStep> steps);

  int rate_, channels_;
  SoundSteps sound_;
  // The step at which the present sound began, the steps of sound that are complete, and those not taken yet.
  std::int64_t sound_base_ = 0, sound_made_ = 0;
  std::deque<Sound> sounds_;
  bool heard_ = false;
//#end
//#if face
  // Shows the present picture up to `until` in the steps before `number`, which have none of their own.
  void hold(std::int64_t number, double until);

  std::map<std::int64_t, std::vector<TimedFrame>> frames_;
  std::optional<TimedFrame> held_;
  double video_time_ = 0, video_end_ = 0;
//#end
  std::int64_t done_ = 0, first_ = 0;
  bool began_ = false, ended_ = false;
};

}  // namespace mer::@namespace@
