// @generated@
#include "identity.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "patch.hpp"

namespace mer::@namespace@ {
namespace {

// The picture that is described, pixels, and cells in each direction. Smaller faces are not described.
constexpr std::size_t kPicture = 48, kInner = kPicture - 2, kCells = 6;
constexpr double kSmallestFace = 40;
// Two pictures of one person: similarity above this.
constexpr float kSamePerson = 0.69f;
// A view less similar than this to those that are kept is kept too; the oldest of so many goes.
constexpr float kNewView = 0.85f;
constexpr std::size_t kViews = 8;
// Persons remembered at a time; the one unseen for longest goes.
constexpr std::size_t kRemembered = 32;
constexpr std::size_t kPatterns = 59;

// Code of 8 bits -> its number among the 58 with at most two changes around the circle; 58 for all others.
constexpr std::array<std::uint8_t, 256> kUniform = [] {
  std::array<std::uint8_t, 256> numbers{};
  std::uint8_t next = 0;
  for (unsigned code = 0; code < 256; ++code) {
    const auto bits = static_cast<std::uint8_t>(code);
    numbers[code] = std::popcount(static_cast<std::uint8_t>(bits ^ std::rotl(bits, 1))) <= 2 ? next++ : kPatterns - 1;
  }
  return numbers;
}();

// The cell of each row or column: edges are rounded to the nearest whole number, halves to the even one.
std::array<std::size_t, kInner> cells() {
  std::array<std::size_t, kInner> found{};
  for (std::size_t edge = 1; edge < kCells; ++edge) {
    const auto begin = static_cast<std::size_t>(
        std::nearbyint(static_cast<double>(edge * kInner) / static_cast<double>(kCells)));
    for (std::size_t i = begin; i < kInner; ++i) found[i] = edge;
  }
  return found;
}

// A mean over 3 x 3 pixels (nine times it): patterns of single pixels are noise and compression.
Patch smoothed(const Patch& picture) {
  Patch smooth{kPicture, kPicture, std::vector<float>(kPicture * kPicture, 0.0f)};
  const auto edge = [](std::size_t i, std::size_t move) {
    return std::min(kPicture - 1, i + move > 0 ? i + move - 1 : 0);
  };
  for (std::size_t y = 0; y < kPicture; ++y) {
    for (std::size_t x = 0; x < kPicture; ++x) {
      float sum = 0;
      for (std::size_t down = 0; down < 3; ++down) {
        for (std::size_t right = 0; right < 3; ++right) sum += picture.at(edge(y, down), edge(x, right));
      }
      smooth.values[y * kPicture + x] = sum;
    }
  }
  return smooth;
}

float similarity(const FaceView& view, const std::deque<FaceView>& views) {
  float best = -INFINITY;
  for (const FaceView& other : views) {
    best = std::max(best, std::inner_product(view.begin(), view.end(), other.begin(), 0.0f));
  }
  return best;
}

}  // namespace

std::optional<FaceView> describe(const Image& image, const Box& box) {
  if (std::max(box.width, box.height) < kSmallestFace) return std::nullopt;
  static constexpr std::array<std::array<std::size_t, 2>, 8> kNeighbours{
      {{0, 0}, {0, 1}, {0, 2}, {1, 2}, {2, 2}, {2, 1}, {2, 0}, {1, 0}}};
  const Patch smooth = smoothed(face_patch(image, box, kPicture));
  const auto cell = cells();
  std::array<float, kCells * kCells> sizes{};
  FaceView view(kCells * kCells * kPatterns, 0.0f);
  for (std::size_t y = 0; y < kInner; ++y) {
    for (std::size_t x = 0; x < kInner; ++x) {
      unsigned code = 0;
      for (std::size_t bit = 0; bit < 8; ++bit) {
        const auto [down, right] = kNeighbours[bit];
        code |= static_cast<unsigned>(smooth.at(y + down, x + right) >= smooth.at(y + 1, x + 1)) << bit;
      }
      const std::size_t place = cell[y] * kCells + cell[x];
      view[place * kPatterns + kUniform[code]] += 1;
      sizes[place] += 1;
    }
  }
  for (std::size_t i = 0; i < view.size(); ++i) {
    view[i] = std::sqrt(view[i] / sizes[i / kPatterns]) / static_cast<float>(kCells);
  }
  return view;
}

int IdentityMemory::recognise(const std::optional<FaceView>& view, double time, const std::set<int>& present) {
  pass_time(time);
  float best = kSamePerson;
  std::optional<int> found;
  for (const auto& [id, person] : persons_) {
    if (!view || present.contains(id) || person.views.empty()) continue;
    const float similar = similarity(*view, person.views);
    if (similar > best) {
      best = similar;
      found = id;
    }
  }
  const int person = found ? *found : next_++;
  observe(person, view, time);
  return person;
}

void IdentityMemory::observe(int person, const std::optional<FaceView>& view, double time) {
  Person& one = persons_[person];
  one.time = time;
  if (view && (one.views.empty() || similarity(*view, one.views) < kNewView)) {
    one.views.push_back(*view);
    if (one.views.size() > kViews) one.views.pop_front();
  }
  if (persons_.size() > kRemembered) {
    persons_.erase(std::min_element(persons_.begin(), persons_.end(),
                                    [](const auto& a, const auto& b) { return a.second.time < b.second.time; }));
  }
}

void IdentityMemory::pass_time(double time) {
  std::erase_if(persons_, [&](const auto& one) { return time - one.second.time > remember_; });
}

void IdentityMemory::forget(int person) { persons_.erase(person); }

void IdentityMemory::reset() {
  persons_.clear();
  next_ = 0;
}

}  // namespace mer::@namespace@
