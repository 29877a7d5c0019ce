"""What a runtime is, and the registry of those that mer-edge knows.

A runtime runs one file format. Its module is light: the package that does the work is imported when a graph is loaded.
Other packages add runtimes by entry points of the group `mer.runtimes`, each the name of a `Runtime`; the runtimes of
this package come first.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from mer_sdk.errors import OptionError
from mer_sdk.limits import check_kind, check_threads
from mer_sdk.runtimes.graph import Graph, GraphFactory, GraphSpec
from mer_sdk.runtimes.native_log import without_harmless_lines

F = TypeVar("F", bound=GraphFactory)


@dataclass(frozen=True)
class Runtime:
    """A registered runtime.

    Attributes:
        name: what `--runtime` takes.
        target: the target whose files it runs.
        extra: the extra of mer-edge that brings it.
        packages: (import name, distribution name) of the packages that can do the work, best first.
        factory: makes a graph from (file, spec, threads).
        system: the only `platform.system()` it runs on, or None for any.
        note: what a result of it does not prove, in one sentence, for runtimes that stand in for the real one; commands
            show it with every result.
    """

    name: str
    target: str
    extra: str
    packages: tuple[tuple[str, str], ...]
    factory: GraphFactory
    system: str | None = None
    note: str = ""

    @property
    def runs_here(self) -> bool:
        """Whether this is the system that it runs on."""
        if self.system is None:
            return True
        import platform

        return self.system == platform.system()


@dataclass(frozen=True)
class RuntimeStatus:
    """What `mer doctor` says of one runtime on this machine. `install` is empty where it is usable."""

    name: str
    target: str
    usable: bool
    version: str
    install: str


ENTRY_POINTS = "mer.runtimes"
_REGISTRY: dict[str, Runtime] = {}


def register(
    name: str, *, target: str, extra: str, packages: tuple[tuple[str, str], ...], system: str | None = None
) -> Callable[[F], F]:
    """Class decorator that registers a graph class, called with (path, spec, threads), as the runtime `name`."""

    def add(factory: F) -> F:
        _REGISTRY[name] = Runtime(name, target, extra, packages, factory, system)
        return factory

    return add


def runtimes() -> tuple[Runtime, ...]:
    """All runtimes: those of this package in the order of registration, then those of other packages."""
    return (*_REGISTRY.values(), *_installed())


@functools.cache
def _installed() -> tuple[Runtime, ...]:
    # Asked for where this package has no answer alone: all distributions are looked through.
    from importlib.metadata import entry_points

    found = []
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        # A package that was removed may have left its entry point behind.
        with contextlib.suppress(ModuleNotFoundError):
            found.append(entry.load())
    return tuple(found)


def runtime_named(name: str) -> Runtime:
    """The runtime of that name.

    Raises:
        OptionError: no such runtime; the message lists those that exist.
    """
    check_kind("runtime", name, str, "a runtime's name, such as 'onnx'", optional=False)
    if name in _REGISTRY:
        return _REGISTRY[name]
    for runtime in _installed():
        if runtime.name == name:
            return runtime
    raise OptionError.unknown("runtime", name, (runtime.name for runtime in runtimes()))


def runtime_for_target(target: str) -> str:
    """The name of the runtime that runs the files of a target ("tflite" -> "litert") on this system.

    Where none runs on this system, it is the one that runs them elsewhere: loading a graph with it says where.

    Raises:
        OptionError: no runtime runs that target.
    """
    for runtime in _REGISTRY.values():
        if runtime.target == target and runtime.runs_here:
            return runtime.name
    fitting = [runtime for runtime in runtimes() if runtime.target == target]
    if not fitting:
        raise OptionError.unknown("target", target, dict.fromkeys(runtime.target for runtime in runtimes()))
    return next((runtime.name for runtime in fitting if runtime.runs_here), fitting[0].name)


def runtime_note(name: str) -> str:
    """What a result of this runtime does not prove; "" for a real runtime, and for torch, which runs checkpoints."""
    known = (_REGISTRY[name],) if name in _REGISTRY else _installed()
    return next((runtime.note for runtime in known if runtime.name == name), "")


def simulating_runtime(target: str) -> str | None:
    """The name of an installed runtime that stands in for the real one of a target, or None."""
    fitting = (runtime for runtime in runtimes() if runtime.target == target and runtime.note and runtime.runs_here)
    return next((runtime.name for runtime in fitting if _status(runtime).usable), None)


def load_graph(runtime: str, path: str | Path, spec: GraphSpec, threads: int = 1) -> Graph:
    """Load one graph file with the named runtime.

    Args:
        runtime: name of the runtime.
        path: the graph file, or folder for Core ML packages.
        spec: the graph's inputs and outputs, in the order of the exported graph.
        threads: CPU threads, 1 to `limits.MOST_THREADS`.

    Raises:
        OptionError: unknown runtime, or another number of threads.
        RuntimeUnavailable: the runtime's package is missing, or it cannot run on this system.
        BundleError: the file cannot be loaded, or its tensors are not those of `spec`.
    """
    check_threads(threads)
    factory = runtime_named(runtime).factory
    with without_harmless_lines():
        return factory(Path(path), spec, threads)


def available() -> tuple[RuntimeStatus, ...]:
    """Every runtime with its version here, or how to get it. Imports none of them."""
    return tuple(_status(runtime) for runtime in runtimes())


def _status(runtime: Runtime) -> RuntimeStatus:
    if not runtime.runs_here:
        needed = "Apple systems" if runtime.system == "Darwin" else str(runtime.system)
        return RuntimeStatus(runtime.name, runtime.target, False, "", f"runs on {needed} only")
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    for module, distribution in runtime.packages:
        if find_spec(module) is not None:
            try:
                version = f"{distribution} {version_of(distribution)}"
            except PackageNotFoundError:
                version = distribution
            return RuntimeStatus(runtime.name, runtime.target, True, version, "")
    return RuntimeStatus(runtime.name, runtime.target, False, "", f"pip install 'mer-edge[{runtime.extra}]'")
