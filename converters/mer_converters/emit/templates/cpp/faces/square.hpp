// @generated@
#pragma once

#include "picture.hpp"

namespace mer::@namespace@ {

/// A point in pixels of the frame.
struct Point {
  double x, y;
};

/// The contract's box of a face from where its eyes and mouth are, for detectors of a system with other boxes.
/// @param one_eye, other_eye centres of the eyes, in any order. @param mouth its middle.
/// ML Kit: LEFT_EYE, RIGHT_EYE, and the mean of MOUTH_LEFT and MOUTH_RIGHT. Apple Vision: means of the points of
/// leftEye, rightEye and outerLips, y turned over.
/// @throws std::invalid_argument a point is not finite, or all lie on one spot: leave this face out.
Box square_of_landmarks(const Point& one_eye, const Point& other_eye, const Point& mouth);

}  // namespace mer::@namespace@
