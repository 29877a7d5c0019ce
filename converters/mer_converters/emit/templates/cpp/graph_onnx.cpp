// @generated@
#include <onnxruntime_cxx_api.h>

#include <cstdint>
#include <cstdlib>
//#if text
#include <list>
//#end
#include <stdexcept>
#include <string>

#include "graph.hpp"

namespace mer::@namespace@ {
namespace {

Ort::Env& environment() {
  static Ort::Env env = [] {
    // From 1.29 on ONNX Runtime keeps usage data and may send them, unless told otherwise before its first use.
#ifndef _WIN32
    setenv("ORT_DISABLE_TELEMETRY", "1", 0);
#endif
    Ort::Env made(ORT_LOGGING_LEVEL_WARNING, "mer");
    made.DisableTelemetryEvents();
    return made;
  }();
  return env;
}

class OnnxGraph final : public Graph {
 public:
  OnnxGraph(const std::filesystem::path& file, const GraphInfo& info, int threads)
      : info_(info), session_(environment(), file.c_str(), options(threads)) {
    Ort::AllocatorWithDefaultOptions allocator;
    // The runtime's names may differ from the contract's: position is what counts.
    for (std::size_t i = 0; i < session_.GetInputCount(); ++i) {
      inputs_.emplace_back(session_.GetInputNameAllocated(i, allocator).get());
    }
    for (std::size_t i = 0; i < session_.GetOutputCount(); ++i) {
      outputs_.emplace_back(session_.GetOutputNameAllocated(i, allocator).get());
    }
    if (inputs_.size() != info.inputs.size() || outputs_.size() != info.outputs.size()) {
      throw std::runtime_error(file.string() + " has other inputs or outputs than the contract; emit this code again");
    }
  }

  std::vector<std::vector<float>> run(const std::vector<std::span<const float>>& inputs) override {
    check_inputs(inputs, info_);
    std::vector<Ort::Value> values;
    std::vector<const char*> in, out;
//#if text
    std::list<std::vector<std::int32_t>> ids;
//#end
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto& shape = info_.inputs[i].shape;
      in.push_back(inputs_[i].c_str());
//#if text
      if (info_.inputs[i].whole) {
        ids.emplace_back(inputs[i].begin(), inputs[i].end());
        values.push_back(Ort::Value::CreateTensor<std::int32_t>(memory_, ids.back().data(), ids.back().size(),
                                                                shape.data(), shape.size()));
        continue;
      }
//#end
      // ONNX Runtime does not write to its inputs; its C API takes them as mutable all the same.
      values.push_back(Ort::Value::CreateTensor<float>(memory_, const_cast<float*>(inputs[i].data()),
                                                       inputs[i].size(), shape.data(), shape.size()));
    }
    for (const auto& name : outputs_) out.push_back(name.c_str());
    auto results =
        session_.Run(Ort::RunOptions{nullptr}, in.data(), values.data(), values.size(), out.data(), out.size());
    std::vector<std::vector<float>> found;
    for (std::size_t i = 0; i < results.size(); ++i) {
      const float* data = results[i].GetTensorData<float>();
      found.emplace_back(data, data + info_.outputs[i].elements());
    }
    return found;
  }

 private:
  static Ort::SessionOptions options(int threads) {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(threads);
    return options;
  }

  const GraphInfo& info_;
  Ort::Session session_;
  Ort::MemoryInfo memory_ = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  std::vector<std::string> inputs_, outputs_;
};

}  // namespace

std::unique_ptr<Graph> load_graph(const std::filesystem::path& bundle, const GraphInfo& info, int threads) {
  const auto file = bundle / info.file;
  check_file(file, info);
  return std::make_unique<OnnxGraph>(file, info, threads);
}

}  // namespace mer::@namespace@
