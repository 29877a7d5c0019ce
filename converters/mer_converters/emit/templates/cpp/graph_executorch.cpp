// @generated@
#include <executorch/runtime/core/data_loader.h>
#include <executorch/runtime/core/evalue.h>
#include <executorch/runtime/core/exec_aten/exec_aten.h>
#include <executorch/runtime/core/hierarchical_allocator.h>
#include <executorch/runtime/executor/method.h>
#include <executorch/runtime/executor/program.h>
#include <executorch/runtime/platform/runtime.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>

#include "graph.hpp"

namespace mer::@namespace@ {
namespace {

namespace et = executorch::runtime;

void check(et::Error error, const char* what) {
  if (error != et::Error::Ok) {
    throw std::runtime_error(std::string(what) + " failed in ExecuTorch with error " +
                             std::to_string(static_cast<int>(error)));
  }
}

// A program that lies in memory as long as it is used.
class MemoryLoader final : public et::DataLoader {
 public:
  explicit MemoryLoader(const std::filesystem::path& file) : data_(std::filesystem::file_size(file)) {
    std::ifstream(file, std::ios::binary).read(data_.data(), static_cast<std::streamsize>(data_.size()));
  }
  et::Result<et::FreeableBuffer> load(size_t offset, size_t size, const SegmentInfo&) const override {
    if (offset > data_.size() || size > data_.size() - offset) return et::Error::InvalidArgument;
    return et::FreeableBuffer(data_.data() + offset, size, nullptr);
  }
  et::Error load_into(size_t offset, size_t size, const SegmentInfo&, void* buffer) const override {
    if (offset > data_.size() || size > data_.size() - offset) return et::Error::InvalidArgument;
    std::memcpy(buffer, data_.data() + offset, size);
    return et::Error::Ok;
  }
  et::Result<size_t> size() const override { return data_.size(); }

 private:
  std::vector<char> data_;
};

// Memory for the runtime's own structures; it grows as long as a method is loaded.
class HeapAllocator final : public et::MemoryAllocator {
 public:
  HeapAllocator() : MemoryAllocator(0, nullptr) {}
  void* allocate(size_t size, size_t alignment) override {
    blocks_.push_back(std::make_unique<char[]>(size + alignment));
    void* start = blocks_.back().get();
    size_t room = size + alignment;
    return std::align(alignment, size, start, room);
  }
  void reset() override { blocks_.clear(); }

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
};

class ExecuTorchGraph final : public Graph {
 public:
  ExecuTorchGraph(const std::filesystem::path& file, const GraphInfo& info) : info_(info), loader_(file) {
    auto program = et::Program::load(&loader_);
    check(program.error(), "reading the program");
    program_.emplace(std::move(program.get()));
    const auto meta = program_->method_meta("forward");
    check(meta.error(), "finding the method forward");
    if (meta->num_inputs() != info.inputs.size() || meta->num_outputs() != info.outputs.size()) {
      throw std::runtime_error(file.string() + " has other inputs or outputs than the contract; emit this code again");
    }
    for (std::size_t i = 0; i < meta->num_memory_planned_buffers(); ++i) {
      const auto bytes = static_cast<std::size_t>(meta->memory_planned_buffer_size(i).get());
      planned_.push_back(std::make_unique<std::uint8_t[]>(bytes));
      spans_.emplace_back(planned_.back().get(), bytes);
    }
    memory_.emplace(et::Span<et::Span<std::uint8_t>>(spans_.data(), spans_.size()));
    manager_.emplace(&method_memory_, &*memory_, &scratch_);
    auto method = program_->load_method("forward", &*manager_);
    check(method.error(), "loading the method forward");
    method_.emplace(std::move(method.get()));
  }

  std::vector<std::vector<float>> run(const std::vector<std::span<const float>>& inputs) override {
    using executorch::aten::ScalarType;
    using executorch::aten::Tensor;
    using executorch::aten::TensorImpl;
    check_inputs(inputs, info_);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto& shape = info_.inputs[i].shape;
      const std::size_t rank = shape.size();
      std::vector<TensorImpl::SizesType> sizes(shape.begin(), shape.end());
      std::vector<TensorImpl::DimOrderType> order(rank);
      std::vector<TensorImpl::StridesType> strides(rank, 1);
      for (std::size_t axis = 0; axis < rank; ++axis) order[axis] = static_cast<TensorImpl::DimOrderType>(axis);
      for (std::size_t axis = rank - 1; axis > 0; --axis) strides[axis - 1] = strides[axis] * sizes[axis];
      // set_input copies what is planned in the program, which is every input of these graphs.
//#if text
      const std::vector<std::int32_t> ids(inputs[i].begin(), inputs[i].end());
      const bool whole = info_.inputs[i].whole;
      const void* data = whole ? static_cast<const void*>(ids.data()) : inputs[i].data();
      TensorImpl tensor(whole ? ScalarType::Int : ScalarType::Float, static_cast<ssize_t>(rank), sizes.data(),
                        const_cast<void*>(data), order.data(), strides.data());
//#else
      TensorImpl tensor(ScalarType::Float, static_cast<ssize_t>(rank), sizes.data(),
                        const_cast<float*>(inputs[i].data()), order.data(), strides.data());
//#end
      check(method_->set_input(et::EValue(Tensor(&tensor)), i), "setting an input");
    }
    check(method_->execute(), "running the graph");
    scratch_.reset();
    std::vector<std::vector<float>> found;
    for (std::size_t i = 0; i < info_.outputs.size(); ++i) {
      const auto tensor = method_->get_output(i).toTensor();
      const float* data = tensor.const_data_ptr<float>();
      found.emplace_back(data, data + info_.outputs[i].elements());
    }
    return found;
  }

 private:
  const GraphInfo& info_;
  // In this order: what comes later refers to what comes before.
  MemoryLoader loader_;
  HeapAllocator method_memory_, scratch_;
  std::vector<std::unique_ptr<std::uint8_t[]>> planned_;
  std::vector<et::Span<std::uint8_t>> spans_;
  std::optional<et::HierarchicalAllocator> memory_;
  std::optional<et::MemoryManager> manager_;
  std::optional<et::Program> program_;
  std::optional<et::Method> method_;
};

}  // namespace

// ExecuTorch has one thread pool for the process (extension/threadpool), which the app sets, so there is no `threads`.
std::unique_ptr<Graph> load_graph(const std::filesystem::path& bundle, const GraphInfo& info, int) {
  et::runtime_init();
  const auto file = bundle / info.file;
  check_file(file, info);
  return std::make_unique<ExecuTorchGraph>(file, info);
}

}  // namespace mer::@namespace@
