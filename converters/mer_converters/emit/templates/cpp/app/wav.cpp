// @generated@
#include "app/wav.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <string>

namespace app {
namespace {

std::uint32_t number(const char* bytes, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

WavFile::WavFile(const std::filesystem::path& path) : file_(path, std::ios::binary) {
  const auto refuse = [&](const std::string& why) {
    throw std::runtime_error(path.string() + " " + why + "; ffmpeg -i FILE -vn -c:a pcm_f32le clip.wav makes one");
  };
  std::array<char, 12> head{};
  if (!file_) refuse("cannot be read");
  file_.read(head.data(), head.size());
  if (!file_ || std::memcmp(head.data(), "RIFF", 4) != 0 || std::memcmp(head.data() + 8, "WAVE", 4) != 0) {
    refuse("is no wav file");
  }
  while (true) {
    std::array<char, 8> chunk{};
    if (!file_.read(chunk.data(), chunk.size())) refuse("holds no sound");
    const std::uint32_t bytes = number(chunk.data() + 4, 4);
    if (std::memcmp(chunk.data(), "data", 4) == 0) {
      left_ = bytes;
      break;
    }
    std::array<char, 40> format{};
    const std::uint32_t known = std::min<std::uint32_t>(bytes, format.size());
    if (std::memcmp(chunk.data(), "fmt ", 4) == 0 && file_.read(format.data(), known)) {
      // In an extensible format the kind is where its GUID begins.
      std::uint32_t kind = number(format.data(), 2);
      if (kind == 0xFFFE) kind = number(format.data() + 24, 2);
      floats_ = kind == 3;
      channels_ = static_cast<int>(number(format.data() + 2, 2));
      sample_rate_ = static_cast<int>(number(format.data() + 4, 4));
      bits_ = static_cast<int>(number(format.data() + 14, 2));
      if (kind != 1 && kind != 3) refuse("is compressed");
      file_.seekg(bytes - known + bytes % 2, std::ios::cur);
    } else {
      file_.seekg(bytes + bytes % 2, std::ios::cur);
    }
  }
  if (channels_ < 1 || channels_ > 64 || !(bits_ == 32 || (bits_ == 16 && !floats_))) {
    refuse("has samples of another kind than 16 bits, 32 bits or floats");
  }
}

std::vector<float> WavFile::read(std::size_t frames) {
  const std::size_t width = static_cast<std::size_t>(bits_ / 8), frame = width * static_cast<std::size_t>(channels_);
  std::string bytes(std::min<std::uint64_t>(frames * frame, left_ / frame * frame), '\0');
  file_.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  // A stream that was cut off says more than it holds.
  bytes.resize(static_cast<std::size_t>(file_.gcount()) / frame * frame);
  left_ = bytes.empty() ? 0 : left_ - bytes.size();
  std::vector<float> samples;
  for (std::size_t at = 0; at < bytes.size(); at += width) {
    const std::uint32_t value = number(bytes.data() + at, width);
    float sample = 0;
    if (floats_) std::memcpy(&sample, &value, sizeof sample);
    else if (bits_ == 16) sample = static_cast<float>(static_cast<std::int16_t>(value)) / 32768.0f;
    else sample = static_cast<float>(static_cast<std::int32_t>(value) / 2147483648.0);
    samples.push_back(std::clamp(sample, -1.0f, 1.0f));
  }
  return samples;
}

}  // namespace app
