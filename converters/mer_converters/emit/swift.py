"""Swift for Apple systems: Core ML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from mer_converters.emit.naming import decisions, figures, identifier, means
from mer_converters.emit.registry import register
from mer_converters.emit.source_bundle import Kind, SourceBundle
from mer_converters.emit.template import fill, read_template, wrapped
from mer_sdk.contract.affect import norm
from mer_sdk.runtimes.graph import TensorSpec

_RAW = {"audio": "chunk", "face": "crop"}


@register
class Swift:
    """A Swift package with a library and its tests."""

    name = "swift"
    title = "Swift"
    runtimes: Mapping[str, str] = {"coreml": "Core ML"}
    kinds: tuple[Kind, ...] = ("window",)

    def files(self, source: SourceBundle) -> dict[str, str]:
        """See `Language.files`."""
        module, values = _module(source), _values(source, self.runtimes[source.manifest.target])
        sources = ["Contract.swift", "Graph.swift", "Sensor.swift", "Signature.swift", "StepWindow.swift"]
        sources += ["AudioChunker.swift"] if "audio" in source.modalities else []
        sources += ["FaceCrop.swift"] if "face" in source.modalities else []
        paths = {"Package.swift": "Package.swift"}
        paths |= {f"Sources/{module}/{name}": name for name in sources}
        paths[f"Tests/{module}Tests/GoldenTests.swift"] = "GoldenTests.swift"
        return {path: fill(read_template(f"swift/{name}"), values, source.conditions) for path, name in paths.items()}

    def golden_path(self, source: SourceBundle) -> str:
        """See `Language.golden_path`."""
        return f"Tests/{_module(source)}Tests/Resources/golden.bin"


def _module(source: SourceBundle) -> str:
    return "".join(word.capitalize() for word in source.words) + "Emotion"


def _values(source: SourceBundle, runtime: str) -> dict[str, str]:
    manifest, modalities = source.manifest, source.modalities
    return figures(source, runtime) | {
        "module": _module(source),
        "swift_black_level": repr(float(manifest.face.black_level)),
        "emotions": "\n".join(_emotion(label) for label in manifest.labels),
        "affect": "\n".join(_affect(label) for label in manifest.labels),
        "modalities": "\n".join(f"    case {name}" for name in modalities),
        "mean_cases": "\n".join(f"        case .{name}: return {name}PopulationMean" for name in modalities),
        "means": "\n\n".join(_mean(source, name) for name in modalities),
        "decisions": "\n".join(
            f"        Decision(temperature: {heat}, abstentionThreshold: {threshold}),"
            for heat, threshold in decisions(source)
        ),
        "graphs": "\n\n".join(_graph(source, name) for name in source.graphs),
        "sensor_graphs": ", ".join(f"Contract.{name}" for name in (*modalities, "fusion")),
        "step_parameters": ", ".join(f"{_RAW[name]}: [Float]?" for name in modalities),
        "step_arguments": ", ".join(f"{_RAW[name]}: {_RAW[name]}" for name in modalities),
    }


def _emotion(label: str) -> str:
    name = identifier(label)
    return f"    case {name}" if name == label else f'    case {name} = "{label}"'


def _affect(label: str) -> str:
    valence, arousal = norm(label)
    return f"        case .{identifier(label)}: return ({valence!r}, {arousal!r})"


def _mean(source: SourceBundle, name: str) -> str:
    body = wrapped(means(source, name), "    ")
    return f"private let {name}PopulationMean: [Double] = [\n    {body},\n]"


def _graph(source: SourceBundle, name: str) -> str:
    spec = source.manifest.graphs[name]
    stem = PurePosixPath(spec.file).stem
    lines = [f"    public static let {identifier(name)} = GraphInfo(", f'        name: "{stem}",']
    lines += [*_tensors("inputs", spec.inputs, ","), *_tensors("outputs", spec.outputs, "")]
    return "\n".join([*lines, "    )"])


def _tensors(what: str, tensors: Iterable[TensorSpec], end: str) -> list[str]:
    rows = [
        f'            TensorInfo(name: "{tensor.name}", shape: [{", ".join(map(str, tensor.shape))}]),'
        for tensor in tensors
    ]
    return [f"        {what}: [", *rows, f"        ]{end}"]
