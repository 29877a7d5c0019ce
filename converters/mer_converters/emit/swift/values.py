"""What depends on the bundle in the templates of Swift."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from mer_converters.emit.naming import decisions, figures, identifier, means, offsets
from mer_converters.emit.source_bundle import SourceBundle
from mer_converters.emit.template import wrapped
from mer_sdk.contract.affect import norm
from mer_sdk.contract.golden import RAW
from mer_sdk.runtimes.graph import TensorSpec

RUNTIMES = {"coreml": "Core ML"}
_RAW = {"audio": "chunk", "face": "crop"}


def module_name(source: SourceBundle) -> str:
    """The module of a bundle's code."""
    # No type may have the module's name.
    return "".join(word.capitalize() for word in source.words) + ("Model" if source.kind == "finder" else "Emotion")


def values(source: SourceBundle) -> dict[str, str]:
    """The values of the templates."""
    manifest, modalities = source.manifest, source.modalities
    shared = figures(source, RUNTIMES[manifest.target]) | {
        "module": module_name(source),
        "graphs": "\n\n".join(_graph(source, name) for name in source.graphs),
    }
    if source.kind == "finder":
        return shared | {"sensor_graphs": "finder"}
    means_of = {name: means(source, name) for name in modalities if name in manifest.baseline.population_mean}
    offsets_of = {name: numbers for name in means_of if (numbers := offsets(source, name))}
    return shared | {
        "swift_black_level": repr(float(manifest.face.black_level)),
        "emotions": "\n".join(_emotion(label) for label in manifest.labels),
        "affect": "\n".join(_affect(label) for label in manifest.labels),
        "modalities": "\n".join(f"    case {name}" for name in modalities),
        "sizes": "\n".join(f"        case .{name}: return {source.size(name)}" for name in modalities),
        "mean_cases": _cases("PopulationMean", modalities, means_of),
        "offset_cases": _cases("NeutralOffset", modalities, offsets_of),
        "vectors": "\n\n".join([*_vectors("PopulationMean", means_of), *_vectors("NeutralOffset", offsets_of)]),
        "decisions": "\n".join(
            f"        Decision(temperature: {heat}, abstentionThreshold: {threshold}),"
            for heat, threshold in decisions(source)
        ),
        "sensor_graphs": ", ".join((*modalities, "fusion")),
        **(_window_values(modalities) if source.kind == "window" else _dialogue_values(modalities)),
    }


def _window_values(modalities: tuple[str, ...]) -> dict[str, str]:
    parameters = {"audio": "speech: SpeechModel? = nil", "face": "detector: FaceDetector? = nil"}
    return {
        "step_parameters": ", ".join(f"{_RAW[name]}: [Float]?" for name in modalities),
        "step_arguments": ", ".join(f"{_RAW[name]}: {_RAW[name]}" for name in modalities),
        "session_parameters": "".join(f",\n        {parameters[name]}" for name in reversed(modalities)),
        # How a session calls the sensor's encoders for a further face alone, and for sound alone.
        "crop_alone": ", ".join("chunk: nil" if name == "audio" else "crop: look.crop" for name in modalities),
        "chunk_alone": ", ".join("chunk: $0" if name == "audio" else "crop: nil" for name in modalities),
        "view_id": "view?.id" if "face" in modalities else "nil",
    }


def _dialogue_values(modalities: tuple[str, ...]) -> dict[str, str]:
    parameters = {"text": "text: String? = nil", "audio": "sound: Sound? = nil", "face": "frames: [TimedFrame] = []"}
    graph = "try Graph(Contract.{0}, in: folder, configuration: configuration)"
    return {
        "detector_parameter": ",\n        detector: FaceDetector? = nil" if "face" in modalities else "",
        "encoder_graphs": "\n".join(f"            .{name}: {graph.format(name)}," for name in modalities),
        "push_parameters": ", ".join(("speaker: String? = nil", *(parameters[name] for name in modalities))),
        "said": "text" if "text" in modalities else "nil",
        "raw_names": ", ".join(f'.{name}: "{RAW[name]}"' for name in modalities),
    }


def _emotion(label: str) -> str:
    name = identifier(label)
    return f"    case {name}" if name == label else f'    case {name} = "{label}"'


def _affect(label: str) -> str:
    valence, arousal = norm(label)
    return f"        case .{identifier(label)}: return ({valence!r}, {arousal!r})"


def _cases(end: str, modalities: Iterable[str], numbers: Mapping[str, Sequence[str]]) -> str:
    """What a switch over the modalities gives: the vector of each, nil where it has none."""
    rows = [f"        case .{name}: return {f'{name}{end}' if name in numbers else 'nil'}" for name in modalities]
    return "\n".join(rows)


def _vectors(end: str, numbers: Mapping[str, Sequence[str]]) -> list[str]:
    return [
        f"private let {name}{end}: [Double] = [\n    {wrapped(values, '    ')},\n]" for name, values in numbers.items()
    ]


def _graph(source: SourceBundle, name: str) -> str:
    spec = source.manifest.graphs[name]
    stem = PurePosixPath(spec.file).stem
    lines = [f"    public static let {identifier(name)} = GraphInfo(", f'        name: "{stem}",']
    lines += [*_tensors("inputs", spec.inputs, ","), *_tensors("outputs", spec.outputs, "")]
    return "\n".join([*lines, "    )"])


def _tensors(what: str, tensors: Iterable[TensorSpec], end: str) -> list[str]:
    rows = []
    for tensor in tensors:
        integer = ", integer: true" if tensor.dtype == "int32" else ""
        shape = ", ".join(map(str, tensor.shape))
        rows.append(f'            TensorInfo(name: "{tensor.name}", shape: [{shape}]{integer}),')
    return [f"        {what}: [", *rows, f"        ]{end}"]
