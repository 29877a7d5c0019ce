// @generated@
#include "speaker.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mer::@namespace@ {
namespace {

constexpr double kWindowSeconds = 2.0;
// Side of the grey pictures, and by how much two may be shifted against each other, pixels.
constexpr std::size_t kSide = 32, kShift = 4;
// In a frontal detector's box: the mouth, and what moves with the head alone, of the picture.
struct Part {
  std::size_t top, bottom, left, right;
};
constexpr Part kMouth{21, 31, 9, 23}, kRest{7, 20, 7, 25};
// Change that a camera's noise makes, in standard deviations of the face.
constexpr double kNoise = 0.02;
// The sound's level counts between these, dB re full scale.
constexpr double kQuiet = -60.0, kLoud = -20.0, kActivity = 0.5;
// Another face is preferred when its score is ahead by this factor, and by this much, for so many seconds.
constexpr double kLeadFactor = 1.3, kLead = 0.1, kLeadSeconds = 0.5;
constexpr std::size_t kLeast = 4;

Patch part(const Patch& patch, std::size_t top, std::size_t left) {
  Patch found{kSide, kSide, {}};
  for (std::size_t row = 0; row < kSide; ++row) {
    const auto line = patch.values.begin() + static_cast<std::ptrdiff_t>((top + row) * patch.columns + left);
    found.values.insert(found.values.end(), line, line + static_cast<std::ptrdiff_t>(kSide));
  }
  return found;
}

double mean(const Patch& patch) {
  return std::accumulate(patch.values.begin(), patch.values.end(), 0.0) / static_cast<double>(patch.values.size());
}

// Logarithm of how much more the mouth's region changed than eyes and nose; 0 for a face at rest.
double motion(const Patch& before, const Patch& now) {
  const double old = mean(before), fresh = mean(now);
  double squares = 0;
  for (const float value : before.values) squares += (value - old) * (value - old);
  const double spread = std::max(std::sqrt(squares / static_cast<double>(before.values.size())), 2.0);
  const auto change = [&](const Part& one) {
    double sum = 0;
    for (std::size_t row = one.top; row < one.bottom; ++row) {
      for (std::size_t column = one.left; column < one.right; ++column) {
        sum += std::abs((now.at(row, column) - fresh) - (before.at(row, column) - old)) / spread;
      }
    }
    return sum / static_cast<double>((one.bottom - one.top) * (one.right - one.left));
  };
  return std::log((change(kMouth) + kNoise) / (change(kRest) + kNoise));
}

}  // namespace

void ActiveSpeaker::reset() {
  faces_.clear();
  preferred_.reset();
  ahead_.reset();
}

void ActiveSpeaker::forget(int person) {
  faces_.erase(person);
  if (preferred_ == person) preferred_.reset();
}

void ActiveSpeaker::watch(const Image& image, const std::vector<std::pair<int, Box>>& boxes, double time,
                          std::optional<double> level) {
  std::erase_if(faces_, [&](const auto& one) { return time - one.second.time > kWindowSeconds; });
  for (const auto& [person, box] : boxes) {
    const Patch wide = face_patch(image, box, kSide + 2 * kShift, static_cast<double>(kShift) / kSide);
    const auto known = faces_.find(person);
    if (known == faces_.end()) {
      faces_[person] = {part(wide, kShift, kShift), time, {}};
      continue;
    }
    Face& face = known->second;
    const auto scores = correlation(face.picture, wide);
    const auto best = static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
    const std::size_t places = 2 * kShift + 1;
    if (level) {
      const double moved = motion(face.picture, part(wide, best / places, best % places));
      face.timeline.push_back({time, moved, *level});
    }
    while (!face.timeline.empty() && time - face.timeline.front().time > kWindowSeconds) face.timeline.pop_front();
    face.picture = part(wide, kShift, kShift);
    face.time = time;
  }
}

double ActiveSpeaker::score(int person) const {
  const auto known = faces_.find(person);
  if (known == faces_.end() || known->second.timeline.size() < kLeast) return 0;
  const auto& timeline = known->second.timeline;
  const auto count = static_cast<double>(timeline.size());
  double motions = 0, levels = 0, loudest = 0, active = 0;
  for (const Moment& one : timeline) {
    motions += one.motion;
    levels += one.level;
    loudest = std::max(loudest, one.level);
    active += one.motion * one.level;
  }
  if (loudest <= 0) return 0;
  double squares = 0, together = 0;
  for (const Moment& one : timeline) {
    const double louder = one.level - levels / count;
    squares += louder * louder;
    together += (one.motion - motions / count) * louder;
  }
  return together / count / std::max(std::sqrt(squares / count), 0.1) + kActivity * active / levels;
}

std::optional<int> ActiveSpeaker::prefer(const std::vector<std::pair<int, Box>>& boxes, double time) {
  if (boxes.empty()) return std::nullopt;
  if (std::none_of(boxes.begin(), boxes.end(), [&](const auto& one) { return preferred_ == one.first; })) {
    ahead_.reset();
    preferred_ = std::max_element(boxes.begin(), boxes.end(), [](const auto& a, const auto& b) {
                   return a.second.width * a.second.height < b.second.width * b.second.height;
                 })->first;
  }
  const int best = std::max_element(boxes.begin(), boxes.end(), [&](const auto& a, const auto& b) {
                     return score(a.first) < score(b.first);
                   })->first;
  if (best == *preferred_ || score(best) < std::max(score(*preferred_), 0.0) * kLeadFactor + kLead) {
    ahead_.reset();
  } else if (!ahead_ || ahead_->first != best) {
    ahead_ = {best, time};
  } else if (time - ahead_->second > kLeadSeconds - 1e-3) {
    preferred_ = best;
    ahead_.reset();
  }
  return preferred_;
}

std::optional<double> sound_level(std::span<const float> samples) {
  if (samples.empty()) return std::nullopt;
  double power = 0;
  for (const float value : samples) power += static_cast<double>(value) * value;
  const double decibels = 10.0 * std::log10(power / static_cast<double>(samples.size()) + 1e-12);
  return std::clamp((decibels - kQuiet) / (kLoud - kQuiet), 0.0, 1.0);
}

}  // namespace mer::@namespace@
