// @generated@
#include "stream.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace mer::@namespace@ {
namespace {

constexpr double kStep = kStepMs / 1000.0;
// A stream that lags by more than this is not waited for, seconds.
constexpr double kPatience = 2.0;
//#if face
// Time stamps are compared with this slack, seconds.
constexpr double kSlack = 1e-6;
// A picture lasts until the next one, for so long at most, seconds.
constexpr double kHeld = 10.0;

std::int64_t step_at(double seconds) { return static_cast<std::int64_t>(std::floor((seconds + kSlack) / kStep)); }
//#end

}  // namespace

EmotionStream::EmotionStream(const std::filesystem::path& bundle, StreamOptions options)
    : sensor(bundle, options.smoothing, options.threads)
//#if audio
      ,
      sound_(options.sample_rate, options.channels)
//#end
{
//#if audio
  if (options.speech) voice_.emplace(options.speech, options.voice);
//#end
//#if face
  if (options.detector) tracks_.emplace(std::move(options.detector), options.faces);
//#end
}
//#if audio

std::vector<std::vector<Estimate>> EmotionStream::push_audio(std::span<const float> pcm) {
  heard_ = true;
  for (SoundStep& step : sound_.push(pcm)) chunks_.push_back(std::move(step));
  return finished();
}
//#end
//#if face

std::vector<std::vector<Estimate>> EmotionStream::push_frame(const Image& image, double time) {
  check_image(image);
  if (!tracks_) throw std::invalid_argument("no face detector was given, which finds the faces of a frame");
  if (!std::isfinite(time) || time < video_time_ - kSlack) {
    throw std::invalid_argument("a frame must not come before the last one's time");
  }
  hold(step_at(time), time);
  // The last frame's end is guessed from the gap before it.
  video_end_ = time + (shown_ ? std::min(time - video_time_, kStep) : 0.0);
  video_time_ = time;
  shown_ = Frame{time, std::make_shared<const std::vector<std::uint8_t>>(image.rgb.begin(), image.rgb.end()),
                 image.width, image.height};
  if (step_at(time) >= done_) frames_[step_at(time)].push_back(*shown_);
  return finished();
}

void EmotionStream::hold(std::int64_t number, double until) {
  if (!shown_) return;
  const std::int64_t last = std::min(number, step_at(std::min(until, shown_->time + kHeld) - 2 * kSlack) + 1);
  for (std::int64_t place = std::max(done_, step_at(shown_->time) + 1); place < last; ++place) {
    Frame still = *shown_;
    still.time = static_cast<double>(place) * kStep;
    frames_[place] = {still};
  }
}
//#end

std::vector<std::vector<Estimate>> EmotionStream::flush() {
  std::int64_t end = 0;
//#if audio
  for (SoundStep& step : sound_.flush()) chunks_.push_back(std::move(step));
  end = sound_.made();
//#end
//#if face
  if (shown_) end = std::max(end, static_cast<std::int64_t>(video_end_ / kStep + 0.5));
  hold(step_at(video_end_) + 1, video_end_);
  if (!frames_.empty() && done_ == 0) end = std::max(end, done_ + 1);
//#end
  std::vector<std::vector<Estimate>> estimates;
  while (done_ < end) estimates.push_back(next());
  sensor.finish();
  return estimates;
}

bool EmotionStream::ready() const {
  const double end = static_cast<double>(done_ + 1) * kStep;
  double lead = 0;
  bool waits = false, all_lag = true;
//#if audio
  const double heard = static_cast<double>(sound_.made()) * kStep;
  lead = std::max(lead, heard - end);
//#end
//#if face
  lead = std::max(lead, video_time_ - end);
//#end
//#if audio
  const bool sound_lags = sound_.made() <= done_;
  waits = waits || (sound_lags && heard_ && lead <= kPatience);
  all_lag = all_lag && sound_lags;
//#end
//#if face
  const bool video_lags = video_time_ < end - kSlack;
  waits = waits || (video_lags && shown_ && lead <= kPatience);
  all_lag = all_lag && video_lags;
//#end
  return !waits && !all_lag;
}

std::vector<std::vector<Estimate>> EmotionStream::finished() {
  std::vector<std::vector<Estimate>> estimates;
  while (ready()) estimates.push_back(next());
  return estimates;
}

std::vector<Estimate> EmotionStream::next() {
  const std::int64_t number = done_++;
//#if audio
  std::optional<std::vector<float>> chunk;
  auto first = sound_.made() - static_cast<std::int64_t>(chunks_.size());
  for (; !chunks_.empty() && first <= number; ++first) {
    // What came too late is left out.
    if (first == number && chunks_.front().covered) chunk = std::move(chunks_.front().chunk);
    chunks_.pop_front();
  }
  std::optional<bool> speech;
  if (voice_ && chunk) speech = voice_->step(std::span(*chunk).last(std::min(kStepSamples, kChunkSamples)));
  if (voice_ && !chunk) voice_->gap(kStepSamples);
//#end
//#if face
  std::vector<TrackedFace> faces;
  const auto found = frames_.find(number);
  if (tracks_) tracks_->pass_time(static_cast<double>(number) * kStep);
  if (found != frames_.end()) {
    std::vector<std::pair<double, Image>> given;
    for (const Frame& frame : found->second) given.push_back({frame.time, {*frame.rgb, frame.width, frame.height}});
    faces = tracks_->look(given);
  }
  frames_.erase(frames_.begin(), frames_.upper_bound(number));
  std::vector<PersonCrop> crops;
  for (const TrackedFace& face : faces) crops.push_back({face.person, face.crop});
//#end
//#if audio
  hold_back(chunk, speech);
  const bool counts = chunk && speech != false;
  const std::span<const float> heard = counts ? std::span<const float>(*chunk) : std::span<const float>();
//#end
//#if face
//#if audio
  std::vector<Estimate> estimates = sensor.step(heard, crops);
//#else
  std::vector<Estimate> estimates = sensor.step(crops);
//#end
  for (std::size_t i = 0; i < faces.size(); ++i) {
    for (Estimate& estimate : estimates) {
      if (estimate.person == faces[i].person) estimate.face = faces[i].box;
    }
  }
//#else
  std::vector<Estimate> estimates{sensor.step(heard)};
//#end
//#if audio
  estimates.front().speech = speech;
//#end
  return estimates;
}
//#if audio

void EmotionStream::hold_back(const std::optional<std::vector<float>>& chunk, std::optional<bool> speech) {
  if (!voice_) return;
  // Sound of a stream's first steps counts once somebody speaks.
  if (speech == true && !before_speech_.empty()) sensor.windows.recall_sound(before_speech_);
  // Of the steps before this one those stay in the window that belong to the same utterance.
  const std::int64_t steps = voice_->fresh() / static_cast<std::int64_t>(kStepSamples) - 1;
  sensor.windows.begin_window(static_cast<std::size_t>(std::max<std::int64_t>(0, steps)));
  if (voice_->undecided()) {
    before_speech_.push_back(chunk ? sensor.hear(*chunk) : std::nullopt);
  } else {
    before_speech_.clear();
  }
}
//#end

}  // namespace mer::@namespace@
