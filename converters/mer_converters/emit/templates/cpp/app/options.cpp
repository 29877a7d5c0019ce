// @generated@
#include "app/options.hpp"

#include <cstdlib>
#include <functional>
#include <map>
#include <stdexcept>

namespace app {
namespace {

double number(const std::string& option, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= 0)) {
    throw std::invalid_argument(option + " is " + text + "; give a number, 0 or more");
  }
  return value;
}

}  // namespace

std::string usage() {
  return R"(mer_app: a line of emotion for each step of a recording

  --sound FILE.wav          sound, 16 or 32 bits, any rate, any channels
//#if face
  --video FILE.rgb          raw RGB frames; "-" reads them from the standard input
  --size WIDTHxHEIGHT       of its frames, pixels
  --fps N                   its frames a second, such as 29.97
  --faces N                 how many faces are followed, 1 to 8 (1)
  --finder BUNDLE           the face finder's bundle
//#end
  --bundle BUNDLE           the emotion model's bundle
  --smooth SECONDS          time constant of the mean over the steps (0: off)
  --margin SHARE            by how much a new label must lead (0: off)
  --enrol SECONDS           the first seconds are neutral: the baseline begins with them
  --baseline FILE           begin with a stored baseline
  --save-baseline FILE      store the baseline at the end
  --trust KEY               only bundles that this key signed: ed25519:BASE64

ffmpeg makes the input:
  ffmpeg -i clip.mp4 -vn -c:a pcm_f32le clip.wav
//#if face
  ffmpeg -i clip.mp4 -an -fps_mode passthrough -f rawvideo -pix_fmt rgb24 clip.rgb
  ffprobe -select_streams v -show_entries stream=width,height,avg_frame_rate clip.mp4
//#end
)";
}

Options read_options(int count, char** arguments) {
  Options options;
  using Setter = std::function<void(const std::string&, const std::string&)>;
  const auto text = [](std::string& place) -> Setter {
    return [&](const auto& option, const auto& given) {
      if (given.empty()) throw std::invalid_argument(option + " is empty; give a value or leave it out");
      place = given;
    };
  };
  const auto value = [](double& place) -> Setter {
    return [&](const auto& option, const auto& given) { place = number(option, given); };
  };
  std::map<std::string, Setter> known{
      {"--bundle", text(options.bundle)},       {"--sound", text(options.sound)},
      {"--trust", text(options.trust)},         {"--baseline", text(options.baseline)},
      {"--smooth", value(options.smooth)},      {"--margin", value(options.margin)},
      {"--enrol", value(options.enrol)},        {"--save-baseline", text(options.save_baseline)},
  };
//#if face
  known["--finder"] = text(options.finder);
  known["--video"] = text(options.video);
  known["--fps"] = value(options.frames_per_second);
  known["--faces"] = [&](const auto& option, const auto& given) {
    options.faces = static_cast<std::size_t>(number(option, given));
  };
  known["--size"] = [&](const auto& option, const auto& given) {
    const std::size_t mark = given.find('x');
    if (mark == std::string::npos) throw std::invalid_argument(option + " is " + given + "; give WIDTHxHEIGHT");
    options.width = static_cast<int>(number(option, given.substr(0, mark)));
    options.height = static_cast<int>(number(option, given.substr(mark + 1)));
  };
//#end
  for (int i = 1; i < count; i += 2) {
    const auto setter = known.find(arguments[i]);
    if (setter == known.end() || i + 1 == count) {
      const char* why = setter == known.end() ? " is not known" : " needs a value";
      throw std::invalid_argument(arguments[i] + std::string(why));
    }
    setter->second(arguments[i], arguments[i + 1]);
  }
  if (options.sound.empty() && options.video.empty()) throw std::invalid_argument("nothing to read was given");
  if (options.enrol > 3600) throw std::invalid_argument("--enrol is over an hour; give seconds, such as 4");
//#if face
  if (!options.video.empty() && (options.width < 1 || options.height < 1 || !(options.frames_per_second > 0))) {
    throw std::invalid_argument("--video needs --size and --fps");
  }
//#end
  return options;
}

}  // namespace app
