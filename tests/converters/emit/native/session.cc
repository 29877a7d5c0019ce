// For tests alone: a stream hears a recording, with a network that takes loud sound for speech.
#include <algorithm>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <limits>
#include <memory>
#include <stdexcept>
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

// Whether voice activity refuses options without an end.
bool refuses(double hangover, double lead, double pause) {
  mer::first::VoiceOptions options;
  options.hangover = hangover;
  options.lead = lead;
  options.pause = pause;
  try {
    mer::first::VoiceActivity(std::make_shared<Loudness>(), options);
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

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
  const double endless = std::numeric_limits<double>::infinity();
  if (refuses(1, 0, 1) || !refuses(endless, 0, 1) || !refuses(1, endless, 1) || !refuses(1, 0, endless)) return 1;
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
