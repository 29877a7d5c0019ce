"""Bundles: open one, check that nothing in it changed since it was written, load its graphs.

A bundle is a folder `NAME.mer` of data, never code: nothing in it is unpickled, and only an
inference runtime executes its graphs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mer_sdk.contract.bundle_files import (
    checked_manifest,
    manifest_content,
    signature_content,
)
from mer_sdk.contract.manifest import Manifest
from mer_sdk.contract.signature import (
    Signature,
    Trust,
    check_signed,
    key_line,
    read_signatures,
    trusted_keys,
)
from mer_sdk.errors import (
    BundleError,
    BundleNotFound,
    MissingExtra,
    OptionError,
    UntrustedBundle,
    did_you_mean,
    reason_of,
)
from mer_sdk.limits import check_kind, check_path, check_threads
from mer_sdk.runtimes import Graph, load_graph, runtime_for_target, runtime_named, runtime_note
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

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
        manifest_sha256: of the bytes of `manifest.json`, hexadecimal; "" where there is none.
        signature: the content of `manifest.sig`, None where there is none.
    """

    def __init__(
        self,
        manifest: Manifest,
        path: Path | None = None,
        loader: GraphLoader | None = None,
        encode_text: TextEncoder | None = None,
        manifest_sha256: str = "",
        signature: bytes | None = None,
    ) -> None:
        if path is None and loader is None:
            raise BundleError("a bundle needs a folder or a loader of graphs; neither was given")
        self.manifest = manifest
        self.path = path
        self.encode_text = encode_text
        self.manifest_sha256 = manifest_sha256
        self._signature = signature
        self._loader = loader

    @classmethod
    def open(cls, path: str | Path, trust: Trust | None = None) -> Bundle:
        """Open and check a bundle.

        Args:
            path: a bundle folder; or a checkpoint whose suffix an installed package opens (`.safetensors`); or, where
                no such path exists, the name of a bundle that was packaged with the SDK ("grjca").
            trust: public keys, "ed25519:BASE64" or files that hold one, of which one must have signed the bundle; None
                opens it whoever made it. The signature is checked before anything else of the bundle is used.

        Raises:
            BundleNotFound: there is none at the path, or of that name.
            BundleError: not a bundle, of a newer schema, or a file differs from the manifest.
            UntrustedBundle: no trusted key signed it, it was changed since, or the signature has expired.
            OptionError: the path is none, or `trust` names no public key.
            MissingExtra: the package that opens this kind of checkpoint, or cryptography for `trust`, is not installed.
        """
        check_path("the bundle", path, "the path of a bundle, or the name of a packaged one")
        keys = None if trust is None else _key_lines(trust)
        found = _resolve(Path(path))
        opener = _opener(found.suffix) if found.is_file() else None
        if opener is not None:
            if keys is not None:
                raise UntrustedBundle(f"{path} is a checkpoint, which nobody signs; open a signed bundle")
            return _open_with(opener, found)
        content = manifest_content(found)
        sha256, signature = hashlib.sha256(content).hexdigest(), signature_content(found)
        if keys is not None:
            check_signed(found.name, sha256, signature, keys)
        return cls(checked_manifest(found, content), found, manifest_sha256=sha256, signature=signature)

    @property
    def name(self) -> str:
        """The bundle's name from its manifest."""
        return self.manifest.name

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """Who says to have signed it; nothing of it is checked, see `check_trust`.

        Raises:
            UntrustedBundle: the signature file is none.
        """
        return () if self._signature is None else read_signatures(self._signature)

    def check_trust(self, trust: Trust) -> Signature:
        """The signature by which a trusted key vouches for this bundle.

        Raises:
            UntrustedBundle, OptionError, MissingExtra: see `Bundle.open`.
        """
        return check_signed(self.name, self.manifest_sha256, self._signature, trust)

    @property
    def runtime(self) -> str:
        """The runtime that loads this bundle unless another is asked for ("torch" for a checkpoint)."""
        return self.manifest.target if self._loader else runtime_for_target(self.manifest.target)

    def chosen_runtime(self, runtime: str | None) -> str:
        """The runtime that was asked for, or the bundle's own for None.

        Raises:
            OptionError: neither None nor a string; whether it is known shows when graphs are loaded.
        """
        check_kind("runtime", runtime, str, "a runtime's name, such as 'onnx'")
        return self.runtime if runtime is None else runtime

    def load_graphs(self, runtime: str | None = None, threads: int = 1) -> dict[str, Graph]:
        """Load every graph: graph name -> ready graph.

        Args:
            runtime: name of a runtime that runs this bundle's target; None takes the target's own.
            threads: CPU threads a graph may use, 1 to `MOST_THREADS`.

        Raises:
            OptionError: an unknown runtime, or one that runs other files.
            RuntimeUnavailable: the runtime is not installed or cannot run on this machine.
            BundleError: a graph cannot be loaded.
        """
        check_threads(threads)
        chosen = self.chosen_runtime(runtime)
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


def open_trusted(bundle: str | Path | Bundle, trust: Trust | None) -> Bundle:
    """An open bundle, or that of a path, held to `trust`; see `Bundle.open`."""
    if not isinstance(bundle, Bundle):
        return Bundle.open(bundle, trust)
    if trust is not None:
        bundle.check_trust(trust)
    return bundle


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


def _resolve(path: Path) -> Path:
    try:
        if path.exists():
            return path
    except (OSError, ValueError) as error:
        raise BundleError(f"the bundle cannot be opened ({reason_of(error)})") from error
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


def _key_lines(trust: Trust) -> list[str]:
    """Read before the bundle is, so that a mistyped key is told as such."""
    return [key_line(key) for key in trusted_keys(trust)]


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
