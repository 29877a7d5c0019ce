// @generated@
// Proves the wrapper and the runtime on this device: golden_test BUNDLE golden.bin. Exit code 1 where a check fails.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>

#include "sensor.hpp"

using namespace mer::@namespace@;

namespace {

struct Array {
  std::vector<std::uint32_t> shape;
  std::vector<float> values;
  std::size_t row() const { return shape.empty() || shape[0] == 0 ? 0 : values.size() / shape[0]; }
  std::span<const float> operator[](std::size_t index) const {
    return std::span<const float>(values).subspan(index * row(), row());
  }
};

// "MERGOLD1", the number of arrays, then each: length of its name, name, rank, sizes, float32 values. Little-endian.
std::map<std::string, Array> read_golden(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  std::size_t at = 8;
  const auto number = [&] {
    if (at + 4 > bytes.size()) throw std::runtime_error("golden.bin breaks off");
    std::uint32_t value = 0;
    for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    at += 4;
    return value;
  };
  if (bytes.compare(0, 8, "MERGOLD1") != 0) throw std::runtime_error(std::string(path) + " is no golden file");
  std::map<std::string, Array> arrays;
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
    arrays.emplace(name, std::move(array));
  }
  return arrays;
}

int failures = 0;

void expect(bool fine, const std::string& what) {
  std::printf("%s %s\n", fine ? "ok    " : "FAILED", what.c_str());
  failures += !fine;
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

//#if quantized
// Signal to quantization noise, decibels.
double sqnr(std::span<const float> found, std::span<const float> wanted) {
  double noise = 0, signal = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    noise += std::pow(static_cast<double>(found[i]) - wanted[i], 2);
    signal += std::pow(static_cast<double>(wanted[i]), 2);
  }
  return noise == 0 ? INFINITY : signal == 0 ? 0 : 10 * std::log10(signal / noise);
}

//#end
std::string said(const std::string& what, double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return what + ": " + text;
}

void check_host(const std::map<std::string, Array>& golden) {
//#if audio
  const Array& sound = golden.at("host_sound");
  AudioChunker chunker;
  std::vector<std::vector<float>> chunks;
  std::size_t taken = 0;
  for (float piece : golden.at("host_pieces").values) {
    const auto made = chunker.push(std::span(sound.values).subspan(taken, static_cast<std::size_t>(piece)));
    chunks.insert(chunks.end(), made.begin(), made.end());
    taken += static_cast<std::size_t>(piece);
  }
  if (auto last = chunker.flush()) chunks.push_back(*last);
  const Array& wanted_chunks = golden.at("host_chunks");
  bool same = chunks.size() == wanted_chunks.shape[0];
  for (std::size_t i = 0; same && i < chunks.size(); ++i) same = furthest(chunks[i], wanted_chunks[i]) == 0;
  expect(same, "chunks of a stream in pieces");
//#end
//#if face
  const Array& frame = golden.at("host_frame");
  const std::vector<std::uint8_t> rgb(frame.values.begin(), frame.values.end());
  const int height = static_cast<int>(frame.shape[0]), width = static_cast<int>(frame.shape[1]);
  for (std::size_t i = 0; i < golden.at("host_boxes").shape[0]; ++i) {
    const auto box = golden.at("host_boxes")[i];
    const auto crop = crop_face(rgb, width, height, {box[0], box[1], box[2], box[3]});
    expect(crop && furthest(*crop, golden.at("host_crops")[i]) <= 2e-3, "crop of face " + std::to_string(i));
  }
  const std::vector<std::uint8_t> black(rgb.size(), 0);
  expect(!crop_face(black, width, height, {0, 0, 8, 8}), "a black crop is no face");
//#end
  StepWindow window;
  for (std::size_t step = 0; step < golden.at("host_mask_" + std::string(kModalities[0])).values.size(); ++step) {
    if (step == kHostEnrolAt) window.enrol(kHostEnrolSteps);
    std::array<std::span<const float>, kModalities.size()> features;
    for (std::size_t m = 0; m < kModalities.size(); ++m) {
      const std::string name(kModalities[m]);
      if (golden.at("host_mask_" + name).values[step] != 0) features[m] = golden.at("host_rows_" + name)[step];
    }
    window.push(features);
  }
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    const std::string name(kModalities[m]);
    expect(furthest(window.rows(m), golden.at("host_window_" + name).values) <= 1e-4 &&
               furthest(window.mask(m), golden.at("host_window_mask_" + name).values) == 0,
           "window, masks and warm baseline: " + name);
  }
  window.finish();
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    const std::string name(kModalities[m]);
    expect(furthest(window.mean(m), golden.at("host_mean_" + name).values) <= 1e-4, "baseline at the end: " + name);
  }
  for (std::size_t i = 0; i < golden.at("host_logits").shape[0]; ++i) {
    const auto held = golden.at("host_present")[i];
    std::array<int, kModalities.size()> present{};
    std::transform(held.begin(), held.end(), present.begin(), [](float one) { return static_cast<int>(one); });
    const Estimate found = decide(golden.at("host_logits")[i], present);
    const std::vector<float> shares(found.probabilities.begin(), found.probabilities.end());
    const auto decided = golden.at("host_decisions")[i];
    const float named = found.emotion ? static_cast<float>(static_cast<int>(*found.emotion)) : -1.0f;
    expect(furthest(shares, golden.at("host_probabilities")[i]) <= 1e-6 && named == decided[0] &&
               std::abs(found.valence - decided[1]) <= 1e-6 && std::abs(found.arousal - decided[2]) <= 1e-6,
           "decision " + std::to_string(i));
  }
}

void check_cases(Sensor& sensor, const std::map<std::string, Array>& golden) {
  for (int index = 0; golden.count("case" + std::to_string(index) + "_logits"); ++index) {
    const std::string prefix = "case" + std::to_string(index) + "_";
    sensor.window = StepWindow();
    Estimate estimate;
    for (int step = 0; step < kWindowSteps; ++step) {
//#if audio
      std::span<const float> chunk;
      if (golden.at(prefix + "audio_mask").values[step] != 0) chunk = golden.at(prefix + "pcm")[step];
//#end
//#if face
      std::span<const float> crop;
      if (golden.at(prefix + "face_mask").values[step] != 0) crop = golden.at(prefix + "crop")[step];
//#end
      estimate = sensor.step(@step_arguments@);
    }
//#if quantized
    // Held to what the bundle itself gave where it was made: quantized kernels of two machines may round differently.
    const double ratio = sqnr(estimate.logits, golden.at(prefix + "made_logits").values);
    expect(ratio >= kToleranceSqnrDb, said("case " + std::to_string(index) + ": SQNR of the logits, dB", ratio));
//#else
    const double apart = furthest(estimate.logits, golden.at(prefix + "logits").values);
    expect(apart <= kTolerance, said("case " + std::to_string(index) + ": largest error of the logits", apart));
//#end
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "golden_test BUNDLE golden.bin: give the bundle's folder and the golden file\n");
    return 2;
  }
  try {
    const auto golden = read_golden(arguments[2]);
    check_host(golden);
    Sensor sensor(arguments[1]);
    check_cases(sensor, golden);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  std::printf("%d failed\n", failures);
  return failures ? 1 : 0;
}
