// @generated@
#include "golden_file.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace mer::@namespace@::golden {

std::string Array::text() const {
  std::string found;
  for (const float value : values) found += static_cast<char>(static_cast<unsigned char>(value));
  return found;
}

// "MERGOLD1", the number of arrays, then each: length of its name, name, rank, sizes, float32 values. Little-endian.
File::File(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  std::size_t at = 8;
  const auto number = [&] {
    if (at + 4 > bytes.size()) throw std::runtime_error("golden.bin breaks off");
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    at += 4;
    return value;
  };
  if (bytes.compare(0, 8, "MERGOLD1") != 0) throw std::runtime_error(path + " is no golden file");
  for (std::uint32_t left = number(); left > 0; --left) {
    const std::uint32_t length = number();
    const std::string name = bytes.substr(at, length);
    at += length;
    Array array;
    array.shape.resize(number());
    std::size_t count = 1;
    for (auto& size : array.shape) count *= size = number();
    if (at + 4 * count > bytes.size()) throw std::runtime_error("golden.bin breaks off");
    array.values.resize(count);
    std::memcpy(array.values.data(), bytes.data() + at, 4 * count);  // this machine is little-endian, as phones are
    at += 4 * count;
    arrays_.emplace(name, std::move(array));
  }
}

const Array& File::at(const std::string& name) const {
  const auto found = arrays_.find(name);
  if (found == arrays_.end()) throw std::out_of_range("golden.bin has no " + name + "; emit this code again");
  return found->second;
}

void File::expect(bool fine, const std::string& what) {
  std::printf("%s %s\n", fine ? "ok    " : "FAILED", what.c_str());
  failures_ += !fine;
}

double furthest(std::span<const float> found, std::span<const float> wanted) {
  if (found.size() != wanted.size()) return INFINITY;
  double most = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double apart = std::abs(static_cast<double>(found[i]) - wanted[i]);
    if (!(apart <= most)) most = std::isnan(apart) ? INFINITY : apart;
  }
  return most;
}

double sqnr(std::span<const float> found, std::span<const float> wanted) {
  double noise = 0, signal = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    noise += std::pow(static_cast<double>(found[i]) - wanted[i], 2);
    signal += std::pow(static_cast<double>(wanted[i]), 2);
  }
  return noise == 0 ? INFINITY : signal == 0 ? 0 : 10 * std::log10(signal / noise);
}

std::string said(const std::string& what, double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return what + ": " + text;
}

}  // namespace mer::@namespace@::golden
