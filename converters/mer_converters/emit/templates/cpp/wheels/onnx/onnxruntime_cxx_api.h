// For builds against the Python wheel of ONNX Runtime, which has the library and no headers; an SDK has its own:
// what the generated code uses of the C++ API, over the C ABI. The functions of the first ABI version lie at fixed
// places of a table that later versions only append to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

struct OrtApiBase {
  const void* (*GetApi)(std::uint32_t version);
  const char* (*GetVersionString)();
};
extern "C" const OrtApiBase* OrtGetApiBase();

enum OrtLoggingLevel { ORT_LOGGING_LEVEL_WARNING = 2 };
enum OrtAllocatorType { OrtArenaAllocator = 1 };
enum OrtMemType { OrtMemTypeDefault = 0 };

namespace Ort {
namespace abi {

enum Place {
  GetErrorMessage = 2,
  CreateEnv = 3,
  DisableTelemetry = 6,
  CreateSession = 7,
  RunSession = 9,
  CreateSessionOptions = 10,
  SetIntraOpNumThreads = 24,
  SessionGetInputCount = 30,
  SessionGetOutputCount = 31,
  SessionGetInputName = 36,
  SessionGetOutputName = 37,
  CreateTensorWithData = 49,
  GetTensorMutableData = 51,
  CreateCpuMemoryInfo = 69,
  AllocatorFree = 76,
  GetAllocator = 78,
  ReleaseEnv = 92,
  ReleaseStatus = 93,
  ReleaseMemoryInfo = 94,
  ReleaseSession = 95,
  ReleaseValue = 96,
  ReleaseSessionOptions = 100,
};

template <typename Result, typename... Arguments>
Result call(Place place, Arguments... arguments) {
  static const auto* table = static_cast<void* const*>(OrtGetApiBase()->GetApi(1));
  return reinterpret_cast<Result (*)(Arguments...)>(table[place])(arguments...);
}

template <typename... Arguments>
void checked(Place place, Arguments... arguments) {
  if (void* status = call<void*>(place, arguments...)) {
    const std::string message = call<const char*>(GetErrorMessage, static_cast<const void*>(status));
    call<void>(ReleaseStatus, status);
    throw std::runtime_error(message);
  }
}

// Owns one handle.
template <Place kRelease>
class Owned {
 public:
  Owned() = default;
  Owned(Owned&& other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
  Owned& operator=(Owned&&) = delete;
  ~Owned() {
    if (handle) call<void>(kRelease, handle);
  }
  void* handle = nullptr;
};

}  // namespace abi

class Env : public abi::Owned<abi::ReleaseEnv> {
 public:
  Env(OrtLoggingLevel level, const char* name) {
    abi::checked(abi::CreateEnv, static_cast<int>(level), name, &handle);
  }
  Env& DisableTelemetryEvents() {
    abi::checked(abi::DisableTelemetry, static_cast<const void*>(handle));
    return *this;
  }
};

class SessionOptions : public abi::Owned<abi::ReleaseSessionOptions> {
 public:
  SessionOptions() { abi::checked(abi::CreateSessionOptions, &handle); }
  SessionOptions& SetIntraOpNumThreads(int threads) {
    abi::checked(abi::SetIntraOpNumThreads, handle, threads);
    return *this;
  }
};

class MemoryInfo : public abi::Owned<abi::ReleaseMemoryInfo> {
 public:
  static MemoryInfo CreateCpu(OrtAllocatorType allocator, OrtMemType memory) {
    MemoryInfo made;
    abi::checked(abi::CreateCpuMemoryInfo, static_cast<int>(allocator), static_cast<int>(memory), &made.handle);
    return made;
  }
};

class Value : public abi::Owned<abi::ReleaseValue> {
 public:
  Value() = default;
  template <typename T>
  static Value CreateTensor(const MemoryInfo& memory, T* data, std::size_t count, const std::int64_t* shape,
                            std::size_t rank) {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, std::int32_t>);
    Value made;
    abi::checked(abi::CreateTensorWithData, static_cast<const void*>(memory.handle), static_cast<void*>(data),
                 count * sizeof(T), shape, rank, std::is_same_v<T, float> ? 1 : 6, &made.handle);
    return made;
  }
  template <typename T>
  const T* GetTensorData() const {
    void* data = nullptr;
    abi::checked(abi::GetTensorMutableData, handle, &data);
    return static_cast<const T*>(data);
  }
};

class AllocatorWithDefaultOptions {
 public:
  AllocatorWithDefaultOptions() { abi::checked(abi::GetAllocator, &handle); }
  void* handle = nullptr;
};

struct RunOptions {
  explicit RunOptions(std::nullptr_t) {}
};

struct AllocatedName {
  void* allocator;
  void operator()(char* text) const { abi::checked(abi::AllocatorFree, allocator, static_cast<void*>(text)); }
};

class Session : public abi::Owned<abi::ReleaseSession> {
 public:
  Session(Env& env, const char* path, const SessionOptions& options) {
    abi::checked(abi::CreateSession, static_cast<const void*>(env.handle), path,
                 static_cast<const void*>(options.handle), &handle);
  }
  std::size_t GetInputCount() const { return count(abi::SessionGetInputCount); }
  std::size_t GetOutputCount() const { return count(abi::SessionGetOutputCount); }
  std::unique_ptr<char, AllocatedName> GetInputNameAllocated(std::size_t index, AllocatorWithDefaultOptions& a) const {
    return name(abi::SessionGetInputName, index, a);
  }
  std::unique_ptr<char, AllocatedName> GetOutputNameAllocated(std::size_t index, AllocatorWithDefaultOptions& a) const {
    return name(abi::SessionGetOutputName, index, a);
  }
  std::vector<Value> Run(const RunOptions&, const char* const* in, const Value* values, std::size_t inputs,
                         const char* const* out, std::size_t outputs) {
    std::vector<const void*> given;
    for (std::size_t i = 0; i < inputs; ++i) given.push_back(values[i].handle);
    std::vector<void*> made(outputs, nullptr);
    abi::checked(abi::RunSession, handle, static_cast<const void*>(nullptr), in, given.data(), inputs, out, outputs,
                 made.data());
    std::vector<Value> found(outputs);
    for (std::size_t i = 0; i < outputs; ++i) found[i].handle = made[i];
    return found;
  }

 private:
  std::size_t count(abi::Place place) const {
    std::size_t number = 0;
    abi::checked(place, static_cast<const void*>(handle), &number);
    return number;
  }
  std::unique_ptr<char, AllocatedName> name(abi::Place place, std::size_t index, AllocatorWithDefaultOptions& a) const {
    char* text = nullptr;
    abi::checked(place, static_cast<const void*>(handle), index, a.handle, &text);
    return {text, AllocatedName{a.handle}};
  }
};

}  // namespace Ort
