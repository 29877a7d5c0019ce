"""Bundles: open one, check that nothing in it changed since it was written, load its graphs.

A bundle is a folder `NAME.mer` of data, never code: nothing in it is unpickled, and only an
inference runtime executes its graphs.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mer_sdk.contract.manifest import FileSpec, Manifest
from mer_sdk.contract.manifest_file import manifest_from_text
from mer_sdk.errors import BundleError, BundleNotFound, MissingExtra, OptionError, did_you_mean
from mer_sdk.runtimes import Graph, load_graph, runtime_for_target, runtime_named, runtime_note
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

MANIFEST = "manifest.json"
MOST_MANIFEST_BYTES = 16_000_000
OPENERS = "mer.openers"

GraphLoader = Callable[[int], dict[str, Graph]]
# A text to its features [D]: for checkpoints whose text features come from no graph of theirs.
TextEncoder = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class GraphSummary:
    """One graph as `mer inspect` shows it. `bytes` is 0 for a checkpoint, whose graphs are no files."""

    name: str
    file: str
    scheme: str
    bytes: int
    parameters: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class BundleSummary:
    """What a bundle is, in values that print well. `manifest` holds the rest; `note` says what results of the runtime
    do not prove, "" for a real one."""

    name: str
    model: str
    target: str
    scheme: str
    runtime: str
    note: str
    path: str
    bytes: int
    labels: tuple[str, ...]
    graphs: tuple[GraphSummary, ...]
    manifest: Manifest


class Bundle:
    """A model that is ready to load: its manifest and where its graphs come from.

    Args:
        manifest: the contract.
        path: the bundle's folder (or the checkpoint file), None where there is none.
        loader: makes the graphs from a number of threads, for models whose graphs are not files of a target
            (a torch checkpoint). Where it is None the graphs are read from `path`.
        encode_text: gives text features where the manifest has no text graph; None where there is none, too.
    """

    def __init__(
        self,
        manifest: Manifest,
        path: Path | None = None,
        loader: GraphLoader | None = None,
        encode_text: TextEncoder | None = None,
    ) -> None:
        if path is None and loader is None:
            raise BundleError("a bundle needs a folder or a loader of graphs; neither was given")
        self.manifest = manifest
        self.path = path
        self.encode_text = encode_text
        self._loader = loader

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """Open and check a bundle.

        Args:
            path: a bundle folder; or a checkpoint whose suffix an installed package opens (`.safetensors`); or, where
                no such path exists, the name of a bundle that was packaged with the SDK ("grjca").

        Raises:
            BundleNotFound: there is none at the path, or of that name.
            BundleError: not a bundle, of a newer schema, or a file differs from the manifest.
            MissingExtra: the package that opens this kind of checkpoint is not installed.
        """
        found = _resolve(Path(path))
        opener = _opener(found.suffix) if found.is_file() else None
        if opener is not None:
            return _open_with(opener, found)
        return cls(_read_checked(found), found)

    @property
    def name(self) -> str:
        """The bundle's name from its manifest."""
        return self.manifest.name

    @property
    def runtime(self) -> str:
        """The runtime that loads this bundle unless another is asked for ("torch" for a checkpoint)."""
        return self.manifest.target if self._loader else runtime_for_target(self.manifest.target)

    def load_graphs(self, runtime: str | None = None, threads: int = 1) -> dict[str, Graph]:
        """Load every graph: graph name -> ready graph.

        Args:
            runtime: name of a runtime that runs this bundle's target; None takes the target's own.
            threads: CPU threads a graph may use, at least 1.

        Raises:
            OptionError: an unknown runtime, or one that runs other files.
            RuntimeUnavailable: the runtime is not installed or cannot run on this machine.
            BundleError: a graph cannot be loaded.
        """
        if threads < 1:
            raise OptionError(f"threads is {threads}; allowed is 1 or more")
        chosen = runtime or self.runtime
        if self._loader is not None:
            if chosen != self.runtime:
                raise OptionError(f"{self.name} is a checkpoint and runs in {self.runtime}, not in {chosen!r}")
            return self._loader(threads)
        if runtime_named(chosen).target != self.manifest.target:
            raise OptionError(
                f"runtime {chosen!r} does not run {self.manifest.target} files; "
                f"use {self.runtime!r}, or open the {runtime_named(chosen).target} bundle of this model"
            )
        assert self.path is not None  # the constructor sees to it
        return {
            name: load_graph(chosen, self.path / spec.file, spec, threads)
            for name, spec in self.manifest.graphs.items()
        }

    def describe(self) -> BundleSummary:
        """The bundle in values that print well."""
        manifest = self.manifest
        graphs = tuple(_summary(name, spec, manifest) for name, spec in manifest.graphs.items())
        return BundleSummary(
            name=manifest.name,
            model=manifest.model,
            target=manifest.target,
            scheme=manifest.scheme,
            runtime=self.runtime,
            note=runtime_note(self.runtime),
            path=str(self.path or ""),
            bytes=sum(spec.bytes for spec in manifest.files),
            labels=manifest.labels,
            graphs=graphs,
            manifest=manifest,
        )


def packaged_bundles() -> dict[str, Path]:
    """Bundles that came with the installed SDK: name -> folder."""
    folder = Path(__file__).parents[1] / "bundles"
    return {path.stem: path for path in sorted(folder.glob("*.mer"))}


def bundle_inputs(name: str | Path) -> dict[str, Path]:
    """What `Bundle.open` would read, by what it is: a folder, or a checkpoint with its card; nothing where none is."""
    try:
        found = _resolve(Path(name))
    except BundleError:
        return {}
    card = {f"the card of {name}": found.with_suffix(".json")} if found.is_file() else {}
    return {f"the bundle {name}": found, **card}


def hash_files(folder: str | Path) -> tuple[FileSpec, ...]:
    """Hash and size of every file below a folder but `manifest.json`, sorted by path: the manifest's `files`."""
    root = Path(folder)
    paths = sorted(path for path in root.rglob("*") if path.is_file() and path != root / MANIFEST)
    return tuple(FileSpec(path.relative_to(root).as_posix(), file_sha256(path), path.stat().st_size) for path in paths)


def file_sha256(path: str | Path) -> str:
    """The sha256 of one file, hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _resolve(path: Path) -> Path:
    try:
        if path.exists():
            return path
    except (OSError, ValueError) as error:
        raise BundleError(f"the bundle cannot be opened ({getattr(error, 'strerror', None) or error})") from error
    packaged = packaged_bundles()
    if path.name == str(path) and path.stem in packaged and path.suffix in ("", ".mer"):
        return packaged[path.stem]
    names = f"; packaged bundles are: {', '.join(packaged)}" if packaged else ""
    beside = [str(path.with_name(one.name)) for one in path.parent.glob("*.mer")] if path.parent.is_dir() else []
    near = did_you_mean(str(path), [*beside, *packaged]) or did_you_mean(f"{path}.mer", beside)
    raise BundleNotFound(f"{path} does not exist; give a bundle folder (NAME.mer) made by mer-convert{near}{names}")


def _opener(suffix: str) -> EntryPoint | None:
    # Not before a checkpoint is opened: it takes longer than a bundle's hashes.
    from importlib.metadata import entry_points

    found = entry_points(group=OPENERS, name=suffix.lstrip(".")) if suffix else ()
    return next(iter(found), None)


def _open_with(opener: EntryPoint, path: Path) -> Bundle:
    try:
        open_path = opener.load()
    except ModuleNotFoundError as error:
        extra = opener.extras[0] if opener.extras else "train"
        raise MissingExtra(f"opening {path.name}", error.name or opener.value, extra) from error
    bundle = open_path(path)
    assert isinstance(bundle, Bundle)
    return bundle


def _read_checked(folder: Path) -> Manifest:
    if not folder.is_dir():
        raise BundleError(f"{folder} is a file, not a bundle; a bundle is a folder (NAME.mer) with a {MANIFEST}")
    try:
        size = (folder / MANIFEST).stat().st_size
        if size > MOST_MANIFEST_BYTES:
            raise BundleError(f"{folder / MANIFEST} has {size:,} bytes; allowed are {MOST_MANIFEST_BYTES:,}")
        text = (folder / MANIFEST).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BundleError(f"{folder} has no {MANIFEST}; is it a bundle made by mer-convert?") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{folder / MANIFEST} cannot be read: {error}") from error
    manifest = manifest_from_text(text)
    for spec in manifest.files:
        _check_file(folder, spec)
    return manifest


def _check_file(folder: Path, spec: FileSpec) -> None:
    path = folder / spec.path
    if not path.exists():
        raise BundleError(f"{spec.path} is listed in the manifest and missing from {folder}; convert or copy it again")
    # Links may lead out of the bundle, and a device or a pipe never ends.
    if path.resolve() != folder.resolve() / spec.path or not stat.S_ISREG(path.lstat().st_mode):
        raise BundleError(f"{spec.path} is no plain file of the bundle in {folder}; copy the bundle with its files")
    size = path.stat().st_size
    if size != spec.bytes:
        raise BundleError(
            f"{spec.path} differs from the manifest: {size} bytes instead of {spec.bytes}; convert or copy it again"
        )
    if file_sha256(path) != spec.sha256:
        raise BundleError(
            f"{spec.path} differs from the manifest: its sha256 is another; it was changed or damaged after the bundle "
            "was written: convert or copy it again"
        )


def _summary(name: str, spec: GraphSpec, manifest: Manifest) -> GraphSummary:
    size = sum(f.bytes for f in manifest.files if f.path == spec.file or f.path.startswith(spec.file + "/"))
    return GraphSummary(
        name=name,
        file=spec.file,
        scheme=spec.scheme,
        bytes=size,
        parameters=manifest.parameters.get(name, 0),
        inputs=tuple(_tensor(tensor) for tensor in spec.inputs),
        outputs=tuple(_tensor(tensor) for tensor in spec.outputs),
    )


def _tensor(spec: TensorSpec) -> str:
    kind = "" if spec.dtype == "float32" else f" {spec.dtype}"
    return f"{spec.name} {'x'.join(str(size) for size in spec.shape)}{kind}"
