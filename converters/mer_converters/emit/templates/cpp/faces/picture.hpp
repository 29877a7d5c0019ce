// @generated@
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

//#if window
#include "../estimate/decision.hpp"
//#end

namespace mer::@namespace@ {
//#if window
//#else

/// A face in pixels; it may reach outside the frame.
struct Box {
  double x, y, width, height;
};
//#end

/// A frame: RGB, rows from the top, 3 bytes a pixel, without padding.
struct Image {
  std::span<const std::uint8_t> rgb;
  int width, height;
};

/// Throws std::invalid_argument where a frame is of another size than said.
void check_image(const Image& image);

/// Intersection over union of two boxes, 0 to 1.
double overlap(const Box& a, const Box& b);

/// A part of a frame, pixels, resized by the antialiased triangle filter (Pillow's): [rows x columns x 3], unrounded.
/// @param across, down every so manieth pixel is read, beginning with half of it.
std::vector<float> resized(const Image& image, int left, int top, int width, int height, int columns, int rows,
                           int across = 1, int down = 1);

}  // namespace mer::@namespace@
