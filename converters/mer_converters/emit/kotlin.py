"""Kotlin for Android: LiteRT or ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mer_converters.emit.naming import decisions, figures, identifier, means
from mer_converters.emit.registry import register
from mer_converters.emit.source_bundle import Kind, SourceBundle
from mer_converters.emit.template import fill, read_template, wrapped
from mer_sdk.contract.affect import norm
from mer_sdk.runtimes.graph import TensorSpec

_ADAPTERS = {"tflite": "LiteRtGraph.kt", "onnx": "OnnxGraph.kt"}
_DEPENDENCIES = {
    "tflite": "com.google.ai.edge.litert:litert:2.1.5",
    "onnx": "com.microsoft.onnxruntime:onnxruntime-android:1.23.0",
}
_RAW = {"audio": "chunk", "face": "crop"}
_TESTS = ("GoldenCheck.kt", "GoldenTest.kt")


@register
class Kotlin:
    """An Android library with Gradle; all but `GoldenTest.kt` is plain Kotlin that any JVM runs."""

    name = "kotlin"
    title = "Kotlin"
    runtimes: Mapping[str, str] = {"tflite": "LiteRT", "onnx": "ONNX Runtime"}
    kinds: tuple[Kind, ...] = ("window",)

    def files(self, source: SourceBundle) -> dict[str, str]:
        """See `Language.files`."""
        values = _values(source, self.runtimes[source.manifest.target])
        sources = ["Contract.kt", "Graph.kt", _ADAPTERS[source.manifest.target], "Sensor.kt"]
        sources += ["Signature.kt", "StepWindow.kt"]
        sources += ["AudioChunker.kt"] if "audio" in source.modalities else []
        sources += ["FaceCrop.kt"] if "face" in source.modalities else []
        package = "/".join(_package(source))
        paths = {f"src/main/kotlin/{package}/{name}": name for name in sources}
        paths |= {f"src/androidTest/kotlin/{package}/{name}": name for name in _TESTS}
        paths["build.gradle.kts"] = "build.gradle.kts"
        return {path: fill(read_template(f"kotlin/{name}"), values, source.conditions) for path, name in paths.items()}

    def golden_path(self, source: SourceBundle) -> str:
        """See `Language.golden_path`."""
        return "src/androidTest/assets/golden.bin"


def _package(source: SourceBundle) -> tuple[str, ...]:
    return ("mer", "_".join(source.words))


def _values(source: SourceBundle, runtime: str) -> dict[str, str]:
    manifest, modalities = source.manifest, source.modalities
    encoders = [
        f"        {_RAW[name]}?.let {{ features[Modality.{name.upper()}] = "
        f"graphs.getValue(Contract.{name.upper()}).run(listOf(it)).first() }}"
        for name in modalities
    ]
    return figures(source, runtime) | {
        "package": ".".join(_package(source)),
        "dependency": _DEPENDENCIES[manifest.target],
        "emotions": "\n".join(_emotion(label) for label in manifest.labels),
        "modalities": "\n".join(_modality(source, name) for name in modalities),
        "decisions": "\n".join(f"        Decision({heat}, {threshold})," for heat, threshold in decisions(source)),
        "graphs": "\n\n".join(_graph(source, name) for name in source.graphs),
        "sensor_graphs": ", ".join(f"Contract.{name.upper()}" for name in (*modalities, "fusion")),
        "step_parameters": ", ".join(f"{_RAW[name]}: FloatArray?" for name in modalities),
        "step_arguments": ", ".join(_RAW[name] for name in modalities),
        "encode": "\n".join(encoders),
    }


def _emotion(label: str) -> str:
    valence, arousal = norm(label)
    return f'    {identifier(label).upper()}("{label}", {valence!r}, {arousal!r}),'


def _modality(source: SourceBundle, name: str) -> str:
    body = wrapped(means(source, name), " " * 12)
    return f"    {name.upper()}(\n        doubleArrayOf(\n            {body},\n        ),\n    ),"


def _graph(source: SourceBundle, name: str) -> str:
    spec, sha256 = source.manifest.graphs[name], source.sha256(source.manifest.graphs[name])
    lines = [f"    val {identifier(name).upper()} = GraphInfo(", f'        "{spec.file}",', f'        "{sha256}",']
    return "\n".join([*lines, *_tensors(spec.inputs), *_tensors(spec.outputs), "    )"])


def _tensors(tensors: Iterable[TensorSpec]) -> list[str]:
    rows = [f'            TensorInfo("{tensor.name}", {", ".join(map(str, tensor.shape))}),' for tensor in tensors]
    return ["        listOf(", *rows, "        ),"]
