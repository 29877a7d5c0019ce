// @generated@
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace mer::@namespace@::golden {

/// An array of the golden file.
struct Array {
  std::vector<std::uint32_t> shape;
  std::vector<float> values;
  /// Rows of the first axis.
  std::size_t size() const { return shape.empty() ? 0 : shape[0]; }
  std::size_t row() const { return size() == 0 ? 0 : values.size() / size(); }
  std::span<const float> operator[](std::size_t index) const {
    return std::span<const float>(values).subspan(index * row(), row());
  }
  /// A value of the first axis as a whole number.
  long whole(std::size_t index) const { return static_cast<long>(values[index]); }
  /// The array as the bytes of a text.
  std::string text() const;
};

/// The arrays of a golden file, and what was found of the checks.
class File {
 public:
  /// @throws std::runtime_error it is no golden file.
  explicit File(const std::string& path);
  /// @throws std::out_of_range there is none of that name.
  const Array& at(const std::string& name) const;
  bool has(const std::string& name) const { return arrays_.contains(name); }

  /// Counts a check and prints it.
  void expect(bool fine, const std::string& what);
  int failures() const { return failures_; }

 private:
  std::map<std::string, Array> arrays_;
  int failures_ = 0;
};

/// The largest difference; infinite where sizes differ or one is not a number.
double furthest(std::span<const float> found, std::span<const float> wanted);
/// Signal to quantization noise, decibels.
double sqnr(std::span<const float> found, std::span<const float> wanted);
/// A value with its name.
std::string said(const std::string& what, double value);

//#if finder
void check_stages(File& file);
//#else
/// The parts of the golden test; each file checks the stages of its folder.
void check_estimates(File& file);
//#if window
void check_windows(File& file);
//#if audio
void check_sound(File& file);
//#end
//#if face
void check_faces(File& file);
//#if audio
void check_alignment(File& file);
//#end
//#end
//#end
//#if dialogue
void check_dialogue(File& file);
//#end
//#end

}  // namespace mer::@namespace@::golden
