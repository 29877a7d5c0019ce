// @generated@
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "graph.hpp"
#include "litert/c/litert_common.h"
#include "litert/c/litert_compiled_model.h"
#include "litert/c/litert_environment.h"
#include "litert/c/litert_model.h"
#include "litert/c/litert_options.h"
#include "litert/c/litert_tensor_buffer.h"

// Written for the C API of LiteRT 2.3, whose LiteRtCreateModelFromFile takes the environment.

namespace mer::@namespace@ {
namespace {

void check(LiteRtStatus status, const char* what) {
  if (status != kLiteRtStatusOk) {
    throw std::runtime_error(std::string(what) + " failed in LiteRT with status " + std::to_string(status));
  }
}

LiteRtEnvironment environment() {
  // One for the process, as LiteRT asks for.
  static const LiteRtEnvironment shared = [] {
    LiteRtEnvironment made = nullptr;
    check(LiteRtCreateEnvironment(0, nullptr, &made), "creating the environment");
    return made;
  }();
  return shared;
}

// The tools write names such as args_10, sorted as text; their numbers give the order of the contract.
std::vector<LiteRtParamIndex> by_number(const std::vector<std::string>& names) {
  std::vector<LiteRtParamIndex> order(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) order[i] = i;
  const auto number = [&](LiteRtParamIndex i) {
    const auto mark = names[i].rfind('_');
    return mark == std::string::npos ? static_cast<long>(i) : std::atol(names[i].c_str() + mark + 1);
  };
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return number(a) < number(b); });
  return order;
}

class LiteRtGraph final : public Graph {
 public:
  LiteRtGraph(const std::filesystem::path& file, const GraphInfo& info) : info_(info) {
    try {
      open(file);
    } catch (...) {
      release();
      throw;
    }
  }
  ~LiteRtGraph() override { release(); }

  std::vector<std::vector<float>> run(const std::vector<std::span<const float>>& inputs) override {
    check_inputs(inputs, info_);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      void* memory = nullptr;
      const auto buffer = inputs_[input_order_[i]];
      check(LiteRtLockTensorBuffer(buffer, &memory, kLiteRtTensorBufferLockModeWrite), "locking an input");
//#if text
      if (info_.inputs[i].whole) {
        std::copy(inputs[i].begin(), inputs[i].end(), static_cast<std::int32_t*>(memory));
      } else {
        std::memcpy(memory, inputs[i].data(), inputs[i].size_bytes());
      }
//#else
      std::memcpy(memory, inputs[i].data(), inputs[i].size_bytes());
//#end
      check(LiteRtUnlockTensorBuffer(buffer), "unlocking an input");
    }
    check(LiteRtRunCompiledModel(model_, 0, inputs_.size(), inputs_.data(), outputs_.size(), outputs_.data()),
          "running the graph");
    std::vector<std::vector<float>> found;
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      void* memory = nullptr;
      const auto buffer = outputs_[output_order_[i]];
      check(LiteRtLockTensorBuffer(buffer, &memory, kLiteRtTensorBufferLockModeRead), "locking an output");
      const auto* data = static_cast<const float*>(memory);
      found.emplace_back(data, data + info_.outputs[i].elements());
      check(LiteRtUnlockTensorBuffer(buffer), "unlocking an output");
    }
    return found;
  }

 private:
  void open(const std::filesystem::path& file) {
    check(LiteRtCreateModelFromFile(environment(), file.c_str(), &file_), "reading the file");
    check(LiteRtCreateOptions(&options_), "creating options");
    check(LiteRtSetOptionsHardwareAccelerators(options_, kLiteRtHwAcceleratorCpu), "choosing the CPU");
    check(LiteRtCreateCompiledModel(environment(), file_, options_, &model_), "compiling the graph");
    LiteRtSignature signature = nullptr;
    check(LiteRtGetModelSignature(file_, 0, &signature), "finding the signature");
    LiteRtParamIndex inputs = 0, outputs = 0;
    check(LiteRtGetNumSignatureInputs(signature, &inputs), "counting inputs");
    check(LiteRtGetNumSignatureOutputs(signature, &outputs), "counting outputs");
    if (inputs != info_.inputs.size() || outputs != info_.outputs.size()) {
      throw std::runtime_error(file.string() + " has other inputs or outputs than the contract; emit this code again");
    }
    std::vector<std::string> in, out;
    for (LiteRtParamIndex i = 0; i < inputs; ++i) {
      const char* name = nullptr;
      LiteRtTensor tensor = nullptr;
      LiteRtTensorBufferRequirements needs = nullptr;
      check(LiteRtGetSignatureInputName(signature, i, &name), "naming an input");
      check(LiteRtGetSignatureInputTensorByIndex(signature, i, &tensor), "finding an input");
      check(LiteRtGetCompiledModelInputBufferRequirements(model_, 0, i, &needs), "measuring an input");
      in.emplace_back(name);
      inputs_.push_back(buffer(tensor, needs));
    }
    for (LiteRtParamIndex i = 0; i < outputs; ++i) {
      const char* name = nullptr;
      LiteRtTensor tensor = nullptr;
      LiteRtTensorBufferRequirements needs = nullptr;
      check(LiteRtGetSignatureOutputName(signature, i, &name), "naming an output");
      check(LiteRtGetSignatureOutputTensorByIndex(signature, i, &tensor), "finding an output");
      check(LiteRtGetCompiledModelOutputBufferRequirements(model_, 0, i, &needs), "measuring an output");
      out.emplace_back(name);
      outputs_.push_back(buffer(tensor, needs));
    }
    input_order_ = by_number(in);
    output_order_ = by_number(out);
  }

  LiteRtTensorBuffer buffer(LiteRtTensor tensor, LiteRtTensorBufferRequirements needs) {
    LiteRtRankedTensorType type{};
    check(LiteRtGetRankedTensorType(tensor, &type), "reading a shape");
    LiteRtTensorBuffer made = nullptr;
    check(LiteRtCreateManagedTensorBufferFromRequirements(environment(), &type, needs, &made), "making a buffer");
    return made;
  }

  void release() {
    for (auto one : inputs_) LiteRtDestroyTensorBuffer(one);
    for (auto one : outputs_) LiteRtDestroyTensorBuffer(one);
    if (model_) LiteRtDestroyCompiledModel(model_);
    if (options_) LiteRtDestroyOptions(options_);
    if (file_) LiteRtDestroyModel(file_);
  }

  const GraphInfo& info_;
  LiteRtModel file_ = nullptr;
  LiteRtOptions options_ = nullptr;
  LiteRtCompiledModel model_ = nullptr;
  std::vector<LiteRtTensorBuffer> inputs_, outputs_;
  std::vector<LiteRtParamIndex> input_order_, output_order_;
};

}  // namespace

// LiteRT's C API leaves the number of threads to its CPU options, which differ between versions: one thread is used.
std::unique_ptr<Graph> load_graph(const std::filesystem::path& bundle, const GraphInfo& info, int) {
  const auto file = bundle / info.file;
  check_file(file, info);
  return std::make_unique<LiteRtGraph>(file, info);
}

}  // namespace mer::@namespace@
