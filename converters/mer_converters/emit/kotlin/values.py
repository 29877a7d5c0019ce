"""What depends on the bundle in the templates of Kotlin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mer_converters.emit.naming import decisions, figures, identifier, means, offsets
from mer_converters.emit.source_bundle import SourceBundle
from mer_converters.emit.template import wrapped
from mer_sdk.contract.affect import norm
from mer_sdk.runtimes.graph import TensorSpec

RUNTIMES = {"tflite": "LiteRT", "onnx": "ONNX Runtime"}
DEPENDENCIES = {
    "tflite": "com.google.ai.edge.litert:litert:2.1.5",
    "onnx": "com.microsoft.onnxruntime:onnxruntime-android:1.23.0",
}
_RAW = {"audio": "chunk", "face": "crop"}


def package_name(source: SourceBundle) -> str:
    """The package of a bundle's code."""
    return ".".join(package_words(source))


def package_words(source: SourceBundle) -> tuple[str, ...]:
    """The parts of that name."""
    return ("mer", "_".join(source.words))


def values(source: SourceBundle) -> dict[str, str]:
    """The values of the templates."""
    manifest = source.manifest
    runtime = RUNTIMES[manifest.target]
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
        return f"    {name.upper()}({size}, null, null),"
    vectors = [_vector(means(source, name)), _vector(offsets(source, name))]
    return "\n".join([f"    {name.upper()}(", f"        {size},", *vectors, "    ),"])


def _vector(numbers: Sequence[str]) -> str:
    if not numbers:
        return "        null,"
    return f"        doubleArrayOf(\n            {wrapped(numbers, ' ' * 12)},\n        ),"


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
