// @generated@
// Faces: crops, tracks between searches, and persons.
#include <algorithm>
#include <cmath>

#include "../faces/crop.hpp"
#include "../faces/square.hpp"
#include "../faces/tracks.hpp"
#include "golden_file.hpp"

namespace mer::@namespace@::golden {
namespace {

void check_crops(File& file) {
  const Array& frame = file.at("host_frame");
  const std::vector<std::uint8_t> rgb(frame.values.begin(), frame.values.end());
  const Image image{rgb, static_cast<int>(frame.shape[1]), static_cast<int>(frame.shape[0])};
  for (std::size_t i = 0; i < file.at("host_boxes").size(); ++i) {
    const auto box = file.at("host_boxes")[i];
    const auto crop = crop_face(image, {box[0], box[1], box[2], box[3]});
    file.expect(crop && furthest(*crop, file.at("host_crops")[i]) <= 2e-3, "crop of face " + std::to_string(i));
  }
  const std::vector<std::uint8_t> black(rgb.size(), 0);
  file.expect(!crop_face({black, image.width, image.height}, {0, 0, 8, 8}), "a black crop is no face");
}

// A small film: each frame is a background with pictures laid over it.
class Film {
 public:
  explicit Film(const File& file) : file_(file) {}

  std::vector<std::uint8_t> frame(std::size_t step) const {
    const Array& backgrounds = file_.at("stage_tracks_backgrounds");
    const auto background = backgrounds[static_cast<std::size_t>(file_.at("stage_tracks_background").whole(step))];
    std::vector<std::uint8_t> rgb(background.begin(), background.end());
    const Array& pictures = file_.at("stage_tracks_pictures");
    const std::size_t side = pictures.shape[1], width = backgrounds.shape[2];
    const auto places = file_.at("stage_tracks_places")[step];
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      if (places[2 * i] < 0) continue;
      const auto left = static_cast<std::size_t>(places[2 * i]), top = static_cast<std::size_t>(places[2 * i + 1]);
      for (std::size_t row = 0; row < side; ++row) {
        const auto line = pictures[i].subspan(row * side * 3, side * 3);
        const auto start = static_cast<std::ptrdiff_t>(3 * ((top + row) * width + left));
        std::transform(line.begin(), line.end(), rgb.begin() + start,
                       [](float value) { return static_cast<std::uint8_t>(value); });
      }
    }
    return rgb;
  }

  std::vector<Box> detections(std::size_t step) const {
    std::vector<Box> boxes;
    const auto rows = file_.at("stage_tracks_detections")[step];
    for (std::size_t i = 0; i < rows.size(); i += 4) {
      if (rows[i + 2] > 0) boxes.push_back({rows[i], rows[i + 1], rows[i + 2], rows[i + 3]});
    }
    return boxes;
  }

 private:
  const File& file_;
};

// Ids are exact; boxes may be apart by rounding.
bool same(const std::vector<std::pair<int, Box>>& found, std::span<const float> wanted) {
  for (std::size_t i = 0; 5 * i < wanted.size(); ++i) {
    const auto row = wanted.subspan(5 * i, 5);
    if (i >= found.size()) {
      if (row[0] >= 0) return false;
      continue;
    }
    const auto& [id, box] = found[i];
    const std::vector<float> place{static_cast<float>(box.x), static_cast<float>(box.y), static_cast<float>(box.width),
                                   static_cast<float>(box.height)};
    if (static_cast<float>(id) != row[0] || furthest(place, row.subspan(1)) > 0.05) return false;
  }
  return 5 * found.size() <= wanted.size();
}

void check_tracks(File& file) {
  const Film film(file);
  std::size_t step = 0;
  const FaceDetector detector = [&](const Image&) { return film.detections(step); };
  const auto options = file.at("stage_tracks_options").values;
  const auto most = static_cast<std::size_t>(options[1]);
  FaceTracker tracker(detector, options[0], most);
  FaceTracks tracks(detector, {most, options[0], false, 600.0});
  const Array& backgrounds = file.at("stage_tracks_backgrounds");
  bool fine = true, asked = true, persons = true;
  for (; step < file.at("stage_tracks_times").size(); ++step) {
    const auto rgb = film.frame(step);
    const Image image{rgb, static_cast<int>(backgrounds.shape[2]), static_cast<int>(backgrounds.shape[1])};
    const double time = file.at("stage_tracks_times").values[step];
    const int before = tracker.searches();
    std::vector<std::pair<int, Box>> found, seen;
    for (const Track& track : tracker.follow(image, time)) found.emplace_back(track.id, track.box);
    for (const TrackedFace& face : tracks.look({{time, image}})) seen.emplace_back(face.person, face.box);
    fine = fine && same(found, file.at("stage_tracks_found")[step]);
    asked = asked && tracker.searches() - before == file.at("stage_tracks_asked").whole(step);
    persons = persons && same(seen, file.at("stage_tracks_persons")[step]);
  }
  file.expect(fine, "faces followed between searches, lost, found again, and ended by a cut");
  file.expect(asked, "the detector is asked where it is needed");
  file.expect(persons, "persons recognised, the preferred one first");
  bool picks = true;
  const Array& looked = file.at("stage_tracks_looked");
  for (std::size_t count = 1; count <= looked.size(); ++count) {
    std::vector<float> made(3, -1.0f);
    const auto found = looked_at(count);
    std::copy(found.begin(), found.end(), made.begin());
    picks = picks && furthest(made, looked[count - 1]) == 0;
  }
  file.expect(picks, "which frames of a step are looked at");
}

// Lays a picture of rows of `width` pixels over a frame.
void lay(std::span<const float> picture, std::size_t width, std::size_t left, std::size_t top, std::size_t across,
         std::vector<std::uint8_t>& rgb) {
  for (std::size_t at = 0; at < picture.size(); ++at) {
    const std::size_t row = at / (3 * width), rest = at % (3 * width);
    rgb[3 * ((top + row) * across + left) + rest] = static_cast<std::uint8_t>(picture[at]);
  }
}

// A frame of the film in which people speak: their pictures, and the mouths of those that have them open.
std::vector<std::uint8_t> speaking_frame(const File& file, std::size_t step, std::size_t number) {
  const auto background = file.at("stage_tracks_backgrounds")[0];
  const std::size_t width = file.at("stage_tracks_backgrounds").shape[2];
  const Array &pictures = file.at("stage_tracks_pictures"), &mouths = file.at("stage_speaking_mouths");
  std::vector<std::uint8_t> rgb(background.begin(), background.end());
  for (std::size_t person = 0; person < pictures.size(); ++person) {
    if (person == 0 && file.at("stage_speaking_gone").whole(step)) continue;
    const auto box = file.at("stage_speaking_boxes")[person];
    const auto left = static_cast<std::size_t>(box[0]), top = static_cast<std::size_t>(box[1]);
    lay(pictures[person], pictures.shape[2], left, top, width, rgb);
    const bool open = file.at("stage_speaking_open")[step][3 * number + person] != 0;
    if (open) lay(mouths[person], mouths.shape[2], left + 14, top + 33, width, rgb);
  }
  return rgb;
}

void check_speaking(File& file) {
  const Array& boxes = file.at("stage_speaking_boxes");
  std::size_t step = 0;
  const FaceDetector detector = [&](const Image&) {
    std::vector<Box> found;
    for (std::size_t person = 0; person < boxes.size(); ++person) {
      const auto one = boxes[person];
      if (person > 0 || !file.at("stage_speaking_gone").whole(step)) found.push_back({one[0], one[1], one[2], one[2]});
    }
    return found;
  };
  FaceTracks tracks(detector, {2, 0.0, true, 600.0});
  const auto& shape = file.at("stage_tracks_backgrounds").shape;
  const int width = static_cast<int>(shape[2]), height = static_cast<int>(shape[1]);
  bool fine = true;
  for (; step < file.at("stage_speaking_levels").size(); ++step) {
    const double begin = 0.25 * static_cast<double>(step);
    const auto first = speaking_frame(file, step, 0), second = speaking_frame(file, step, 1);
    const auto levels = file.at("stage_speaking_levels")[step];
    std::vector<float> sound;
    if (levels[0] >= 0) {
      sound.assign(2000, levels[0]);
      sound.insert(sound.end(), 2000, levels[1]);
    }
    std::vector<std::pair<int, Box>> seen;
    for (const TrackedFace& face : tracks.look(
             {{begin + 0.0625, {first, width, height}}, {begin + 0.1875, {second, width, height}}}, sound)) {
      seen.emplace_back(face.person, face.box);
    }
    fine = fine && same(seen, file.at("stage_speaking_persons")[step]);
  }
  file.expect(fine, "the face whose mouth moves with the sound is preferred");
}

void check_squares(File& file) {
  const Array& points = file.at("stage_square_points");
  bool fine = true;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto at = points[i];
    const Box box = square_of_landmarks({at[0], at[1]}, {at[2], at[3]}, {at[4], at[5]});
    const std::vector<float> found{static_cast<float>(box.x), static_cast<float>(box.y), static_cast<float>(box.width),
                                   static_cast<float>(box.height)};
    fine = fine && furthest(found, file.at("stage_square_boxes")[i]) <= 1e-3;
  }
  file.expect(fine, "the square of eyes and mouth");
}

}  // namespace

void check_faces(File& file) {
  check_squares(file);
  check_crops(file);
  check_tracks(file);
  check_speaking(file);
}

}  // namespace mer::@namespace@::golden
