// @generated@
#include "tracks.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>

#include "crop.hpp"

namespace mer::@namespace@ {
namespace {

// A step looks at its last frame; at earlier ones, up to so many in all, where that one is dark or lost the face.
constexpr std::size_t kFramesTried = 3, kMostFaces = 8;
// To hear who speaks, at least this many faces are followed, however few are asked for.
constexpr std::size_t kWatched = 4;
// Hz, of the sound of a step; what is before so many seconds belongs to no frame of it.
constexpr double kSoundRate = 16000, kLongestSound = 0.5;

// Every eighth pixel is enough: what this lets through, the crop refuses.
bool is_dark(const Image& image) {
  const auto width = static_cast<std::size_t>(image.width), height = static_cast<std::size_t>(image.height);
  for (std::size_t y = 0; y < height; y += 8) {
    for (std::size_t x = 0; x < width; x += 8) {
      const std::uint8_t* pixel = image.rgb.data() + 3 * (y * width + x);
      if (std::max({pixel[0], pixel[1], pixel[2]}) > kBlackLevel) return false;
    }
  }
  return true;
}

}  // namespace

std::vector<std::size_t> looked_at(std::size_t count) {
  const std::size_t tried = std::min(kFramesTried, count);
  std::vector<std::size_t> picks;
  for (std::size_t i = 0; i < tried; ++i) {
    const double share = tried == 1 ? 0 : static_cast<double>(i) / static_cast<double>(tried - 1);
    // Halves go to the even number.
    const auto pick = static_cast<std::size_t>(std::nearbyint(share * static_cast<double>(count - 1)));
    if (picks.empty() || picks.back() != pick) picks.push_back(pick);
  }
  return picks;
}

FaceTracks::FaceTracks(FaceDetector detector, FaceOptions options)
    : options_(options),
      tracker_(std::move(detector), options.detect_seconds,
               options.prefer_speaking ? std::max(options.faces, kWatched) : options.faces),
      memory_(options.remember_seconds) {
  const bool enough = options.faces >= 1 && options.faces <= kMostFaces;
  const bool searched = options.detect_seconds >= 0 && options.detect_seconds <= 10;
  if (!enough || !searched || !(options.remember_seconds >= 0) || !std::isfinite(options.remember_seconds)) {
    throw std::invalid_argument("allowed are 1 to 8 faces, a search in 0 to 10 s, and 0 s or more to remember");
  }
}

void FaceTracks::reset() {
  tracker_.reset();
  memory_.reset();
  speaking_.reset();
  known_.clear();
  watched_.reset();
}

void FaceTracks::forget(int person) {
  std::vector<int> gone;
  for (const auto& [track, known] : known_) {
    if (known.person == person) gone.push_back(track);
  }
  for (const int track : gone) drop(track);
  memory_.forget(person);
}

void FaceTracks::drop(int track) {
  tracker_.drop(track);
  const auto found = known_.find(track);
  if (found == known_.end()) return;
  speaking_.forget(found->second.person);
  known_.erase(found);
}

std::vector<TrackedFace> FaceTracks::look(const std::vector<std::pair<double, Image>>& frames,
                                          std::span<const float> sound) {
  const bool followed = std::any_of(tracker_.tracks().begin(), tracker_.tracks().end(),
                                    [](const Track& track) { return !track.lost; });
  std::vector<Track> seen;
  double time = 0;
  Image image{};
  std::size_t last = 0;
  const auto picks = looked_at(frames.size());
  for (auto pick = picks.rbegin(); pick != picks.rend(); ++pick) {
    last = *pick;
    std::tie(time, image) = std::tie(frames[last].first, frames[last].second);
    check_image(image);
    if (is_dark(image)) continue;
    seen = tracker_.follow(image, time);
    // Where nobody was, one frame a step is enough to find who comes.
    if (!seen.empty() || !followed) break;
  }
  std::set<int> alive;
  for (const Track& track : tracker_.tracks()) alive.insert(track.id);
  std::vector<int> gone;
  for (const auto& [track, known] : known_) {
    if (!alive.contains(track)) gone.push_back(track);
  }
  for (const int track : gone) drop(track);
  for (const Track& track : seen) recognise(track, image, time, seen);

  std::vector<std::pair<int, Box>> boxes;
  for (const Track& track : seen) boxes.emplace_back(known_.at(track.id).person, track.box);
  if (options_.prefer_speaking && boxes.size() > 1) listen(std::span(frames).first(last + 1), boxes, sound);
  const auto preferred = speaking_.prefer(boxes, time);
  std::stable_partition(boxes.begin(), boxes.end(), [&](const auto& one) { return one.first == preferred; });
  std::vector<TrackedFace> faces;
  for (const auto& [person, box] : boxes) {
    if (auto crop = crop_face(image, box)) faces.push_back({person, box, std::move(*crop)});
  }
  while (faces.size() > options_.faces) faces.pop_back();
  return faces;
}

// Compares mouths with the sound in the step's middle and last frame; with one frame alone in that.
void FaceTracks::listen(std::span<const std::pair<double, Image>> frames,
                        const std::vector<std::pair<int, Box>>& boxes, std::span<const float> sound) {
  const auto picks = looked_at(frames.size());
  const double end = frames.back().first;
  for (std::size_t place = picks.size() > 2 ? picks.size() - 2 : 0; place < picks.size(); ++place) {
    const auto& [time, image] = frames[picks[place]];
    check_image(image);
    std::optional<double> level;
    if (!sound.empty() && watched_) {
      // Samples are counted from the end, which is at most a frame after the last one's time.
      const auto count = static_cast<long>(sound.size());
      const long stop = std::max(0L, count - std::lrint((end - time) * kSoundRate));
      const long start = stop - std::lrint(std::min(time - *watched_, kLongestSound) * kSoundRate);
      const long from = std::clamp(start, 0L, stop);
      level = sound_level(sound.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(stop - from)));
    }
    speaking_.watch(image, boxes, time, level);
    watched_ = time;
  }
}

void FaceTracks::recognise(const Track& track, const Image& image, double time, const std::vector<Track>& seen) {
  const auto known = known_.find(track.id);
  if (known != known_.end()) {
    const bool fresh = known->second.described != track.found;
    memory_.observe(known->second.person, fresh ? describe(image, track.box) : std::nullopt, time);
    known->second.described = track.found;
    return;
  }
  std::set<int> present;
  for (const Track& one : seen) {
    if (known_.contains(one.id)) present.insert(known_.at(one.id).person);
  }
  const int person = memory_.recognise(describe(image, track.box), time, present);
  // Who is found elsewhere is no longer waited for where the face was lost.
  std::vector<int> others;
  for (const auto& [other, one] : known_) {
    if (one.person == person) others.push_back(other);
  }
  for (const int other : others) drop(other);
  known_[track.id] = {person, track.found};
}

}  // namespace mer::@namespace@
