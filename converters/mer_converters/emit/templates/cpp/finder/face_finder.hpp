// @generated@
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "../contract.hpp"
#include "../faces/picture.hpp"
#include "../graph.hpp"

namespace mer::@namespace@ {

/// A face and the probability that it is one. The box is a square in pixels of the frame and may reach outside.
struct Detection {
  Box box;
  float score;
};

/// A frame as the graph reads it, and the scale from frame to input pixels.
struct Letterboxed {
  std::vector<float> input;
  double scale;
};

/// The frame at the top left of the graph's input, the rest 0.
/// @throws std::invalid_argument a frame of another size than said.
Letterboxed letterboxed(const Image& image);

/// The faces in the graph's outputs, the best first: boxes above the threshold that overlap no better one.
/// @param scores `kBoxes` probabilities. @param boxes (x, y, width, height) each, in shares of the input.
std::vector<Detection> detections(std::span<const float> scores, std::span<const float> boxes, double scale);

/// Finds the faces of a frame. Not thread-safe.
class FaceFinder {
 public:
  /// @param bundle the bundle's folder.
  /// @throws std::runtime_error the graph is missing, is not the one of the contract, or does not load.
  explicit FaceFinder(const std::filesystem::path& bundle, int threads = 1);
  /// The faces of a frame, the best first.
  /// @throws std::invalid_argument a frame of another size than said.
  std::vector<Detection> find(const Image& image);
  /// The graph's outputs for a frame, as `kFinderGraph` has them.
  std::vector<std::vector<float>> run(const Letterboxed& given);

 private:
  std::unique_ptr<Graph> graph_;
};

}  // namespace mer::@namespace@
