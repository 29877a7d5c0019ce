// @generated@
#include "picture.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace mer::@namespace@ {
namespace {

struct Taps {
  int start;
  std::vector<float> weights;
};

// The filter from `source` to `target` pixels.
std::vector<Taps> triangle(int source, int target) {
  const double scale = static_cast<double>(source) / target;
  const double support = std::max(1.0, scale);
  std::vector<Taps> taps;
  for (int index = 0; index < target; ++index) {
    const double centre = (index + 0.5) * scale;
    const int start = std::max(0, static_cast<int>(std::floor(centre - support + 0.5)));
    const int stop = std::min(source, static_cast<int>(std::floor(centre + support + 0.5)));
    std::vector<double> raw;
    double sum = 0;
    for (int pixel = start; pixel < stop; ++pixel) {
      raw.push_back(std::max(0.0, 1 - std::abs((pixel + 0.5 - centre) / support)));
      sum += raw.back();
    }
    Taps tap{start, {}};
    for (double weight : raw) tap.weights.push_back(static_cast<float>(weight / sum));
    taps.push_back(std::move(tap));
  }
  return taps;
}

}  // namespace

void check_image(const Image& image) {
  if (image.width < 1 || image.height < 1 ||
      image.rgb.size() != static_cast<std::size_t>(3) * static_cast<std::size_t>(image.width) *
                              static_cast<std::size_t>(image.height)) {
    throw std::invalid_argument("a frame needs 3 bytes for each of its width x height pixels");
  }
}

double overlap(const Box& a, const Box& b) {
  const double width = std::min(a.x + a.width, b.x + b.width) - std::max(a.x, b.x);
  const double height = std::min(a.y + a.height, b.y + b.height) - std::max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  return width * height / (a.width * a.height + b.width * b.height - width * height);
}

std::vector<float> resized(const Image& image, int left, int top, int width, int height, int columns, int rows,
                           int across, int down) {
  const auto horizontal = triangle(width, columns), vertical = triangle(height, rows);
  const auto line = static_cast<std::size_t>(columns) * 3;
  // Where each pixel of a line lies; pixels outside the frame repeat the nearest edge pixel.
  std::vector<std::size_t> places;
  for (int x = 0; x < width; ++x) {
    places.push_back(3 * static_cast<std::size_t>(std::clamp(left + across / 2 + across * x, 0, image.width - 1)));
  }
  // Columns first.
  std::vector<float> narrow(static_cast<std::size_t>(height) * line, 0.0f);
  for (int y = 0; y < height; ++y) {
    const auto row = static_cast<std::size_t>(std::clamp(top + down / 2 + down * y, 0, image.height - 1));
    const std::uint8_t* pixels = image.rgb.data() + 3 * row * static_cast<std::size_t>(image.width);
    float* made = narrow.data() + static_cast<std::size_t>(y) * line;
    for (const Taps& taps : horizontal) {
      const std::size_t* place = places.data() + taps.start;
      for (std::size_t tap = 0; tap < taps.weights.size(); ++tap) {
        for (std::size_t channel = 0; channel < 3; ++channel) {
          made[channel] += taps.weights[tap] * static_cast<float>(pixels[place[tap] + channel]);
        }
      }
      made += 3;
    }
  }
  std::vector<float> result(static_cast<std::size_t>(rows) * line, 0.0f);
  for (std::size_t y = 0; y < vertical.size(); ++y) {
    for (std::size_t tap = 0; tap < vertical[y].weights.size(); ++tap) {
      const float* from = narrow.data() + (static_cast<std::size_t>(vertical[y].start) + tap) * line;
      for (std::size_t x = 0; x < line; ++x) result[y * line + x] += vertical[y].weights[tap] * from[x];
    }
  }
  return result;
}

}  // namespace mer::@namespace@
