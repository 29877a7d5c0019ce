// @generated@
#include "persons.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace mer::@namespace@ {
namespace {

// Baselines are kept of so many persons; beyond it, the one who was not seen for longest is forgotten.
constexpr std::size_t kPersons = 64;

}  // namespace

PersonWindows::PersonWindows(const Baseline& baseline)
    : baselines_{{0, baseline}}
//#if audio
      ,
      sound_(kWindowSteps, static_cast<std::size_t>(kFeatures[kAudio]))
//#end
{}

void PersonWindows::push(const std::array<Features, kModalities.size()>& features, std::optional<int> person,
                         const std::map<int, std::vector<float>>& others) {
  if (person) switch_to(*person);
  std::map<int, Features> seen(others.begin(), others.end());
//#if face
  if (features[kFace]) seen[person_] = features[kFace];
//#end
  for (const auto& [owner, row] : seen) meet(owner);
  meet(person_);
  forget_oldest(seen);
  const bool anything = std::any_of(features.begin(), features.end(), [](const auto& one) { return one.has_value(); });
  const bool early = enrolling_ > 0 && anything;
  if (early) --enrolling_;
//#if audio
  take(kAudio, sound_, features[kAudio], person_, early);
//#end
//#if face
  for (const auto& [owner, row] : seen) {
    faces_.try_emplace(owner, kWindowSteps, static_cast<std::size_t>(kFeatures[kFace]));
  }
  for (auto face = faces_.begin(); face != faces_.end();) {
    const auto row = seen.find(face->first);
    take(kFace, face->second, row == seen.end() ? std::nullopt : row->second, face->first,
         early && face->first == person_);
    face = face->second.empty() ? faces_.erase(face) : std::next(face);
  }
//#end
}

void PersonWindows::take(std::size_t modality, FeatureWindow& window, const Features& row, int owner, bool early) {
  if (const auto leaving = window.append(row, owner, early)) observe(leaving->first, modality, leaving->second);
  if (early && row) baseline(owner).observe_neutral(modality, *row);
}

void PersonWindows::observe(int owner, std::size_t modality, const std::vector<float>& row) {
  for (auto& [person, baseline] : baselines_) {
    if (person == owner) baseline.observe(modality, row);
  }
}

void PersonWindows::switch_to(int person) {
  if (!known_) {
    // What was heard before the first face belongs to that face's owner.
    baselines_ = {{person, baseline()}};
//#if audio
    sound_.give(person);
//#end
    known_ = true;
  } else if (person != person_) {
    enrolling_ = 0;
  }
  person_ = person;
}

void PersonWindows::meet(int person) {
  if (!baselines_.empty() && baselines_.back().first == person) return;
  const auto found = std::find_if(baselines_.begin(), baselines_.end(), [&](auto& one) { return one.first == person; });
  if (found == baselines_.end()) {
    baselines_.emplace_back(person, Baseline());
  } else {
    std::rotate(found, std::next(found), baselines_.end());
  }
}

void PersonWindows::forget_oldest(const std::map<int, Features>& seen) {
  for (auto one = baselines_.begin(); baselines_.size() > kPersons && one != baselines_.end();) {
    if (one->first == person_ || seen.contains(one->first)) {
      ++one;
      continue;
    }
//#if face
    faces_.erase(one->first);
//#end
    one = baselines_.erase(one);
  }
}

void PersonWindows::enrol(int steps) {
  baseline().reset();
//#if audio
  sound_.settle(person_);
//#end
//#if face
  for (auto& [owner, window] : faces_) window.settle(person_);
//#end
  enrolling_ = steps;
}

void PersonWindows::forget(int person) {
  baseline(person).reset();
//#if audio
  sound_.settle(person);
//#end
//#if face
  for (auto& [owner, window] : faces_) window.settle(person);
//#end
  if (person == person_) {
    enrolling_ = 0;
    return;
  }
  std::erase_if(baselines_, [&](const auto& one) { return one.first == person; });
//#if face
  faces_.erase(person);
//#end
}

void PersonWindows::recall_sound(const std::vector<Features>& rows) {
//#if audio
  sound_.fill(rows, person_);
//#else
  static_cast<void>(rows);
//#end
}

void PersonWindows::begin_window(std::size_t newest) {
//#if audio
  for (const auto& [owner, row] : sound_.begin_after(newest)) observe(owner, kAudio, row);
//#end
//#if face
  for (auto& [person, window] : faces_) {
    for (const auto& [owner, row] : window.begin_after(newest)) observe(owner, kFace, row);
  }
//#end
}

void PersonWindows::finish() {
  begin_window(0);
//#if face
  faces_.clear();
//#end
}

std::vector<int> PersonWindows::persons() const {
  std::vector<int> found;
  for (const auto& [person, baseline] : baselines_) found.push_back(person);
  return found;
}

const Baseline* PersonWindows::find(int person) const {
  for (const auto& [known, baseline] : baselines_) {
    if (known == person) return &baseline;
  }
  return nullptr;
}

Baseline& PersonWindows::baseline(int person) {
  const Baseline* found = find(person);
  if (!found) throw std::out_of_range("person " + std::to_string(person) + " is not known here");
  return const_cast<Baseline&>(*found);  // of this object, which is not const here
}

FusionInput PersonWindows::read(int person, bool sound) const {
  const Baseline* baseline = find(person);
  if (!baseline) throw std::out_of_range("person " + std::to_string(person) + " is not known here");
  FusionInput input;
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    const FeatureWindow* window = nullptr;
//#if audio
    if (m == kAudio && sound) window = &sound_;
//#else
    static_cast<void>(sound);
//#end
//#if face
    const auto face = faces_.find(person);
    if (m == kFace && face != faces_.end()) window = &face->second;
//#end
    const auto size = static_cast<std::size_t>(kFeatures[m]);
    input.rows[m] = window ? window->rows(person, baseline->mean(m)) : std::vector<float>(kWindowSteps * size, 0.0f);
    input.masks[m] = window ? window->mask(person) : std::vector<float>(kWindowSteps, 0.0f);
    input.present[m] = static_cast<int>(std::count(input.masks[m].begin(), input.masks[m].end(), 1.0f));
  }
  return input;
}

}  // namespace mer::@namespace@
