// For tests alone: the graphs of a bundle for a JVM, through the generated C++ of the same bundle.
#include <jni.h>

#include <exception>

#include "graph.hpp"

using namespace mer::NAMESPACE;

namespace {

std::vector<float> values(JNIEnv* env, jobject array) {
  const auto floats = static_cast<jfloatArray>(array);
  std::vector<float> copied(static_cast<std::size_t>(env->GetArrayLength(floats)));
  env->GetFloatArrayRegion(floats, 0, static_cast<jsize>(copied.size()), copied.data());
  return copied;
}

template <typename Result, typename Action>
Result guarded(JNIEnv* env, Action action) {
  try {
    return action();
  } catch (const std::exception& error) {
    env->ThrowNew(env->FindClass("java/lang/IllegalStateException"), error.what());
    return {};
  }
}

}  // namespace

extern "C" JNIEXPORT jlong JNICALL Java_mer_standin_NativeGraph_open(JNIEnv* env, jobject, jstring folder, jlong bytes) {
  return guarded<jlong>(env, [&]() -> jlong {
    const char* path = env->GetStringUTFChars(folder, nullptr);
    const std::filesystem::path bundle(path);
    env->ReleaseStringUTFChars(folder, path);
    for (const GraphInfo* info : {&kAudioGraph, &kFaceGraph, &kFusionGraph}) {
      if (info->bytes == static_cast<std::uintmax_t>(bytes)) {
        return reinterpret_cast<jlong>(load_graph(bundle, *info, 1).release());
      }
    }
    throw std::runtime_error("no graph of the bundle has so many bytes");
  });
}

extern "C" JNIEXPORT jobjectArray JNICALL Java_mer_standin_NativeGraph_run(JNIEnv* env, jobject, jlong handle,
                                                                          jobjectArray inputs) {
  return guarded<jobjectArray>(env, [&] {
    std::vector<std::vector<float>> given;
    for (jsize i = 0; i < env->GetArrayLength(inputs); ++i) {
      given.push_back(values(env, env->GetObjectArrayElement(inputs, i)));
    }
    const std::vector<std::span<const float>> spans(given.begin(), given.end());
    const auto found = reinterpret_cast<Graph*>(handle)->run(spans);
    const auto result =
        env->NewObjectArray(static_cast<jsize>(found.size()), env->FindClass("[F"), nullptr);
    for (std::size_t i = 0; i < found.size(); ++i) {
      const auto array = env->NewFloatArray(static_cast<jsize>(found[i].size()));
      env->SetFloatArrayRegion(array, 0, static_cast<jsize>(found[i].size()), found[i].data());
      env->SetObjectArrayElement(result, static_cast<jsize>(i), array);
    }
    return result;
  });
}

extern "C" JNIEXPORT void JNICALL Java_mer_standin_NativeGraph_close(JNIEnv*, jobject, jlong handle) {
  delete reinterpret_cast<Graph*>(handle);
}
