// @generated@
// Sound and pictures in pieces, with gaps and pauses, to what each step reads.
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>
#include <vector>

#include "../window/alignment.hpp"
#include "golden_file.hpp"

namespace mer::@namespace@::golden {
namespace {

// The file holds float32; the events were made with four places.
double seconds(float time) { return std::nearbyint(time * 1e4) / 1e4; }

void take_step(StreamAlignment& alignment, std::size_t columns, std::vector<float>& rows) {
  std::vector<float> row(columns, -1.0f);
  const std::int64_t due = alignment.done();
  alignment.skip_empty(static_cast<std::int64_t>(kWindowSteps));
  if (alignment.done() != due) {
    row[1] = static_cast<float>(alignment.done() - due);
    row[2] = 0.0f;
  } else {
    const StepInput given = alignment.take();
    row[0] = static_cast<float>(given.number);
    row[1] = given.chunk ? 1.0f : 0.0f;
    row[2] = static_cast<float>(given.frames.size());
    for (std::size_t i = 0; i < given.frames.size(); ++i) row.at(3 + i) = static_cast<float>(given.frames[i].time);
  }
  rows.insert(rows.end(), row.begin(), row.end());
}

}  // namespace

void check_alignment(File& file) {
  constexpr double kPatience = 2.0;
  const Array& events = file.at("stage_alignment_events");
  const Array& wanted = file.at("stage_alignment_steps");
  const std::span<const float> sound(file.at("stage_alignment_sound").values);
  StreamAlignment alignment(static_cast<int>(file.at("stage_alignment_rate").whole(0)), 1);
  const auto pixel = std::make_shared<const std::vector<std::uint8_t>>(3, std::uint8_t{0});
  std::vector<float> rows;
  std::size_t taken = 0;
  // What is refused changes nothing.
  const std::vector<float> broken{std::numeric_limits<float>::quiet_NaN()}, silent{0.0f};
  int refused = 0;
  const auto refuse = [&](auto push) {
    try {
      push();
    } catch (const std::invalid_argument&) {
      ++refused;
    }
  };
  refuse([&] { alignment.add_sound(broken, 30.0); });
  refuse([&] { alignment.add_sound(silent, 1.7e18); });
  refuse([&] { alignment.add_frame({1.7e18, pixel, 1, 1}); });
  refuse([&] { alignment.add_frame({-1.0, pixel, 1, 1}); });
  file.expect(refused == 4, "input that is none is refused");
  for (std::size_t i = 0; i < events.size(); ++i) {
    const double time = seconds(events[i][1]);
    if (events[i][0] == 0) {
      const auto count = static_cast<std::size_t>(events[i][2]);
      alignment.add_sound(sound.subspan(taken, count), time == -1 ? std::nullopt : std::optional(time));
      taken += count;
    } else {
      alignment.add_frame({time, pixel, 1, 1});
    }
    while (alignment.ready(kPatience)) take_step(alignment, wanted.row(), rows);
  }
  const std::int64_t end = alignment.end();
  while (alignment.done() < end) take_step(alignment, wanted.row(), rows);
  refuse([&] { alignment.add_sound(silent, 90.0); });
  refuse([&] { alignment.add_frame({90.0, pixel, 1, 1}); });
  file.expect(refused == 6, "after its end a stream takes nothing");
  file.expect(furthest(rows, wanted.values) <= 1e-3,
              "steps of sound and pictures: " + std::to_string(rows.size() / wanted.row()));
}

}  // namespace mer::@namespace@::golden
