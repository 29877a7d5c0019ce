// @generated@
#include "alignment.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <stdexcept>
//#if face

#include "../faces/tracks.hpp"
//#end

namespace mer::@namespace@ {
namespace {

constexpr double kStep = kStepMs / 1000.0, kWindow = static_cast<double>(kWindowSteps) * kStep;
// Time stamps are compared with this slack, seconds.
constexpr double kSlack = 1e-6;
//#if face
// A picture lasts until the next one, for so long at most, seconds.
constexpr double kHeld = 10.0;

// Those of a step's frames that may be looked at; the others need not be kept.
std::vector<TimedFrame> kept(const std::vector<TimedFrame>& frames) {
  std::vector<TimedFrame> found;
  for (const std::size_t pick : looked_at(frames.size())) found.push_back(frames[pick]);
  return found;
}
//#end

std::int64_t step_at(double seconds) { return static_cast<std::int64_t>(std::floor((seconds + kSlack) / kStep)); }

void check_time(double time) {
  // More are milliseconds, microseconds or nanoseconds of a clock, and no arithmetic of steps holds them.
  constexpr double kLatest = 1e11;
  if (!std::isfinite(time) || std::abs(time) > kLatest) {
    throw std::invalid_argument("a time stamp must be a number of seconds; divide nanoseconds by 1e9");
  }
}

}  // namespace
//#if audio

StreamAlignment::StreamAlignment(int sample_rate, int channels)
    : rate_(sample_rate), channels_(channels), sound_(sample_rate, channels) {}

double StreamAlignment::sound_time() const { return static_cast<double>(sound_base_) * kStep + sound_.time(); }

void StreamAlignment::add_sound(std::span<const float> pcm, std::optional<double> time) {
  // What is refused changes nothing.
  check_open();
  check_sound(pcm);
  if (time) {
    check_time(*time);
    begin_with(*time);
  }
  // What was missed is over.
  if (!time && static_cast<double>(done_) * kStep - sound_time() > kWindow) time = static_cast<double>(done_) * kStep;
  if (time && *time - sound_time() > kWindow) restart_sound(*time);
  const double base = static_cast<double>(sound_base_) * kStep;
  if (time && sound_.time() <= 0 && base - *time > kWindow) {
    throw std::invalid_argument("the stream began later than this sound: stamp sound and pictures by one clock");
  }
  queue(sound_.push(pcm, time ? std::optional(*time - base) : std::nullopt));
  began_ = heard_ = true;
}

void StreamAlignment::restart_sound(double time) {
  queue(sound_.flush());
  sound_ = SoundSteps(rate_, channels_);
  sound_made_ = std::max(sound_made_, step_at(time));
  sound_base_ = sound_made_;
}

void StreamAlignment::queue(std::vector<SoundStep> steps) {
  for (SoundStep& step : steps) {
    if (sound_made_ >= done_) sounds_.push_back({sound_made_, std::move(step)});
    ++sound_made_;
  }
}
//#end
//#if face

void StreamAlignment::add_frame(TimedFrame frame) {
  const double time = frame.time;
  check_open();
  check_time(time);
  if (time < video_time_ - kSlack) throw std::invalid_argument("a frame must not come before the last one's time");
  begin_with(time);
  hold(step_at(time), time);
  const std::int64_t number = step_at(time), last = step_at(video_time_);
  if (const auto those = frames_.find(last); number > last && those != frames_.end()) {
    those->second = kept(those->second);
  }
  // The last frame's end is guessed from the gap before it.
  video_end_ = time + (held_ ? std::min(time - video_time_, kStep) : 0.0);
  video_time_ = time;
  held_ = frame;
  if (number >= done_) frames_[number].push_back(std::move(frame));
}

void StreamAlignment::hold(std::int64_t number, double until) {
  if (!held_) return;
  const std::int64_t last = std::min(number, step_at(std::min(until, held_->time + kHeld) - 2 * kSlack) + 1);
  for (std::int64_t place = std::max(done_, step_at(held_->time) + 1); place < last; ++place) {
    TimedFrame still = *held_;
    still.time = static_cast<double>(place) * kStep;
    frames_[place] = {still};
  }
}
//#end

void StreamAlignment::begin_with(double time) {
  // Where this is the first stamp, and far from 0, begin there.
  if (!began_ && time > kWindow) {
    first_ = done_ = step_at(time);
//#if audio
    sound_base_ = sound_made_ = done_;
//#end
//#if face
    video_time_ = static_cast<double>(done_) * kStep;
//#end
  }
  began_ = true;
}

bool StreamAlignment::ready(double patience) const {
  const double end = static_cast<double>(done_ + 1) * kStep;
  bool waits = false, all_lag = true;
  // By how much the stream that is ahead has passed the step's end.
  double lead = -end;
//#if audio
  lead = std::max(lead, static_cast<double>(sound_made_) * kStep - end);
//#end
//#if face
  lead = std::max(lead, video_time_ - end);
//#end
//#if audio
  const bool sound_lags = sound_made_ <= done_;
  waits = waits || (sound_lags && heard_ && lead <= patience);
  all_lag = all_lag && sound_lags;
//#end
//#if face
  // A frame at the very end belongs to the next step, so it also proves that this step is over.
  const bool video_lags = video_time_ < end - kSlack;
  waits = waits || (video_lags && held_ && lead <= patience);
  all_lag = all_lag && video_lags;
//#end
  return !waits && !all_lag;
}

StepInput StreamAlignment::take() {
  StepInput given{};
  given.number = done_++;
//#if audio
  while (!sounds_.empty() && sounds_.front().number <= given.number) {
    // What came too late is left out.
    Sound& sound = sounds_.front();
    if (sound.number == given.number && sound.step.covered) given.chunk = std::move(sound.step.chunk);
    sounds_.pop_front();
  }
//#end
//#if face
  if (const auto found = frames_.find(given.number); found != frames_.end()) given.frames = kept(found->second);
  frames_.erase(given.number);
//#end
  return given;
}

void StreamAlignment::skip_empty(std::int64_t least) {
  std::vector<std::int64_t> starts;
//#if audio
  if (!sounds_.empty()) starts.push_back(sounds_.front().number);
//#end
//#if face
  if (!frames_.empty()) starts.push_back(frames_.begin()->first);
//#end
  if (starts.empty()) {
//#if audio
    if (sound_made_ > done_) starts.push_back(sound_made_);
//#end
//#if face
    if (video_time_ >= static_cast<double>(done_ + 1) * kStep - kSlack) starts.push_back(step_at(video_time_));
//#end
  }
  if (starts.empty()) return;
  const std::int64_t start = *std::min_element(starts.begin(), starts.end());
  if (start - done_ > least) done_ = start;
}

void StreamAlignment::check_open() const {
  if (ended_) throw std::invalid_argument("the stream was ended by flush(); make another one");
}

std::int64_t StreamAlignment::end() {
  ended_ = true;
  std::int64_t last = 0;
//#if audio
  queue(sound_.flush());
  last = sound_made_;
//#end
//#if face
  if (held_) last = std::max(last, static_cast<std::int64_t>(video_end_ / kStep + 0.5));
  hold(step_at(video_end_) + 1, video_end_);
  if (!frames_.empty() && done_ == first_) last = std::max(last, done_ + 1);
//#end
  return last;
}

}  // namespace mer::@namespace@
