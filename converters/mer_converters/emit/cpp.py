"""C++20: LiteRT, ONNX Runtime or ExecuTorch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mer_converters.emit.naming import decisions, figures, identifier, means
from mer_converters.emit.registry import register
from mer_converters.emit.source_bundle import Kind, SourceBundle
from mer_converters.emit.template import fill, read_template, wrapped
from mer_sdk.contract.affect import norm
from mer_sdk.runtimes.graph import TensorSpec

_ADAPTERS = {"tflite": "graph_litert.cpp", "onnx": "graph_onnx.cpp", "executorch": "graph_executorch.cpp"}
_RAW = {"audio": "chunk", "face": "crop"}


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
    kinds: tuple[Kind, ...] = ("window",)

    def files(self, source: SourceBundle) -> dict[str, str]:
        """See `Language.files`."""
        adapter = _ADAPTERS[source.manifest.target]
        values = _values(source, self.runtimes[source.manifest.target], adapter)
        sources = (
            "contract.hpp",
            "graph.hpp",
            "check.cpp",
            "sha256.cpp",
            adapter,
            "sensor.hpp",
            "sensor.cpp",
            "golden_test.cpp",
        )
        return {
            name: fill(read_template(f"cpp/{name}"), values, source.conditions)
            for name in (*sources, "golden_test.cpp", "CMakeLists.txt")
        }

    def golden_path(self, source: SourceBundle) -> str:
        """See `Language.golden_path`."""
        return "golden.bin"


def _values(source: SourceBundle, runtime: str, adapter: str) -> dict[str, str]:
    manifest, modalities = source.manifest, source.modalities
    raw = [_RAW[name] for name in modalities]
    return figures(source, runtime) | {
        "namespace": "_".join(source.words),
        "graph_source": adapter,
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
        "means": "\n".join(_mean(source, name) for name in modalities),
        "mean_data": ", ".join(f"k{name.capitalize()}Mean.data()" for name in modalities),
        "state_count": str(len(source.states)),
        "decisions": wrapped([f"{{{heat}, {threshold}}}" for heat, threshold in decisions(source)], "    "),
        "graphs": "\n".join(_graph(source, name) for name in source.graphs),
        "step_parameters": ", ".join(f"std::span<const float> {name}" for name in raw),
        "step_arguments": ", ".join(raw),
        "features": ", ".join(f"features[k{name.capitalize()}]" for name in modalities),
    }


def _pair(valence: float, arousal: float) -> str:
    return f"{{{{{valence!r}, {arousal!r}}}}}"


def _mean(source: SourceBundle, name: str) -> str:
    values = means(source, name)
    body = wrapped(values, "    ")
    return f"inline constexpr std::array<double, {len(values)}> k{name.capitalize()}Mean{{\n    {body}}};"


def _graph(source: SourceBundle, name: str) -> str:
    spec = source.manifest.graphs[name]
    title = "".join(part.capitalize() for part in re.split(r"\W|_", name))
    return (
        f"inline const GraphInfo k{title}Graph{{\n"
        f'    "{spec.file}",\n'
        f"    {source.bytes(spec)},\n"
        f'    "{source.sha256(spec)}",\n'
        f"    {{{_tensors(spec.inputs)}}},\n"
        f"    {{{_tensors(spec.outputs)}}}}};"
    )


def _tensors(tensors: Iterable[TensorSpec]) -> str:
    return ", ".join(f'{{"{tensor.name}", {{{", ".join(map(str, tensor.shape))}}}}}' for tensor in tensors)
