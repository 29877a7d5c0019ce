// @generated@
// Windows with masks, personal baselines, an enrolment, and several persons.
#include <optional>

#include "fusion_script.hpp"
#include "golden_file.hpp"
#include "../window/persons.hpp"

namespace mer::@namespace@::golden {
namespace {

Features features_of(const Array& rows, const Array& mask, std::size_t step) {
  if (mask.values[step] == 0) return std::nullopt;
  return Features(std::in_place, rows[step].begin(), rows[step].end());
}

void check_one(File& file) {
  PersonWindows windows;
  FusionScript fusion;
  FusionInput given;
  const std::size_t steps = file.at("host_mask_" + std::string(kModalities[0])).size();
  for (std::size_t step = 0; step < steps; ++step) {
    if (step == kHostEnrolAt) windows.enrol(kHostEnrolSteps);
    std::array<Features, kModalities.size()> features;
    for (std::size_t m = 0; m < kModalities.size(); ++m) {
      const std::string name(kModalities[m]);
      features[m] = features_of(file.at("host_rows_" + name), file.at("host_mask_" + name), step);
    }
    windows.push(features);
    given = fusion.run(windows.read(), windows.baseline());
  }
  windows.finish();
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    const std::string name(kModalities[m]);
    file.expect(furthest(given.rows[m], file.at("host_window_" + name).values) <= 1e-4 &&
                    furthest(given.masks[m], file.at("host_window_mask_" + name).values) == 0,
                "window, masks and warm baseline: " + name);
    file.expect(furthest(windows.baseline().mean(m), file.at("host_mean_" + name).values) <= 1e-4,
                "baseline at the end: " + name);
  }
}
//#if face

bool same(File& file, const std::string& prefix, std::size_t step, const FusionInput& given) {
  bool fine = true;
  for (std::size_t m = 0; m < kModalities.size(); ++m) {
    const std::string name = prefix + kModalities[m];
    fine = fine && furthest(given.rows[m], file.at(name)[step]) <= 1e-4 &&
           furthest(given.masks[m], file.at(name + "_mask")[step]) == 0;
  }
  return fine;
}

void check_several(File& file) {
  PersonWindows windows;
  FusionScript fusion;
  const Array& faces = file.at("stage_persons_faces");
  const Array& seen = file.at("stage_persons_faces_mask");
  const std::size_t size = static_cast<std::size_t>(kFeatures[kFace]);
  bool current = true, others = true;
  for (std::size_t step = 0; step < faces.size(); ++step) {
    std::array<Features, kModalities.size()> features;
//#if audio
    features[kAudio] = features_of(file.at("stage_persons_audio"), file.at("stage_persons_audio_mask"), step);
//#end
    const long named = file.at("stage_persons_current").whole(step);
    std::map<int, std::vector<float>> rest;
    for (std::size_t person = 0; person < seen.row(); ++person) {
      if (seen[step][person] == 0) continue;
      const auto row = faces[step].subspan(person * size, size);
      if (static_cast<long>(person) == named) features[kFace] = Features(std::in_place, row.begin(), row.end());
      else rest[static_cast<int>(person)].assign(row.begin(), row.end());
    }
    windows.push(features, named < 0 ? std::nullopt : std::optional<int>(static_cast<int>(named)), rest);
    current = same(file, "stage_persons_window_", step, fusion.run(windows.read(), windows.baseline())) && current;
    const int other = static_cast<int>(file.at("stage_persons_other").whole(step));
    if (other < 0) continue;
    const FusionInput seen_alone = fusion.run(windows.look_at(other), windows.baseline(other));
    others = same(file, "stage_persons_other_", step, seen_alone) && others;
  }
  windows.finish();
  file.expect(current, "several persons: the current one's window");
  file.expect(others, "several persons: another one's window, by the face alone");
  bool means = windows.persons().size() == file.at("stage_persons_known").size();
  for (std::size_t i = 0; means && i < windows.persons().size(); ++i) {
    Baseline& baseline = windows.baseline(static_cast<int>(file.at("stage_persons_known").whole(i)));
    for (std::size_t m = 0; m < kModalities.size(); ++m) {
      const auto wanted = file.at("stage_persons_mean_" + std::string(kModalities[m]))[i];
      means = means && furthest(baseline.mean(m), wanted) <= 1e-4;
    }
  }
  file.expect(means, "several persons: each one's baseline");
}

void check_crowd(File& file) {
  PersonWindows windows;
  const Array& faces = file.at("stage_crowd_faces");
  const Array& persons = file.at("stage_crowd_persons");
  const std::size_t size = static_cast<std::size_t>(kFeatures[kFace]);
  windows.enrol(static_cast<int>(file.at("stage_crowd_enrol").whole(0)));
  FusionScript fusion;
  for (std::size_t step = 0; step < faces.size(); ++step) {
    const auto id = [&](std::size_t place) { return static_cast<int>(persons[step][place]); };
    const auto face = [&](std::size_t place) {
      const auto row = faces[step].subspan(place * size, size);
      return std::vector<float>(row.begin(), row.end());
    };
    std::array<Features, kModalities.size()> features;
    features[kFace] = face(0);
    windows.push(features, id(0), {{id(1), face(1)}, {id(2), face(2)}});
    fusion.run(windows.read(), windows.baseline());
    fusion.run(windows.look_at(id(1)), windows.baseline(id(1)));
  }
  windows.finish();
  const Array& known = file.at("stage_crowd_known");
  bool fine = windows.persons().size() == known.size();
  for (std::size_t i = 0; fine && i < known.size(); ++i) fine = windows.persons()[i] == known.whole(i);
  file.expect(fine, "a crowd: who is known, the latest last");
  bool means = true;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto mean = windows.baseline(static_cast<int>(persons[0][i])).mean(kFace);
    means = means && furthest(mean, file.at("stage_crowd_means")[i]) <= 1e-4;
  }
  file.expect(means, "a crowd: who stays keeps a baseline, an enrolment before the first face counts");
}
//#end

}  // namespace

void check_windows(File& file) {
  check_one(file);
//#if face
  check_several(file);
  check_crowd(file);
//#end
}

}  // namespace mer::@namespace@::golden
