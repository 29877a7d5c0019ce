"""Kotlin as a language: which files there are for which bundle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mer_converters.emit.naming import code_conditions, decisions, figures, identifier, means
from mer_converters.emit.registry import register
from mer_converters.emit.source_bundle import Kind, SourceBundle
from mer_converters.emit.template import fill, read_template, wrapped
from mer_sdk.contract.affect import norm
from mer_sdk.runtimes.graph import TensorSpec

_ADAPTERS = {"tflite": "bundle/LiteRtGraph.kt", "onnx": "bundle/OnnxGraph.kt"}
DEPENDENCIES = {
    "tflite": "com.google.ai.edge.litert:litert:2.1.5",
    "onnx": "com.microsoft.onnxruntime:onnxruntime-android:1.23.0",
}
_RAW = {"audio": "chunk", "face": "crop"}
_BUNDLE = ("bundle/Contract.kt", "bundle/Graph.kt", "bundle/Signature.kt")
_ESTIMATES = ("window/Estimate.kt", "window/PersonalBaseline.kt", "window/Json.kt")
_SOUND = ("audio/AudioChunker.kt", "audio/AudioFrontend.kt", "audio/Downmix.kt", "audio/Resampler.kt")
_FACE = (
    "FaceCrop",
    "Correlation",
    "FaceTracker",
    "FaceIdentity",
    "ActiveSpeaker",
    "FaceTracks",
    "FaceSquare",
    "Resize",
)
_WINDOW = ("FeatureWindow", "StepEngine", "Smoother", "Alignment", "Sensor", "Session")


@register
class Kotlin:
    """An Android library with Gradle; all but the runtime's graph and `GoldenTest.kt` is plain Kotlin for any JVM."""

    name = "kotlin"
    title = "Kotlin"
    runtimes: Mapping[str, str] = {"tflite": "LiteRT", "onnx": "ONNX Runtime"}
    kinds: tuple[Kind, ...] = ("window", "dialogue", "finder")

    def files(self, source: SourceBundle) -> dict[str, str]:
        """See `Language.files`."""
        found, holds = values(source), code_conditions(source)
        package = "/".join(_package(source))
        paths = {f"src/main/kotlin/{package}/{name.split('/')[1]}": name for name in _sources(source)}
        paths |= {f"src/androidTest/kotlin/{package}/{name.split('/')[1]}": name for name in _checks(source)}
        paths["build.gradle.kts"] = "bundle/build.gradle.kts"
        return {path: fill(read_template(f"kotlin/{name}"), found, holds) for path, name in paths.items()}

    def golden_path(self, source: SourceBundle) -> str:
        """See `Language.golden_path`."""
        return "src/androidTest/assets/golden.bin"

    def app_files(self, source: SourceBundle, finder: SourceBundle | None) -> dict[str, bytes]:
        """See `Language.app_files`."""
        from mer_converters.emit.kotlin.app import kotlin_app

        return kotlin_app(source, finder)


def package_name(source: SourceBundle) -> str:
    """The package of a bundle's code."""
    return ".".join(_package(source))


def _package(source: SourceBundle) -> tuple[str, ...]:
    return ("mer", "_".join(source.words))


def _sources(source: SourceBundle) -> list[str]:
    """The templates of a bundle's code."""
    found = [*_BUNDLE, _ADAPTERS[source.manifest.target], "face/Frame.kt"]
    if source.kind == "finder":
        return [*found, "face/Resize.kt", "finder/FaceFinder.kt"]
    holds = code_conditions(source)
    found += _ESTIMATES
    found += _SOUND if "sound" in holds else ()
    found += ["audio/VoiceActivity.kt"] if "audio" in holds else []
    found += [f"face/{name}.kt" for name in _FACE] if "face" in holds else []
    if source.kind == "window":
        return found + [f"window/{name}.kt" for name in _WINDOW]
    found += ["dialogue/DialogueEngine.kt", "dialogue/Conversation.kt"]
    found += ["dialogue/TextFrontend.kt"] if "text" in holds else []
    return found + (["dialogue/Utterances.kt"] if "audio" in holds else [])


def _checks(source: SourceBundle) -> list[str]:
    """The templates of the golden test."""
    found = ["Golden", "GoldenCheck", "GoldenTest"]
    if source.kind == "finder":
        found += ["FinderCheck"]
    else:
        found += ["DecisionCheck"]
        found += ["WindowCheck", "AlignmentCheck"] if source.kind == "window" else ["DialogueCheck"]
        found += [f"{'Sound' if name == 'audio' else 'Face'}Check" for name in source.modalities if name != "text"]
    return [f"checks/{name}.kt" for name in found]


def values(source: SourceBundle) -> dict[str, str]:
    """The values of the templates."""
    manifest = source.manifest
    runtime = Kotlin.runtimes[manifest.target]
    shared = {
        "package": package_name(source),
        "dependency": DEPENDENCIES[manifest.target],
        "graphs": "\n\n".join(_graph(source, name) for name in source.graphs),
    }
    if source.kind == "finder":
        return figures(source, runtime) | shared | {"sensor_graphs": "FINDER", "answer": "scores"}
    modalities = source.modalities
    return (
        figures(source, runtime)
        | shared
        | {
            "answer": "logits",
            "emotions": "\n".join(_emotion(label) for label in manifest.labels),
            "modalities": "\n".join(_modality(source, name) for name in modalities),
            "decisions": "\n".join(f"        Decision({heat}, {threshold})," for heat, threshold in decisions(source)),
            "sensor_graphs": ", ".join(name.upper() for name in (*modalities, "fusion")),
            **(_window_values(modalities) if source.kind == "window" else _dialogue_values(modalities)),
        }
    )


def _window_values(modalities: tuple[str, ...]) -> dict[str, str]:
    encoders = [
        f"        {_RAW[name]}?.let {{ features[Modality.{name.upper()}] = "
        f"graphs.getValue(Contract.{name.upper()}).run(listOf(it)).first() }}"
        for name in modalities
    ]
    return {
        "step_parameters": ", ".join(f"{_RAW[name]}: FloatArray?" for name in modalities),
        "step_arguments": ", ".join(_RAW[name] for name in modalities),
        "encode": "\n".join(encoders),
        # How a session calls the sensor's encoders: with both, with a further face alone, with sound alone.
        "crop_alone": ", ".join("null" if name == "audio" else "it.crop" for name in modalities),
        "chunk_alone": ", ".join("it" if name == "audio" else "null" for name in modalities),
        "view_id": "view?.id" if "face" in modalities else "null",
    }


def _dialogue_values(modalities: tuple[str, ...]) -> dict[str, str]:
    return {
        "encoder_graphs": ", ".join(f'"{name}" to Contract.{name.upper()}' for name in modalities),
        "conversation_arguments": ", detector" if "face" in modalities else "",
    }


def _emotion(label: str) -> str:
    valence, arousal = norm(label)
    return f'    {identifier(label).upper()}("{label}", {valence!r}, {arousal!r}),'


def _modality(source: SourceBundle, name: str) -> str:
    size = source.size(name)
    if name not in source.manifest.baseline.population_mean:
        return f"    {name.upper()}({size}, null),"
    body = wrapped(means(source, name), " " * 12)
    return f"    {name.upper()}(\n        {size},\n        doubleArrayOf(\n            {body},\n        ),\n    ),"


def _graph(source: SourceBundle, name: str) -> str:
    spec, sha256 = source.manifest.graphs[name], source.sha256(source.manifest.graphs[name])
    lines = [f"    val {identifier(name).upper()} = GraphInfo(", f'        "{spec.file}",', f'        "{sha256}",']
    return "\n".join([*lines, *_tensors(spec.inputs), *_tensors(spec.outputs), "    )"])


def _tensors(tensors: Iterable[TensorSpec]) -> list[str]:
    rows = []
    for tensor in tensors:
        integer = "true" if tensor.dtype == "int32" else "false"
        rows.append(f'            TensorInfo("{tensor.name}", {integer}, {", ".join(map(str, tensor.shape))}),')
    return ["        listOf(", *rows, "        ),"]
