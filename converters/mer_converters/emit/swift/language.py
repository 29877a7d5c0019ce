"""Swift as a language: which files there are for which bundle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from mer_converters.emit.naming import code_conditions, decisions, figures, identifier, means
from mer_converters.emit.registry import register
from mer_converters.emit.source_bundle import Kind, SourceBundle
from mer_converters.emit.template import fill, read_template, wrapped
from mer_sdk.contract.affect import norm
from mer_sdk.contract.golden import RAW
from mer_sdk.runtimes.graph import TensorSpec

_RAW = {"audio": "chunk", "face": "crop"}
_BUNDLE = ("bundle/Contract.swift", "bundle/Graph.swift", "bundle/Signature.swift", "face/Frame.swift")
_ESTIMATES = ("window/Estimate.swift", "window/PersonalBaseline.swift")
_SOUND = ("AudioChunker", "AudioFrontend", "Downmix", "Resampler")
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
class Swift:
    """A Swift package with a library and its tests."""

    name = "swift"
    title = "Swift"
    runtimes: Mapping[str, str] = {"coreml": "Core ML"}
    kinds: tuple[Kind, ...] = ("window", "dialogue", "finder")

    def files(self, source: SourceBundle) -> dict[str, str]:
        """See `Language.files`."""
        module, found, holds = module_name(source), values(source), code_conditions(source)
        paths = {"Package.swift": "bundle/Package.swift"}
        paths |= {f"Sources/{module}/{name.split('/')[1]}": name for name in _sources(source)}
        paths |= {f"Tests/{module}Tests/{name}.swift": f"checks/{name}.swift" for name in _tests(source)}
        return {path: fill(read_template(f"swift/{name}"), found, holds) for path, name in paths.items()}

    def golden_path(self, source: SourceBundle) -> str:
        """See `Language.golden_path`."""
        return f"Tests/{module_name(source)}Tests/Resources/golden.bin"

    def app_files(self, source: SourceBundle, finder: SourceBundle | None) -> dict[str, bytes]:
        """See `Language.app_files`."""
        from mer_converters.emit.swift.app import swift_app

        return swift_app(source, finder)


def module_name(source: SourceBundle) -> str:
    """The module of a bundle's code."""
    # No type may have the module's name.
    return "".join(word.capitalize() for word in source.words) + ("Model" if source.kind == "finder" else "Emotion")


def _sources(source: SourceBundle) -> list[str]:
    """The templates of a bundle's code."""
    found = list(_BUNDLE)
    if source.kind == "finder":
        return [*found, "face/Resize.swift", "finder/FaceFinder.swift"]
    holds = code_conditions(source)
    found += _ESTIMATES
    found += [f"audio/{name}.swift" for name in _SOUND] if "sound" in holds else []
    found += ["audio/VoiceActivity.swift"] if "audio" in holds else []
    found += [f"face/{name}.swift" for name in _FACE] if "face" in holds else []
    if source.kind == "window":
        return found + [f"window/{name}.swift" for name in _WINDOW]
    found += ["dialogue/DialogueEngine.swift", "dialogue/Conversation.swift"]
    found += ["dialogue/TextFrontend.swift"] if "text" in holds else []
    return found + (["dialogue/Utterances.swift"] if "audio" in holds else [])


def _tests(source: SourceBundle) -> list[str]:
    found = ["Golden", "GoldenTests"]
    if source.kind == "finder":
        return [*found, "FinderTests"]
    found += ["DecisionTests", "WindowTests" if source.kind == "window" else "DialogueTests"]
    return found + [f"{'Sound' if name == 'audio' else 'Face'}Tests" for name in source.modalities if name != "text"]


def values(source: SourceBundle) -> dict[str, str]:
    """The values of the templates."""
    manifest, modalities = source.manifest, source.modalities
    shared = figures(source, Swift.runtimes[manifest.target]) | {
        "module": module_name(source),
        "graphs": "\n\n".join(_graph(source, name) for name in source.graphs),
    }
    if source.kind == "finder":
        return shared | {"sensor_graphs": "finder"}
    population = manifest.baseline.population_mean
    return shared | {
        "swift_black_level": repr(float(manifest.face.black_level)),
        "emotions": "\n".join(_emotion(label) for label in manifest.labels),
        "affect": "\n".join(_affect(label) for label in manifest.labels),
        "modalities": "\n".join(f"    case {name}" for name in modalities),
        "sizes": "\n".join(f"        case .{name}: return {source.size(name)}" for name in modalities),
        "mean_cases": "\n".join(
            f"        case .{name}: return {f'{name}PopulationMean' if name in population else 'nil'}"
            for name in modalities
        ),
        "means": "\n\n".join(_mean(source, name) for name in modalities if name in population),
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
    rows = []
    for tensor in tensors:
        integer = ", integer: true" if tensor.dtype == "int32" else ""
        shape = ", ".join(map(str, tensor.shape))
        rows.append(f'            TensorInfo(name: "{tensor.name}", shape: [{shape}]{integer}),')
    return [f"        {what}: [", *rows, f"        ]{end}"]
