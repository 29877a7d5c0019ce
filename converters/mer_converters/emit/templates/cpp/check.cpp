// @generated@
#include <stdexcept>
#include <string>

#include "graph.hpp"

namespace mer::@namespace@ {

void check_file(const std::filesystem::path& file, const GraphInfo& info) {
  std::error_code missing;
  const auto bytes = std::filesystem::file_size(file, missing);
  if (missing) throw std::runtime_error(file.string() + " is missing; give the folder of the bundle");
  if (bytes != info.bytes) {
    throw std::runtime_error(file.string() + " has " + std::to_string(bytes) + " bytes where the contract says " +
                             std::to_string(info.bytes) + "; emit this code again for this bundle");
  }
  if (sha256(file) != info.sha256) {
    throw std::runtime_error(file.string() + " is not the file that this code was generated from; emit it again");
  }
}

void check_inputs(const std::vector<std::span<const float>>& inputs, const GraphInfo& info) {
  if (inputs.size() != info.inputs.size()) {
    throw std::invalid_argument(std::string(info.file) + " has " + std::to_string(info.inputs.size()) + " inputs");
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].size() != info.inputs[i].elements()) {
      throw std::invalid_argument(std::string(info.inputs[i].name) + " has " + std::to_string(inputs[i].size()) +
                                  " values, needed are " + std::to_string(info.inputs[i].elements()));
    }
  }
}

}  // namespace mer::@namespace@
