"""What the source files of a bundle are made from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mer_sdk.contract.affect import check_labels
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.golden import GoldenCase, load_golden
from mer_sdk.contract.manifest import Manifest
from mer_sdk.errors import BundleError, OptionError
from mer_sdk.limits import shown
from mer_sdk.parity.agreement import TOLERANCE
from mer_sdk.parity.face_finder_golden import FinderCase, load_finder_cases
from mer_sdk.runtimes.graph import GraphSpec

Kind = Literal["window", "dialogue", "finder"]
KINDS: tuple[Kind, ...] = ("window", "dialogue", "finder")
# What each kind's fusion graph may read. A modality's encoder graph reads one raw input.
MODALITIES: dict[Kind, tuple[str, ...]] = {"window": ("audio", "face"), "dialogue": ("text", "audio", "face")}
# What ends a text, a comment or a line in one of the languages, or is replaced in one.
_MARKS = re.compile(r"""["'`\\$*@#%{}<>;?!&|~^]""")


@dataclass(frozen=True, eq=False)
class SourceBundle:
    """A bundle that is fit for an app.

    Attributes:
        path: the bundle's folder.
        manifest: its manifest.
        cases: its golden cases; none of a face finder.
        finder_cases: those of a face finder.
    """

    path: Path
    manifest: Manifest
    cases: tuple[GoldenCase, ...]
    finder_cases: tuple[FinderCase, ...] = ()

    @property
    def kind(self) -> Kind:
        """What the bundle is for: windows of steps, windows of utterances, or finding faces."""
        return kind_of(self.manifest)

    @property
    def modalities(self) -> tuple[str, ...]:
        """ "text", "audio" and "face" as far as the bundle reads them, in the order of the fusion graph's inputs."""
        return self.manifest.modalities

    @property
    def states(self) -> list[tuple[str, ...]]:
        """What a window can hold: modality m is in the state at place i where bit m of i is set. The first is empty."""
        known = self.modalities
        return [
            tuple(name for place, name in enumerate(known) if number >> place & 1) for number in range(2 ** len(known))
        ]

    @property
    def graphs(self) -> dict[str, GraphSpec]:
        """The graphs that the code can run: every one whose inputs and outputs are float32, and that of texts."""
        known = self.manifest.graphs.items()
        return {name: graph for name, graph in known if _floats(graph) or (name == "text" and self.kind == "dialogue")}

    @property
    def words(self) -> tuple[str, ...]:
        """The model's name in words, such as ("amb", "dsgdn"), for names of namespaces and packages."""
        found = tuple(word.lower() for word in re.findall(r"[A-Za-z][A-Za-z0-9]*", self.manifest.model))
        return found or ("model",)

    @property
    def quantized(self) -> bool:
        """Whether golden cases are held to what the bundle itself gave where it was made."""
        return self.manifest.scheme not in TOLERANCE

    @property
    def conditions(self) -> frozenset[str]:
        """Names that a template may ask for with `//#if`."""
        means = ["baseline"] if self.manifest.baseline.population_mean else []
        quantized = ["quantized"] if self.quantized else []
        return frozenset({*self.modalities, self.kind, self.manifest.target, *means, *quantized})

    def size(self, modality: str) -> int:
        """Length of a modality's feature vector."""
        return next(one.shape[2] for one in self.manifest.graphs["fusion"].inputs if one.name == modality)

    def bytes(self, graph: GraphSpec) -> int:
        """Size of a graph's file, or of all files of its package."""
        return sum(
            spec.bytes
            for spec in self.manifest.files
            if spec.path == graph.file or spec.path.startswith(graph.file + "/")
        )

    def sha256(self, graph: GraphSpec) -> str:
        """Hash of a graph that is one file."""
        return next(spec.sha256 for spec in self.manifest.files if spec.path == graph.file)

    def output(self, name: str) -> int:
        """Position of an output of the fusion graph."""
        return [tensor.name for tensor in self.manifest.graphs["fusion"].outputs].index(name)


def kind_of(manifest: Manifest) -> Kind:
    """What a bundle is for."""
    if manifest.finder is not None:
        return "finder"
    return "window" if manifest.dialogue is None else "dialogue"


def open_source_bundle(bundle: Bundle) -> SourceBundle:
    """Check that code can be written for a bundle.

    Raises:
        OptionError: a checkpoint, a bundle without fusion that is no face finder, or labels without affect norms.
        BundleError: graphs that do not fit the contract, or no golden cases.
    """
    manifest = bundle.manifest
    if bundle.path is None or not bundle.path.is_dir():
        raise OptionError(
            f"{bundle.name} is a checkpoint; --emit reads a bundle: convert it first with mer-convert --target"
        )
    if manifest.finder is not None:
        _check_words(bundle.path, manifest)
        return SourceBundle(bundle.path, manifest, (), load_finder_cases(bundle))
    if "fusion" not in manifest.graphs:
        raise OptionError(
            f"{bundle.name} holds {', '.join(manifest.graphs)} and neither a fusion graph nor a face finder; --emit "
            "writes code for emotion models and face finders, such as those of --model grjca"
        )
    check_labels(manifest.labels)
    _check_graphs(manifest)
    _check_words(bundle.path, manifest)
    return SourceBundle(bundle.path, manifest, load_golden(bundle))


def _check_graphs(manifest: Manifest) -> None:
    fusion, modalities, kind = manifest.graphs["fusion"], manifest.modalities, kind_of(manifest)
    unknown = [name for name in modalities if name not in MODALITIES[kind] or name not in manifest.graphs]
    if unknown:
        raise BundleError(
            f"{manifest.name} reads {' and '.join(unknown)} without an encoder graph for it that an app could feed; "
            "convert a student, which has its encoders in the bundle"
        )
    speakers = ["speakers"] if kind == "dialogue" else []
    wanted = [*modalities, *(f"{name}_mask" for name in modalities), *speakers]
    found = [tensor.name for tensor in fusion.inputs]
    outputs = [tensor.name for tensor in fusion.outputs]
    if found != wanted or not {"logits", "reliance"} <= set(outputs):
        raise BundleError(
            f"{manifest.name}: the fusion graph has the inputs {', '.join(found)} and the outputs "
            f"{', '.join(outputs)}; needed are {', '.join(wanted)} and logits, reliance: convert the bundle again"
        )
    for name in (*modalities, "fusion"):
        if not _floats(manifest.graphs[name]) and name != "text":
            raise BundleError(f"{manifest.name}: {name} has other types than float32; convert the bundle again")
    means = set(manifest.baseline.population_mean)
    if means - set(modalities) or (kind == "window" and means != set(modalities)):
        raise BundleError(
            f"{manifest.name} has population means of {sorted(means)}, needed are those of {sorted(modalities)}: "
            "convert the bundle again"
        )


def _check_words(path: Path, manifest: Manifest) -> None:
    """Everything that the code quotes is plain: a bundle from anywhere is data, and must not become code."""
    fields = ("name", "model", "scheme", "target", "checkpoint_sha256")
    words = [(field, getattr(manifest, field)) for field in fields]
    for name, graph in manifest.graphs.items():
        tensors = (tensor.name for tensor in (*graph.inputs, *graph.outputs))
        words += [
            ("a graph's name", name),
            ("a graph's file", graph.file),
            *(("a tensor's name", one) for one in tensors),
        ]
    for what, text in words:
        if not _plain(text):
            raise BundleError(
                f"manifest.json: {what} is {shown(text)}, which cannot stand in code; plain are letters, digits, "
                "spaces and . , + - _ / ( ) = : convert the bundle again"
            )
    if not _plain(path.resolve().name):
        raise OptionError(
            f"the bundle's folder {shown(path.name)} cannot stand in code; rename it, such as to NAME.mer"
        )


def _plain(text: str) -> bool:
    return text.isprintable() and not _MARKS.search(text)


def _floats(graph: GraphSpec) -> bool:
    return all(tensor.dtype == "float32" for tensor in (*graph.inputs, *graph.outputs))
