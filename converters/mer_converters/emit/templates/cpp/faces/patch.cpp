// @generated@
#include "patch.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mer::@namespace@ {
namespace {

// Pixels of 2 * count points along one axis, bounded before the change to whole numbers.
std::vector<std::size_t> places(double start, double length, std::size_t count, int limit) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < 2 * count; ++i) {
    const double place = start + (static_cast<double>(i) + 0.5) * (length / static_cast<double>(2 * count));
    found.push_back(static_cast<std::size_t>(std::clamp(place, 0.0, static_cast<double>(limit - 1))));
  }
  return found;
}

}  // namespace

Patch sampled(const Image& image, const Box& part, std::size_t rows, std::size_t columns) {
  const auto down = places(part.y, part.height, rows, image.height);
  const auto across = places(part.x, part.width, columns, image.width);
  Patch patch{rows, columns, std::vector<float>(rows * columns, 0.0f)};
  for (std::size_t y = 0; y < 2 * rows; ++y) {
    const std::uint8_t* line = image.rgb.data() + 3 * down[y] * static_cast<std::size_t>(image.width) + 1;
    for (std::size_t x = 0; x < 2 * columns; ++x) {
      patch.values[y / 2 * columns + x / 2] += 0.25f * static_cast<float>(line[3 * across[x]]);
    }
  }
  return patch;
}

Patch face_patch(const Image& image, const Box& box, std::size_t size, double margin) {
  const double side = std::max(box.width, box.height) * (1 + 2 * margin);
  const double x = box.x + box.width / 2, y = box.y + box.height / 2;
  return sampled(image, {x - side / 2, y - side / 2, side, side}, size, size);
}

std::vector<double> correlation(const Patch& small, const Patch& large) {
  const std::size_t size = small.rows, count = large.rows - size + 1;
  const double area = static_cast<double>(size * size);
  const double mean = std::accumulate(small.values.begin(), small.values.end(), 0.0) / area;
  std::vector<float> zero;
  double own = 0;
  for (const float value : small.values) {
    zero.push_back(static_cast<float>(value - mean));
    own += static_cast<double>(zero.back()) * zero.back();
  }
  // A flat picture correlates with nothing: two grey levels are less than a camera's noise.
  const double floor = 4.0 * area;
  std::vector<double> result;
  for (std::size_t top = 0; top < count; ++top) {
    for (std::size_t left = 0; left < count; ++left) {
      double cross = 0, sum = 0, squares = 0;
      for (std::size_t row = 0; row < size; ++row) {
        const float* line = large.values.data() + (top + row) * large.columns + left;
        float across = 0, along = 0, square = 0;
        for (std::size_t column = 0; column < size; ++column) {
          across += line[column] * zero[row * size + column];
          along += line[column];
          square += line[column] * line[column];
        }
        cross += across;
        sum += along;
        squares += square;
      }
      const double energy = std::max(squares - sum * sum / area, floor);
      result.push_back(cross / std::sqrt(energy * std::max(own, floor)));
    }
  }
  return result;
}

}  // namespace mer::@namespace@
