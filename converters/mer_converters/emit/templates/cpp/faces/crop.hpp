// @generated@
#pragma once

#include <optional>
#include <vector>

#include "../contract.hpp"
#include "picture.hpp"

namespace mer::@namespace@ {

/// The crop that the face graph reads: RGB, 0 to 255, `kCropSize` x `kCropSize` x 3.
/// @return nothing where the crop is black, which counts as "no face".
/// @throws std::invalid_argument a frame of another size than said, or a box without area.
std::optional<std::vector<float>> crop_face(const Image& image, const Box& box);

}  // namespace mer::@namespace@
