// @generated@
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "identity.hpp"
#include "speaker.hpp"
#include "tracker.hpp"

namespace mer::@namespace@ {

/// How faces are followed.
struct FaceOptions {
  /// How many are given at each step, 1 to 8.
  std::size_t faces = 1;
  /// While all faces are followed surely, the detector searches once in so many seconds; 0 is every step.
  double detect_seconds = 1.0;
  /// Among several faces, prefer the one whose mouth moves with the sound; else the one that was preferred before, at
  /// first the largest.
  bool prefer_speaking = true;
  /// How long a person is remembered who is not seen.
  double remember_seconds = 600.0;
};

/// A face of a step: whose it is, where, and the crop that the face graph reads.
struct TrackedFace {
  int person;
  Box box;
  std::vector<float> crop;
};

/// Which of a step's frames may be looked at, at most three, evenly from the first to the last.
std::vector<std::size_t> looked_at(std::size_t count);

/// The faces of a stream, step by step: found, followed, recognised and cut out. Ids are those of persons, from 0: one
/// who comes back has the earlier id where the face looks alike; in doubt it is a new one.
class FaceTracks {
 public:
  /// @throws std::invalid_argument no detector, or options outside their ranges.
  FaceTracks(FaceDetector detector, FaceOptions options = {});
  /// The faces of a step, the preferred one first.
  /// @param frames of the step with their seconds, in order.
  /// @param sound mono at 16 kHz, up to the step's end; empty where it is missing.
  std::vector<TrackedFace> look(const std::vector<std::pair<double, Image>>& frames,
                                std::span<const float> sound = {});
  /// It is so many seconds into the stream: who was not seen for long is forgotten.
  void pass_time(double time) { memory_.pass_time(time); }
  /// Forgets one person; while still in the picture, that face has a new id.
  void forget(int person);
  /// Begins a new stream: nobody is followed or remembered.
  void reset();
  /// Calls of the detector since the last reset.
  int searches() const { return tracker_.searches(); }

 private:
  struct Known {
    int person;
    // How often the detector had found the track when the person was described last.
    int described;
  };
  void recognise(const Track& track, const Image& image, double time, const std::vector<Track>& seen);
  void listen(std::span<const std::pair<double, Image>> frames, const std::vector<std::pair<int, Box>>& boxes,
              std::span<const float> sound);
  void drop(int track);

  FaceOptions options_;
  FaceTracker tracker_;
  IdentityMemory memory_;
  ActiveSpeaker speaking_;
  std::map<int, Known> known_;
  // Seconds of the frame in which mouths were compared last.
  std::optional<double> watched_;
};

}  // namespace mer::@namespace@
