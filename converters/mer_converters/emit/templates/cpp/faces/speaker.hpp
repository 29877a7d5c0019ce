// @generated@
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "patch.hpp"

namespace mer::@namespace@ {

/// Chooses among faces by whose mouth moves with the sound; the choice holds until another is clearly ahead for 0.5 s.
class ActiveSpeaker {
 public:
  /// Looks at the faces of one frame. @param boxes by person.
  /// @param level of the sound since the frame before, 0 to 1; nothing where there is none.
  void watch(const Image& image, const std::vector<std::pair<int, Box>>& boxes, double time,
             std::optional<double> level);
  /// The face to prefer among these; nothing where there is none. The first choice is the largest face.
  std::optional<int> prefer(const std::vector<std::pair<int, Box>>& boxes, double time);
  /// How much a face's mouth goes with the sound; 0 where too little is known. Only compares faces.
  double score(int person) const;
  /// Forgets what one face did.
  void forget(int person);
  /// Begins anew, with nobody preferred.
  void reset();

 private:
  struct Moment {
    double time, motion, level;
  };
  struct Face {
    Patch picture;
    double time;
    std::deque<Moment> timeline;
  };
  std::map<int, Face> faces_;
  std::optional<int> preferred_;
  std::optional<std::pair<int, double>> ahead_;
};

/// The level of some sound, 0 (at most -60 dB) to 1 (at least -20 dB); nothing where there is no sample.
std::optional<double> sound_level(std::span<const float> samples);

}  // namespace mer::@namespace@
