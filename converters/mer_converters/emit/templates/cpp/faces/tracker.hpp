// @generated@
#pragma once

#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "patch.hpp"

namespace mer::@namespace@ {

/// Finds the faces of a frame; their order does not matter.
using FaceDetector = std::function<std::vector<Box>(const Image&)>;

/// One face followed.
struct Track {
  /// From 0; never given twice.
  int id;
  Box box;
  /// Seconds of the frame in which it was seen last.
  double time;
  /// As the detector saw it last.
  Patch face;
  /// Of the box's centre, pixels a second.
  double across = 0, down = 0;
  /// How often the detector found it, and how many searches in a row did not.
  int found = 1, misses = 0;
  bool lost = false;
};

/// Follows faces from frame to frame: between two searches of the detector a face is where a small grey picture of it
/// correlates best. A first face is given at once; one that appears beside others once it was found in two searches. A
/// cut ends all tracks.
class FaceTracker {
 public:
  /// @param detect_seconds a search at least this often; 0 searches in every frame. @param most faces at a time.
  FaceTracker(FaceDetector detector, double detect_seconds, std::size_t most);
  /// The faces in a frame, longest followed first. @param time seconds.
  std::vector<Track> follow(const Image& image, double time);
  /// Those followed, and those lost that may come back.
  const std::vector<Track>& tracks() const { return tracks_; }
  /// Ends one track.
  void drop(int id);
  /// Forgets all tracks; ids begin at 0 again.
  void reset();
  /// Calls of the detector since the last reset.
  int searches() const { return searches_; }

 private:
  bool is_cut(const Image& image);
  bool move(Track& track, const Image& image, double time) const;
  void search(const Image& image, double time, const std::vector<int>& sure);

  FaceDetector detector_;
  double interval_;
  std::size_t most_;
  std::vector<Track> tracks_;
  int next_ = 0, searches_ = 0, width_ = 0, height_ = 0;
  double searched_ = -std::numeric_limits<double>::infinity();
  Patch thumbnail_;
};

/// Which box is which track: (track, box) pairs of overlap above 0.3 whose sum is highest.
std::vector<std::pair<std::size_t, std::size_t>> assign(const std::vector<Track>& tracks,
                                                        const std::vector<Box>& boxes);

}  // namespace mer::@namespace@
