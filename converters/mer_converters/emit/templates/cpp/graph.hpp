// @generated@
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "contract.hpp"

namespace mer::@namespace@ {

/// One graph in @runtime@.
class Graph {
 public:
  virtual ~Graph() = default;
  /// Runs the graph. Inputs and outputs are in the order of its `GraphInfo`.
  /// @throws std::invalid_argument another number of inputs or of values.
  /// @throws std::runtime_error the runtime failed; its message says why.
  virtual std::vector<std::vector<float>> run(const std::vector<std::span<const float>>& inputs) = 0;

 protected:
  Graph() = default;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
};

/// Loads a graph of the bundle, such as `kFusionGraph`.
/// @throws std::runtime_error it is missing, is not the file that the contract was made from, or does not load.
std::unique_ptr<Graph> load_graph(const std::filesystem::path& bundle, const GraphInfo& info, int threads);

/// Throws where a file is not the one that the contract was made from, or inputs are not those of the graph.
void check_file(const std::filesystem::path& file, const GraphInfo& info);
/// The sha256 of a file, hexadecimal.
std::string sha256(const std::filesystem::path& file);
void check_inputs(const std::vector<std::span<const float>>& inputs, const GraphInfo& info);

}  // namespace mer::@namespace@
