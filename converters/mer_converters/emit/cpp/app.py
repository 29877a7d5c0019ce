"""The C++ app: a CMake project with a program for the command line, the bundles' code in folders of it."""

from __future__ import annotations

from mer_converters.emit.cpp.values import namespace
from mer_converters.emit.naming import figures
from mer_converters.emit.source_bundle import SourceBundle
from mer_converters.emit.template import fill, read_template

_FILES = {
    "CMakeLists.txt": "app/CMakeLists.txt",
    "README.md": "app/README.md",
    "cmake/wheels.cmake": "app/wheels.cmake",
    "app/main.cpp": "app/main.cpp",
    "app/options.hpp": "app/options.hpp",
    "app/options.cpp": "app/options.cpp",
    "app/wav.hpp": "app/wav.hpp",
    "app/wav.cpp": "app/wav.cpp",
}
_VIDEO = {"app/raw_video.hpp": "app/raw_video.hpp"}
_LITERT = ("common", "compiled_model", "environment", "model", "options", "tensor_buffer")
# Declarations for builds against a wheel, as they are.
_WHEELS = {
    "onnx": ("wheels/onnx/onnxruntime_cxx_api.h",),
    "tflite": tuple(f"wheels/litert/litert/c/litert_{name}.h" for name in _LITERT),
    "executorch": (),
}


def app_files(source: SourceBundle, finder: SourceBundle | None) -> dict[str, bytes]:
    """The files of the app beside those of the libraries in emotion/ and finder/."""
    values = figures(source, source.manifest.target) | {
        "namespace": namespace(source),
        "finder_namespace": "" if finder is None else namespace(finder),
        "finder_bundle": "" if finder is None else finder.path.name,
    }
    files = _FILES | ({} if finder is None else _VIDEO)
    texts = {path: fill(read_template(f"cpp/{name}"), values, source.conditions) for path, name in files.items()}
    texts |= {path: read_template(f"cpp/{path}") for path in _WHEELS[source.manifest.target]}
    return {path: text.encode() for path, text in texts.items()}
