// @generated@
#pragma once

#include <cstdint>
#include <fstream>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace app {

/// Raw RGB video: frames one after the other, rows from the top, 3 bytes a pixel. "-" is the standard input.
class RawVideo {
 public:
  /// @throws std::runtime_error it cannot be read.
  RawVideo(const std::string& path, int width, int height)
      : file_(path == "-" ? std::ifstream() : std::ifstream(path, std::ios::binary)),
        stream_(path == "-" ? static_cast<std::istream&>(std::cin) : file_),
        bytes_(std::size_t{3} * static_cast<std::size_t>(width) * static_cast<std::size_t>(height)) {
    if (path != "-" && !file_) throw std::runtime_error(path + " cannot be read");
  }
  RawVideo(const RawVideo&) = delete;
  RawVideo& operator=(const RawVideo&) = delete;

  /// The next frame; nothing at the end.
  std::optional<std::vector<std::uint8_t>> next() {
    std::vector<std::uint8_t> frame(bytes_);
    stream_.read(reinterpret_cast<char*>(frame.data()), static_cast<std::streamsize>(bytes_));
    if (static_cast<std::size_t>(stream_.gcount()) < bytes_) return std::nullopt;
    return frame;
  }

 private:
  std::ifstream file_;
  std::istream& stream_;
  std::size_t bytes_;
};

}  // namespace app
