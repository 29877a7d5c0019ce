// For tests alone: a stream hears a recording, with a network that takes loud sound for speech.
#include <algorithm>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <memory>
#include <vector>

#include "stream.hpp"

namespace {

class Loudness : public mer::first::SpeechModel {
 public:
  void reset() override {}
  float probability(std::span<const float> piece) override {
    return *std::max_element(piece.begin(), piece.end()) > 0.2f ? 0.9f : 0.1f;
  }
};

// A line a step: time, speech, then the probabilities.
void print(const std::vector<std::vector<mer::first::Estimate>>& steps) {
  for (const auto& persons : steps) {
    const auto& said = persons.front();
    std::cout << std::fixed << std::setprecision(2) << said.time << ' '
              << (said.speech ? (*said.speech ? "true" : "false") : "none") << std::setprecision(7);
    for (const float share : said.probabilities) std::cout << ' ' << share;
    std::cout << '\n';
  }
}

}  // namespace

// Arguments: the bundle, and a file of float32 samples at 16 kHz.
int main(int, char** given) {
  std::ifstream file(given[2], std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  const auto* samples = reinterpret_cast<const float*>(bytes.data());
  const std::size_t count = bytes.size() / sizeof(float), piece = 1000;
  mer::first::StreamOptions options;
  options.speech = std::make_shared<Loudness>();
  mer::first::EmotionStream stream(given[1], options);
  for (std::size_t at = 0; at < count; at += piece) {
    print(stream.push_audio({samples + at, std::min(piece, count - at)}));
  }
  print(stream.flush());
}
