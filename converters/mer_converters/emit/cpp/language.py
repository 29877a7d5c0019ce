"""C++ as a language: which files there are for which bundle."""

from __future__ import annotations

from collections.abc import Mapping

from mer_converters.emit.cpp.app import app_files
from mer_converters.emit.cpp.unicode import unicode_tables
from mer_converters.emit.cpp.values import values
from mer_converters.emit.golden import golden_bytes
from mer_converters.emit.registry import register
from mer_converters.emit.source_bundle import Kind, SourceBundle
from mer_converters.emit.template import fill, read_template

_ADAPTERS = {"tflite": "graph_litert.cpp", "onnx": "graph_onnx.cpp", "executorch": "graph_executorch.cpp"}
_COMMON = ("contract.hpp", "graph.hpp", "check.cpp", "sha256.cpp", "CMakeLists.txt", "tests/golden_file.hpp")
# Compiled where signatures are checked.
_TRUST = ("trust/signature.hpp", "trust/signature.cpp")
_TESTS = ("tests/golden_file.cpp", "tests/golden_test.cpp")
_ESTIMATE: tuple[str, ...] = (
    "estimate/decision.hpp",
    "estimate/decision.cpp",
    "estimate/baseline.hpp",
    "estimate/baseline.cpp",
)
_ESTIMATE += ("estimate/json.hpp", "estimate/json.cpp", "tests/estimate_stages.cpp")
_WINDOW: tuple[str, ...] = (
    "sensor.hpp",
    "sensor.cpp",
    "stream.hpp",
    "stream.cpp",
    "estimate/smoothing.hpp",
    "estimate/smoothing.cpp",
)
_WINDOW += tuple(
    f"window/{name}.{end}" for name in ("alignment", "feature_window", "persons") for end in ("hpp", "cpp")
)
_WINDOW += ("tests/fusion_script.hpp", "tests/window_stages.cpp")
_SOUND = tuple(f"sound/{name}.{end}" for name in ("resampler", "downmix", "steps") for end in ("hpp", "cpp"))
_VOICE = ("sound/voice.hpp", "sound/voice.cpp")
_PICTURE = ("faces/picture.hpp", "faces/picture.cpp")
_CROP = ("faces/crop.hpp", "faces/crop.cpp")
_FACES = tuple(
    f"faces/{name}.{end}"
    for name in ("square", "patch", "tracker", "identity", "speaker", "tracks")
    for end in ("hpp", "cpp")
)
_FINDER = ("finder/face_finder.hpp", "finder/face_finder.cpp", "tests/finder_stages.cpp")
_DIALOGUE = ("dialogue/conversation.hpp", "dialogue/conversation.cpp", "tests/dialogue_stages.cpp")
_TEXT = ("dialogue/text.hpp", "dialogue/text.cpp", "dialogue/unicode.cpp")
_CUTTER = (*_VOICE, "dialogue/utterances.hpp", "dialogue/utterances.cpp")


@register
class Cpp:
    """A static library with CMake."""

    name = "cpp"
    title = "C++"
    runtimes: Mapping[str, str] = {
        "tflite": "LiteRT (C API)",
        "onnx": "ONNX Runtime (C++ API)",
        "executorch": "ExecuTorch (C++ API)",
    }
    kinds: tuple[Kind, ...] = ("window", "dialogue", "finder")

    def files(self, source: SourceBundle) -> dict[str, str]:
        """See `Language.files`."""
        names = [*_COMMON, *_TRUST, *_TESTS, _ADAPTERS[source.manifest.target], *_of_kind(source)]
        sources = [name for name in names if name.endswith(".cpp") and not name.startswith(("tests/", "trust/"))]
        tests = [name for name in names if name.endswith(".cpp") and name.startswith("tests/")]
        given = values(source, self.runtimes[source.manifest.target], sources, tests)
        if "dialogue/unicode.cpp" in names:
            given |= unicode_tables()
        return {name: fill(read_template(f"cpp/{name}"), given, source.conditions) for name in sorted(names)}

    def golden_path(self, source: SourceBundle) -> str:
        """See `Language.golden_path`."""
        return "golden.bin"

    def app_files(self, source: SourceBundle, finder: SourceBundle | None) -> dict[str, bytes]:
        """See `Language.app_files`."""
        parts = {"emotion": source} | ({"finder": finder} if finder is not None else {})
        contents = app_files(source, finder)
        for folder, bundle in parts.items():
            contents |= {f"{folder}/{name}": text.encode() for name, text in self.files(bundle).items()}
            contents[f"{folder}/{self.golden_path(bundle)}"] = golden_bytes(bundle)
        return contents


def _of_kind(source: SourceBundle) -> list[str]:
    """The files beside those of every bundle."""
    if source.kind == "finder":
        return [*_PICTURE, *_FINDER]
    sound, face = "audio" in source.modalities, "face" in source.modalities
    if source.kind == "dialogue":
        text = _TEXT if "text" in source.modalities else ()
        spoken = (*_SOUND, *_CUTTER) if sound else ()
        return [*_ESTIMATE, *_DIALOGUE, *text, *spoken, *((*_PICTURE, *_CROP) if face else ())]
    both = ("tests/alignment_stages.cpp",) if sound and face else ()
    faces = (*_PICTURE, *_CROP, *_FACES, "tests/face_stages.cpp")
    heard = (*_SOUND, *_VOICE, "tests/sound_stages.cpp")
    return [*_ESTIMATE, *_WINDOW, *(heard if sound else ()), *(faces if face else ()), *both]
