// @generated@
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <vector>

namespace app {

/// A wav file of 16 or 32 bits, whole numbers or floats, read piece by piece.
class WavFile {
 public:
  /// @throws std::runtime_error it cannot be read, or is no such file.
  explicit WavFile(const std::filesystem::path& path);
  int sample_rate() const { return sample_rate_; }
  int channels() const { return channels_; }
  /// The next frames, a sample for each channel, -1 to 1; empty at the end.
  std::vector<float> read(std::size_t frames);

 private:
  std::ifstream file_;
  int sample_rate_ = 0, channels_ = 0, bits_ = 0;
  bool floats_ = false;
  std::uint64_t left_ = 0;
};

}  // namespace app
