"""What the C++ templates are filled with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from mer_converters.emit.naming import decisions, figures, identifier, means, offsets
from mer_converters.emit.source_bundle import SourceBundle
from mer_converters.emit.template import wrapped
from mer_sdk.contract.affect import norm
from mer_sdk.contract.manifest import NEUTRAL
from mer_sdk.runtimes.graph import TensorSpec

_RAW = {"audio": "chunk", "face": "crop"}


def namespace(source: SourceBundle) -> str:
    """The namespace within `mer`, and the end of the library's name."""
    return "_".join(source.words)


def values(source: SourceBundle, runtime: str, sources: Sequence[str], tests: Sequence[str]) -> dict[str, str]:
    """Name in the templates -> text.

    Args:
        source: the bundle.
        runtime: in words.
        sources, tests: source files of the library and of the test.
    """
    common = figures(source, runtime) | {
        "namespace": namespace(source),
        "sources": "\n  ".join(sorted(sources)),
        "test_sources": "\n  ".join(sorted(tests)),
        "graph_infos": ", ".join(f"&k{_title(name)}Graph" for name in source.graphs if name in _run(source)),
        "graphs": "\n".join(_graph(source, name) for name in source.graphs),
    }
    return common if source.kind == "finder" else common | _emotion_values(source)


def _emotion_values(source: SourceBundle) -> dict[str, str]:
    manifest, modalities = source.manifest, source.modalities
    raw = [_RAW[name] for name in modalities if name in _RAW]
    means_of = {name: means(source, name) for name in modalities if name in manifest.baseline.population_mean}
    offsets_of = {name: offsets(source, name) for name in means_of}
    return {
        "labels": wrapped([f'"{label}"' for label in manifest.labels], "    "),
        "emotions": wrapped([identifier(label) for label in manifest.labels], "    "),
        "affect": wrapped([_pair(*norm(label)) for label in manifest.labels], "    "),
        "label_count": str(len(manifest.labels)),
        "modalities": ", ".join(f'"{name}"' for name in modalities),
        "modality_count": str(len(modalities)),
        "modality_indices": "\n".join(
            f"inline constexpr std::size_t k{name.capitalize()} = {index};" for index, name in enumerate(modalities)
        ),
        "features_sizes": ", ".join(str(source.size(name)) for name in modalities),
        **_vectors("mean", "Mean", modalities, means_of),
        **_vectors("offset", "NeutralOffset", modalities, offsets_of),
        "neutral_index": str(manifest.labels.index(NEUTRAL) if NEUTRAL in manifest.labels else 0),
        "state_count": str(len(source.states)),
        "decisions": wrapped([f"{{{heat}, {threshold}}}" for heat, threshold in decisions(source)], "    "),
        "step_parameters": ", ".join(f"std::span<const float> {name}" for name in raw),
        "sound_parameter": "std::span<const float> chunk, " if "audio" in modalities else "",
        "step_arguments": ", ".join(raw),
    }


def _pair(valence: float, arousal: float) -> str:
    return f"{{{{{valence!r}, {arousal!r}}}}}"


def _vectors(key: str, end: str, modalities: Iterable[str], numbers: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Arrays of the modalities that have numbers, and pointers to them of all."""
    arrays, pointers = [], []
    for modality in modalities:
        name, values = f"k{modality.capitalize()}{end}", numbers.get(modality, ())
        pointers.append(f"{name}.data()" if values else "nullptr")
        if values:
            body = wrapped(values, "    ")
            arrays.append(f"inline constexpr std::array<double, {len(values)}> {name}{{\n    {body}}};")
    return {f"{key}s": "\n".join(arrays), f"{key}_data": ", ".join(pointers)}


def _title(graph: str) -> str:
    return "".join(part.capitalize() for part in re.split(r"\W|_", graph))


def _run(source: SourceBundle) -> tuple[str, ...]:
    """The graphs that the code runs."""
    return ("finder",) if source.kind == "finder" else (*source.modalities, "fusion")


def _graph(source: SourceBundle, name: str) -> str:
    spec = source.manifest.graphs[name]
    return (
        f"inline const GraphInfo k{_title(name)}Graph{{\n"
        f'    "{spec.file}",\n'
        f"    {source.bytes(spec)},\n"
        f'    "{source.sha256(spec)}",\n'
        f"    {{{_tensors(spec.inputs)}}},\n"
        f"    {{{_tensors(spec.outputs)}}}}};"
    )


def _tensors(tensors: Iterable[TensorSpec]) -> str:
    rows = []
    for one in tensors:
        whole = "" if one.dtype == "float32" else ", true"
        rows.append(f'{{"{one.name}", {{{", ".join(map(str, one.shape))}}}{whole}}}')
    return wrapped(rows, "     ")
