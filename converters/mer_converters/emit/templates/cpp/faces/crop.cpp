// @generated@
#include "crop.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace mer::@namespace@ {

std::optional<std::vector<float>> crop_face(const Image& image, const Box& box) {
  check_image(image);
  if (!(box.width > 0 && box.height > 0 && std::isfinite(box.x + box.y + box.width + box.height))) {
    throw std::invalid_argument("the face box has no area");
  }
  const double exact = std::max(box.width, box.height) * (1 + 2 * kCropMargin);
  const int side = std::max(1, static_cast<int>(std::floor(exact + 0.5)));
  const int left = static_cast<int>(std::floor(box.x + (box.width - exact) / 2 + 0.5));
  const int top = static_cast<int>(std::floor(box.y + (box.height - exact) / 2 + 0.5));
  auto crop = resized(image, left, top, side, side, kCropSize, kCropSize);
  if (*std::max_element(crop.begin(), crop.end()) <= kBlackLevel) return std::nullopt;
  return crop;
}

}  // namespace mer::@namespace@
