// @generated@
#include "conversation.hpp"

#include <algorithm>
#include <stdexcept>

//#if text
#include "text.hpp"
//#end

namespace mer::@namespace@ {
namespace {

std::vector<std::vector<float>> encode(Graph& graph, const std::vector<std::vector<float>>& raw) {
  std::vector<std::vector<float>> rows;
  for (const auto& one : raw) rows.push_back(graph.run({one}).front());
  return rows;
}

}  // namespace

void UtteranceWindow::push(UtteranceFeatures features, const std::string& speaker) {
  rows_.push_back({std::move(features), speaker});
  if (rows_.size() <= kUtterances) return;
  const Row& oldest = rows_.front();
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    for (const auto& row : oldest.features.rows[m]) baselines_[oldest.speaker].observe(m, row);
  }
  rows_.pop_front();
}

std::vector<std::vector<float>> UtteranceWindow::read() const {
  std::vector<std::vector<float>> inputs(2 * kModalities.size() + 1);
  const std::size_t first = kUtterances - rows_.size();
  static const Baseline cold;
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    const auto size = static_cast<std::size_t>(kFeatures[m]);
    auto& values = inputs[m];
    auto& mask = inputs[kModalities.size() + m];
    values.assign(kUtterances * size, 0.0f);
    mask.assign(kUtterances, 0.0f);
    for (std::size_t place = 0; place < rows_.size(); ++place) {
      const auto& rows = rows_[place].features.rows[m];
      if (rows.empty()) continue;
      const auto known = baselines_.find(rows_[place].speaker);
      const auto baseline = (known == baselines_.end() ? cold : known->second).mean(m);
      for (std::size_t i = 0; i < size; ++i) {
        float sum = 0;
        for (const auto& row : rows) sum += row[i];
        values[(first + place) * size + i] = sum / static_cast<float>(rows.size()) - baseline[i];
      }
      mask[first + place] = 1.0f;
    }
  }
  // Speakers are numbered in order of first appearance in the window; the last number stands for all others.
  auto& speakers = inputs.back();
  speakers.assign(kUtterances, 0.0f);
  std::map<std::string, std::size_t> numbers;
  for (std::size_t place = 0; place < rows_.size(); ++place) {
    const std::size_t next = std::min<std::size_t>(numbers.size(), kSpeakers - 1);
    speakers[first + place] = static_cast<float>(numbers.try_emplace(rows_[place].speaker, next).first->second);
  }
  return inputs;
}

bool UtteranceWindow::empty() const {
  return std::all_of(rows_.begin(), rows_.end(), [](const Row& row) {
    return std::all_of(row.features.rows.begin(), row.features.rows.end(), [](const auto& one) { return one.empty(); });
  });
}

std::array<int, kModalities.size()> UtteranceWindow::present() const {
  std::array<int, kModalities.size()> found{};
  for (std::size_t m = 0; !rows_.empty() && m < kModalities.size(); ++m) {
    found[m] = rows_.back().features.rows[m].empty() ? 0 : 1;
  }
  return found;
}

Conversation::Conversation(const std::filesystem::path& bundle, int threads) {
//#if text
  encoders_[kText] = load_graph(bundle, kTextGraph, threads);
//#end
//#if audio
  encoders_[kAudio] = load_graph(bundle, kAudioGraph, threads);
//#end
//#if face
  encoders_[kFace] = load_graph(bundle, kFaceGraph, threads);
//#end
  fusion_ = load_graph(bundle, kFusionGraph, threads);
}

Estimate Conversation::push(const Utterance& utterance, const std::string& speaker) {
  UtteranceFeatures features;
//#if text
  if (utterance.text) {
    const auto ids = text_ids(*utterance.text);
    // Text without a word is missing.
    if (std::any_of(ids.begin(), ids.end(), [](float id) { return id != 0; })) {
      features.rows[kText] = encode(*encoders_[kText], {ids});
    }
  }
//#end
//#if audio
  features.rows[kAudio] = encode(*encoders_[kAudio], utterance.chunks);
//#end
//#if face
  features.rows[kFace] = encode(*encoders_[kFace], utterance.crops);
//#end
  window.push(std::move(features), speaker);
  const auto present = window.present();
  window_logits.assign(kUtterances * kLabels.size(), 0.0f);
  std::vector<float> reliance(kModalities.size(), 0.0f);
  if (!window.empty()) {
    const auto inputs = window.read();
    const auto outputs = fusion_->run({inputs.begin(), inputs.end()});
    window_logits = outputs[kLogits];
    // The newest utterance is in the last row.
    if (state_of(present) != 0) {
      const auto& shares = outputs[kReliance];
      reliance.assign(shares.end() - static_cast<std::ptrdiff_t>(kModalities.size()), shares.end());
    }
  }
  const auto logits = std::span<const float>(window_logits).last(kLabels.size());
  Estimate estimate = decide(probabilities_of(logits, present), present);
  if (state_of(present) != 0) std::copy(logits.begin(), logits.end(), estimate.logits.begin());
  std::copy(reliance.begin(), reliance.end(), estimate.reliance.begin());
  return estimate;
}

}  // namespace mer::@namespace@
