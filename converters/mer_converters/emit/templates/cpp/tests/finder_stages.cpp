// @generated@
// The face finder outside of its graph: letterbox, decoding, non-maximum suppression.
#include <algorithm>

#include "../finder/face_finder.hpp"
#include "golden_file.hpp"

namespace mer::@namespace@::golden {

void check_stages(File& file) {
  for (int i = 0; file.has("stage_letterbox" + std::to_string(i) + "_frame"); ++i) {
    const std::string prefix = "stage_letterbox" + std::to_string(i) + "_";
    const Array& frame = file.at(prefix + "frame");
    const std::vector<std::uint8_t> rgb(frame.values.begin(), frame.values.end());
    const auto made = letterboxed({rgb, static_cast<int>(frame.shape[1]), static_cast<int>(frame.shape[0])});
    const double apart = furthest(made.input, file.at(prefix + "input").values);
    file.expect(apart <= 2e-3 && static_cast<float>(made.scale) == file.at(prefix + "scale").values[0],
                said("letterbox " + std::to_string(i) + ", largest error", apart));
  }
  for (int i = 0; file.has("stage_decode" + std::to_string(i) + "_scores"); ++i) {
    const std::string prefix = "stage_decode" + std::to_string(i) + "_";
    const auto size = file.at(prefix + "size").values;
    const double down = kInputHeight / static_cast<double>(size[0]);
    const double scale = std::min(down, kInputWidth / static_cast<double>(size[1]));
    const Array& scores = file.at(prefix + "scores");
    std::vector<float> found;
    for (const auto& [box, score] : detections(scores.values, file.at(prefix + "boxes").values, scale)) {
      for (const double value : {box.x, box.y, box.width, box.height}) found.push_back(static_cast<float>(value));
      found.push_back(score);
    }
    const double apart = furthest(found, file.at(prefix + "faces").values);
    file.expect(apart <= 1e-2, said("outputs to faces " + std::to_string(i) + ", largest error", apart));
  }
}

}  // namespace mer::@namespace@::golden
