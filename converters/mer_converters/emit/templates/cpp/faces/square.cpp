// @generated@
#include "square.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace mer::@namespace@ {
namespace {

// Side of the square, of the distance of the eyes and of that from between them to the mouth: the larger one.
constexpr double kSideByEyes = @side_by_eyes@, kSideByMouth = @side_by_mouth@;
// The centre lies on the line from between the eyes to the mouth, this share of it down.
constexpr double kDownToMouth = @down_to_mouth@;

}  // namespace

Box square_of_landmarks(const Point& one_eye, const Point& other_eye, const Point& mouth) {
  const double x = (one_eye.x + other_eye.x) / 2, y = (one_eye.y + other_eye.y) / 2;
  const double eyes = std::hypot(other_eye.x - one_eye.x, other_eye.y - one_eye.y);
  const double side = std::max(kSideByEyes * eyes, kSideByMouth * std::hypot(mouth.x - x, mouth.y - y));
  if (!(side > 0) || !std::isfinite(side + x + y + mouth.x + mouth.y)) {
    throw std::invalid_argument("eyes and mouth lie on one spot, or are no numbers; leave this face out");
  }
  return {x + kDownToMouth * (mouth.x - x) - side / 2, y + kDownToMouth * (mouth.y - y) - side / 2, side, side};
}

}  // namespace mer::@namespace@
