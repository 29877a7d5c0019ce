// @generated@
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "picture.hpp"

namespace mer::@namespace@ {

/// What a face looks like: histograms of uniform local binary patterns, from which no picture can be made again.
using FaceView = std::vector<float>;

/// Describes a face; nothing where it is smaller than 40 pixels.
std::optional<FaceView> describe(const Image& image, const Box& box);

/// Ids of persons, from 0. A face that looks like nobody remembered gets the next one; none is given twice.
class IdentityMemory {
 public:
  /// @param remember_seconds how long a person is remembered who is not seen.
  explicit IdentityMemory(double remember_seconds) : remember_(remember_seconds) {}
  /// The id of the person that a new face shows. @param present those who are in the picture already.
  int recognise(const std::optional<FaceView>& view, double time, const std::set<int>& present);
  /// This person is seen now, and looks like this.
  void observe(int person, const std::optional<FaceView>& view, double time);
  /// It is so many seconds into the stream: who was not seen for long is forgotten.
  void pass_time(double time);
  /// Forgets one person; who comes back gets a new id.
  void forget(int person);
  /// Forgets everybody; ids begin at 0 again.
  void reset();

 private:
  struct Person {
    std::deque<FaceView> views;
    double time;
  };
  double remember_;
  std::map<int, Person> persons_;
  int next_ = 0;
};

}  // namespace mer::@namespace@
