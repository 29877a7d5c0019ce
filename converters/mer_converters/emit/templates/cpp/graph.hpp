// @generated@
#pragma once

#include <filesystem>
#include <memory>
#include <span>
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
/// @throws std::runtime_error it is missing, has another size than the contract says, or does not load.
std::unique_ptr<Graph> load_graph(const std::filesystem::path& bundle, const GraphInfo& info, int threads);

/// Throws where a file is not the one that the contract was made from, or inputs are not those of the graph.
void check_file(const std::filesystem::path& file, const GraphInfo& info);
void check_inputs(const std::vector<std::span<const float>>& inputs, const GraphInfo& info);

}  // namespace mer::@namespace@
