// @generated@
#pragma once

#include <cstddef>
#include <vector>

#include "picture.hpp"

namespace mer::@namespace@ {

/// A small grey picture, 0 to 255, rows from the top.
struct Patch {
  std::size_t rows = 0, columns = 0;
  std::vector<float> values;
  float at(std::size_t row, std::size_t column) const { return values[row * columns + column]; }
};

/// The green channel of a part of a frame, at four points a pixel; edge pixels repeat outside.
Patch sampled(const Image& image, const Box& part, std::size_t rows, std::size_t columns);

/// A square picture of what is around a box. @param margin added on each side, as a share of the square's side.
Patch face_patch(const Image& image, const Box& box, std::size_t size, double margin = 0);

/// Normalised cross-correlation, -1 to 1, of a square template at all places of a larger square patch.
std::vector<double> correlation(const Patch& small, const Patch& large);

}  // namespace mer::@namespace@
