// @generated@
#include "stream.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace mer::@namespace@ {
namespace {

// A stream that lags by more than this is not waited for, seconds.
constexpr double kPatience = 2.0;
//#if face
constexpr double kSeconds = kStepMs / 1000.0;
//#end

}  // namespace

EmotionStream::EmotionStream(const std::filesystem::path& bundle, StreamOptions options)
    : sensor(bundle, options.smoothing, options.threads)
//#if audio
      ,
      alignment_(options.sample_rate, options.channels)
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

std::vector<std::vector<Estimate>> EmotionStream::push_audio(std::span<const float> pcm, std::optional<double> time) {
  alignment_.add_sound(pcm, time);
  return finished();
}
//#end
//#if face

std::vector<std::vector<Estimate>> EmotionStream::push_frame(const Image& image, double time) {
  check_image(image);
  if (!tracks_) throw std::invalid_argument("no face detector was given, which finds the faces of a frame");
  auto rgb = std::make_shared<const std::vector<std::uint8_t>>(image.rgb.begin(), image.rgb.end());
  alignment_.add_frame({time, std::move(rgb), image.width, image.height});
  return finished();
}
//#end

std::vector<std::vector<Estimate>> EmotionStream::flush() {
  const std::int64_t end = alignment_.end();
  std::vector<std::vector<Estimate>> estimates;
  while (alignment_.done() < end) next(estimates);
  sensor.finish();
  return estimates;
}

std::vector<std::vector<Estimate>> EmotionStream::finished() {
  std::vector<std::vector<Estimate>> estimates;
  while (alignment_.ready(kPatience)) next(estimates);
  return estimates;
}

void EmotionStream::next(std::vector<std::vector<Estimate>>& estimates) {
  const std::int64_t due = alignment_.done();
  alignment_.skip_empty(static_cast<std::int64_t>(kWindowSteps));
  if (alignment_.done() == due) {
    estimates.push_back(estimate(alignment_.take()));
  } else {
    skip(alignment_.done() - due);
  }
}

void EmotionStream::skip(std::int64_t steps) {
//#if audio
  if (voice_) {
    const auto most = static_cast<std::size_t>(std::min(steps, static_cast<std::int64_t>(kWindowSteps)));
    if (voice_->undecided()) before_speech_.insert(before_speech_.end(), most, std::nullopt);
    voice_->gap(static_cast<std::size_t>(steps) * kStepSamples);
  }
//#end
  sensor.skip(steps);
}

std::vector<Estimate> EmotionStream::estimate(StepInput given) {
//#if audio
  const std::optional<std::vector<float>>& chunk = given.chunk;
  std::optional<bool> speech;
  if (voice_ && chunk) speech = voice_->step(std::span(*chunk).last(std::min(kStepSamples, kChunkSamples)));
  if (voice_ && !chunk) voice_->gap(kStepSamples);
//#end
//#if face
  std::vector<TrackedFace> faces;
  if (tracks_) tracks_->pass_time(static_cast<double>(given.number) * kSeconds);
  if (tracks_ && !given.frames.empty()) {
    std::vector<std::pair<double, Image>> frames;
    for (const TimedFrame& one : given.frames) frames.push_back({one.time, {*one.rgb, one.width, one.height}});
//#if audio
    faces = tracks_->look(frames, chunk ? std::span<const float>(*chunk) : std::span<const float>());
//#else
    faces = tracks_->look(frames);
//#end
  }
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
