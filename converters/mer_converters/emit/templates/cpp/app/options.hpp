// @generated@
#pragma once

#include <cstddef>
#include <string>

namespace app {

/// What is asked for on the command line.
struct Options {
  std::string bundle, finder, sound, video, trust, baseline, save_baseline;
  int width = 0, height = 0;
  double frames_per_second = 0, smooth = 0, margin = 0, enrol = 0;
  std::size_t faces = 1;
};

/// @throws std::invalid_argument an option that is not known, or a value that is none.
Options read_options(int count, char** arguments);

/// The options in words.
std::string usage();

}  // namespace app
