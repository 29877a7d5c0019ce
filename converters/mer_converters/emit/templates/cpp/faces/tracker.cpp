// @generated@
#include "tracker.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>
#include <stdexcept>

namespace mer::@namespace@ {
namespace {

// Boxes of two frames are one face above this overlap.
constexpr double kSameFace = 0.3;
// A face that is gone keeps its place this long, seconds.
constexpr double kTrackSeconds = 2.0;
// Side of a template, pixels; a face is searched for so many of them away in each direction.
constexpr std::size_t kTemplate = 24, kReach = 12, kScaleReach = 2;
// Correlation from which the tracker is sure.
constexpr double kSure = 0.75;
constexpr std::array<double, 2> kScales{0.92, 1.09};
// A scale other than the last must correlate better by this, so that boxes do not pulse.
constexpr double kScaleGain = 0.01;
// A face that correlates is given this many searches in a row that miss it.
constexpr int kMisses = 3;
// Of a face at the edge more lies outside than inside; a box many times as large as the frame is none.
constexpr double kLargestFace = 4.0;
// A cut: the picture, this small, correlates less with the one before, and differs by so many grey levels.
constexpr std::size_t kThumbRows = 18, kThumbColumns = 32;
constexpr double kCutCorrelation = 0.6, kCutLevels = 10.0;
// Time stamps are rounded: a search that is due within a millisecond is due.
constexpr double kRounded = 1e-3;

struct Found {
  double score;
  Box box;
};

// Whether a detector's box can be a face of the picture: finite, partly inside, and not many times as large.
bool is_in_frame(const Box& box, const Image& image) {
  if (!std::isfinite(box.x + box.y + box.width + box.height) || !(box.width > 0 && box.height > 0)) return false;
  const auto width = static_cast<double>(image.width), height = static_cast<double>(image.height);
  const bool small = std::max(box.width, box.height) <= kLargestFace * std::max(width, height);
  return small && box.x < width && box.y < height && box.x + box.width > 0 && box.y + box.height > 0;
}

// How far the top of a parabola through three values lies from the middle one, -0.5 to 0.5.
double peak(double left, double middle, double right) {
  const double bend = left - 2 * middle + right;
  return bend >= 0 ? 0 : std::clamp(0.5 * (left - right) / bend, -0.5, 0.5);
}

// The highest correlation within `reach` template pixels around a box, and where it is.
Found best(const Patch& face, const Image& image, const Box& box, std::size_t reach) {
  const double margin = static_cast<double>(reach) / static_cast<double>(kTemplate);
  const auto scores = correlation(face, face_patch(image, box, kTemplate + 2 * reach, margin));
  const std::size_t count = 2 * reach + 1;
  const auto top = static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
  const std::size_t row = top / count, column = top % count;
  const double pixel = std::max(box.width, box.height) / static_cast<double>(kTemplate);
  double down = static_cast<double>(row) - static_cast<double>(reach);
  double across = static_cast<double>(column) - static_cast<double>(reach);
  if (row > 0 && row + 1 < count) down += peak(scores[top - count], scores[top], scores[top + count]);
  if (column > 0 && column + 1 < count) across += peak(scores[top - 1], scores[top], scores[top + 1]);
  return {scores[top], {box.x + across * pixel, box.y + down * pixel, box.width, box.height}};
}

Box scaled(const Box& box, double scale) {
  const double width = box.width * scale, height = box.height * scale;
  return {box.x + (box.width - width) / 2, box.y + (box.height - height) / 2, width, height};
}

void place(Track& track, const Box& box, double time) {
  const double gap = time - track.time;
  if (gap > 0) {
    track.across = (box.x + box.width / 2 - track.box.x - track.box.width / 2) / gap;
    track.down = (box.y + box.height / 2 - track.box.y - track.box.height / 2) / gap;
  }
  track.box = box;
  track.time = time;
}

using Pairs = std::vector<std::pair<std::size_t, std::size_t>>;

// Exact; for few faces.
std::pair<double, Pairs> best_pairs(const std::vector<Track>& tracks, const std::vector<Box>& boxes, std::size_t index,
                                    std::set<std::size_t>& taken) {
  if (index == tracks.size()) return {0, {}};
  auto result = best_pairs(tracks, boxes, index + 1, taken);
  for (std::size_t number = 0; number < boxes.size(); ++number) {
    const double share = overlap(tracks[index].box, boxes[number]);
    if (share <= kSameFace || taken.contains(number)) continue;
    taken.insert(number);
    auto other = best_pairs(tracks, boxes, index + 1, taken);
    taken.erase(number);
    if (other.first + share > result.first) {
      other.first += share;
      other.second.emplace_back(index, number);
      result = std::move(other);
    }
  }
  return result;
}

}  // namespace

Pairs assign(const std::vector<Track>& tracks, const std::vector<Box>& boxes) {
  std::set<std::size_t> taken;
  return best_pairs(tracks, boxes, 0, taken).second;
}

FaceTracker::FaceTracker(FaceDetector detector, double detect_seconds, std::size_t most)
    : detector_(std::move(detector)), interval_(detect_seconds), most_(most) {
  if (!detector_ || !(detect_seconds >= 0) || most < 1) {
    throw std::invalid_argument("faces need a detector, 0 or more seconds between searches, and 1 face or more");
  }
}

void FaceTracker::reset() {
  tracks_.clear();
  next_ = searches_ = width_ = height_ = 0;
  searched_ = -std::numeric_limits<double>::infinity();
  thumbnail_ = {};
}

void FaceTracker::drop(int id) {
  std::erase_if(tracks_, [&](const Track& track) { return track.id == id; });
}

std::vector<Track> FaceTracker::follow(const Image& image, double time) {
  check_image(image);
  // In a picture of another size the places of the faces before say nothing.
  if (is_cut(image) || image.width != width_ || image.height != height_) tracks_.clear();
  width_ = image.width;
  height_ = image.height;
  std::erase_if(tracks_, [&](const Track& track) { return time - track.time > kTrackSeconds; });
  std::vector<int> sure;
  std::size_t live = 0;
  bool settled = true, missed = false;
  for (Track& track : tracks_) {
    if (track.lost) continue;
    ++live;
    settled = settled && track.found > 1 && track.misses == 0;
    missed = missed || track.misses > 0;
    if (move(track, image, time)) sure.push_back(track.id);
  }
  settled = settled && live > 0 && sure.size() == live;
  // The first search of a face is not repeated for its own sake where it is the only one.
  const bool alone = live == 1 && sure.size() == 1 && !missed;
  if (!(settled || alone) || time - searched_ > interval_ - kRounded) search(image, time, sure);
  std::vector<Track> shown, known;
  for (const Track& track : tracks_) {
    if (track.lost) continue;
    shown.push_back(track);
    if (track.found > 1) known.push_back(track);
  }
  if (!known.empty()) return known;
  if (shown.size() > 1) shown.resize(1, shown.front());
  return shown;
}

void FaceTracker::search(const Image& image, double time, const std::vector<int>& sure) {
  ++searches_;
  searched_ = time;
  std::vector<Box> boxes = detector_(image);
  std::erase_if(boxes, [&](const Box& box) { return !is_in_frame(box, image); });
  std::stable_sort(boxes.begin(), boxes.end(),
                   [](const Box& a, const Box& b) { return a.width * a.height > b.width * b.height; });
  if (boxes.size() > 2 * most_) boxes.resize(2 * most_, Box{});
  const auto pairs = assign(tracks_, boxes);
  std::set<std::size_t> taken;
  std::vector<Track> kept;
  for (std::size_t index = 0; index < tracks_.size(); ++index) {
    Track& track = tracks_[index];
    const auto pair = std::find_if(pairs.begin(), pairs.end(), [&](const auto& one) { return one.first == index; });
    if (pair != pairs.end()) {
      taken.insert(pair->second);
      place(track, boxes[pair->second], time);
      track.face = face_patch(image, track.box, kTemplate);
      ++track.found;
      track.misses = 0;
      track.lost = false;
    } else {
      ++track.misses;
      // What was found but once, beside others, was no face.
      if (track.found == 1 && tracks_.size() > 1) continue;
      const bool unsure = std::find(sure.begin(), sure.end(), track.id) == sure.end();
      track.lost = track.lost || unsure || track.misses >= kMisses;
    }
    kept.push_back(track);
  }
  tracks_ = std::move(kept);
  for (std::size_t number = 0; number < boxes.size(); ++number) {
    std::size_t shown = 0;
    bool known = taken.contains(number);
    for (const Track& track : tracks_) {
      if (track.lost) continue;
      ++shown;
      known = known || overlap(boxes[number], track.box) > kSameFace;
    }
    if (known || shown >= most_) continue;
    tracks_.push_back(Track{next_++, boxes[number], time, face_patch(image, boxes[number], kTemplate)});
  }
}

bool FaceTracker::move(Track& track, const Image& image, double time) const {
  const double most = 0.25 * std::max(track.box.width, track.box.height), gap = time - track.time;
  Box expected = track.box;
  expected.x += std::clamp(track.across * gap, -most, most);
  expected.y += std::clamp(track.down * gap, -most, most);
  Found found = best(track.face, image, expected, kReach);
  for (const double scale : kScales) {
    const Found other = best(track.face, image, scaled(found.box, scale), kScaleReach);
    if (other.score > found.score + kScaleGain) found = other;
  }
  if (found.score < kSure) return false;
  place(track, found.box, time);
  return true;
}

bool FaceTracker::is_cut(const Image& image) {
  const Box whole{0, 0, static_cast<double>(image.width), static_cast<double>(image.height)};
  const Patch before = std::move(thumbnail_);
  thumbnail_ = sampled(image, whole, kThumbRows, kThumbColumns);
  if (before.values.empty()) return false;
  const auto mean = [](const std::vector<float>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  };
  const double now = mean(thumbnail_.values), then = mean(before.values);
  double change = 0, both = 0, a = 0, b = 0;
  for (std::size_t i = 0; i < before.values.size(); ++i) {
    const double x = thumbnail_.values[i], y = before.values[i];
    change += std::abs(x - y);
    both += (x - now) * (y - then);
    a += (x - now) * (x - now);
    b += (y - then) * (y - then);
  }
  if (change / static_cast<double>(before.values.size()) < kCutLevels) return false;
  return both < kCutCorrelation * std::sqrt(a * b);
}

}  // namespace mer::@namespace@
