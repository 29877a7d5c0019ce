// @generated@
#include "face_finder.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace mer::@namespace@ {

Letterboxed letterboxed(const Image& image) {
  check_image(image);
  const double scale = std::min(static_cast<double>(kInputHeight) / image.height,
                                static_cast<double>(kInputWidth) / image.width);
  const int rows = std::max(1, static_cast<int>(std::floor(image.height * scale + 0.5)));
  const int columns = std::max(1, static_cast<int>(std::floor(image.width * scale + 0.5)));
  const int down = std::max(1, image.height / (2 * rows)), across = std::max(1, image.width / (2 * columns));
  const auto picture =
      resized(image, 0, 0, image.width / across, image.height / down, columns, rows, across, down);
  Letterboxed made{std::vector<float>(std::size_t{3} * kInputHeight * kInputWidth, 0.0f), scale};
  const std::ptrdiff_t line = std::ptrdiff_t{3} * columns;
  for (int row = 0; row < rows; ++row) {
    std::copy_n(picture.begin() + row * line, line, made.input.begin() + std::ptrdiff_t{3} * kInputWidth * row);
  }
  return made;
}

std::vector<Detection> detections(std::span<const float> scores, std::span<const float> boxes, double scale) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] > kThreshold) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  const std::array<float, 2> extent{static_cast<float>(kInputWidth) / static_cast<float>(scale),
                                    static_cast<float>(kInputHeight) / static_cast<float>(scale)};
  std::vector<Detection> kept;
  for (const std::size_t i : order) {
    const auto side = [&](std::size_t place) { return static_cast<double>(boxes[4 * i + place] * extent[place % 2]); };
    const Box box{side(0), side(1), side(2), side(3)};
    const bool hidden = std::any_of(kept.begin(), kept.end(),
                                    [&](const Detection& other) { return overlap(box, other.box) > kOverlap; });
    if (!hidden) kept.push_back({box, scores[i]});
  }
  return kept;
}

FaceFinder::FaceFinder(const std::filesystem::path& bundle, int threads)
    : graph_(load_graph(bundle, kFinderGraph, threads)) {}

std::vector<std::vector<float>> FaceFinder::run(const Letterboxed& given) { return graph_->run({given.input}); }

std::vector<Detection> FaceFinder::find(const Image& image) {
  const Letterboxed given = letterboxed(image);
  const auto outputs = run(given);
  return detections(outputs[kScoresOutput], outputs[kBoxesOutput], given.scale);
}

}  // namespace mer::@namespace@
