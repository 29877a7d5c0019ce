"""Targets by name. A target turns one torch graph into one file of its format and says how that file is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from mer_quantization.schemes import Scheme
from mer_sdk.errors import OptionError, did_you_mean
from mer_sdk.runtimes.graph import GraphSpec

# Names of targets are looked up, and a saved package is opened by the interpreter, without torch.
if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.export import ExportedProgram

    from mer_quantization.proof import GraphProof

# One room a target, named after it; its exporter registers itself when it is imported.
ROOMS = ("coreml", "executorch", "onnx", "tflite")


@dataclass(frozen=True)
class ExportJob:
    """One graph to write in one scheme.

    Attributes:
        module: an eval module in float32; a target that changes it works on a copy.
        example: example inputs, batch 1, in the contract's order.
        spec: names and shapes of inputs and outputs.
        scheme: the precision to write.
        fp32: the file of the same graph in fp32 on this target, where one was written already. Targets whose tool
            quantizes files start from it.
        calibration: calibration inputs of this graph (`mer_quantization.calibration.read_samples`), for schemes that
            need them.
        float_modules: paths of submodules of `module` (as `named_modules` gives them) whose operations stay in
            floating point in a quantized scheme, those below them included.
        exported: gives `torch.export`'s program of the module, made once for all schemes of a graph; None where the
            job stands alone.
    """

    module: nn.Module
    example: tuple[Tensor, ...]
    spec: GraphSpec
    scheme: Scheme
    fp32: Path | None = None
    calibration: Path | None = None
    float_modules: tuple[str, ...] = ()
    exported: Callable[[], ExportedProgram] | None = None

    def program(self) -> ExportedProgram:
        """The module as `torch.export` has it, in core operations."""
        if self.exported is not None:
            return self.exported()
        return exported_program(self.module, self.example)


def exported_program(module: nn.Module, example: tuple[Tensor, ...]) -> ExportedProgram:
    """A module in eval mode as `torch.export` has it, decomposed into core operations."""
    import torch

    return torch.export.export(module, example, strict=False).run_decompositions({})


class Target(Protocol):
    """What a target offers.

    Attributes:
        name: the name on the command line and in the manifest.
        suffix: of a graph file, with its dot.
        schemes: names of the schemes that it can make, most precise first.
        runtime: the runtime of `mer_sdk.runtimes` that runs its files on the machine that converts.
        packages: distributions whose versions go into the manifest.
        needs: (module to import, distribution name) without which it cannot convert.
        first_in_float: whether `int8` leaves each encoder's first convolution in float. True where the gate's clips
            showed that it helps: docs/models/quantization.md.
        weight: how long a conversion takes beside those of the other targets.
    """

    name: str
    suffix: str
    schemes: tuple[str, ...]
    runtime: str
    packages: tuple[str, ...]
    needs: tuple[str, str]
    first_in_float: bool
    weight: float

    def load(self) -> None:
        """Import the tool, which takes seconds."""

    def export(self, job: ExportJob, path: Path) -> None:
        """Write the graph to `path` (a file, or a folder for packages). The same job gives the same bytes."""

    def check(self, path: Path, spec: GraphSpec) -> str | None:
        """Look at the written program without running it: a sentence on what was checked, or None if nothing
        was.

        Raises:
            ConversionError: the program is not what the contract says.
        """


@runtime_checkable
class QuantizingTarget(Target, Protocol):
    """A target with quantized schemes."""

    def proof(self, path: Path) -> GraphProof:
        """What the written artifact holds in integers, read back from it.

        Raises:
            ConversionError: it cannot be read.
        """


@runtime_checkable
class PerturbableTarget(QuantizingTarget, Protocol):
    """A target whose quantized files can be written with other last bits, to see what hangs on them."""

    def perturb(self, path: Path, share: float, out: Path) -> None:
        """Write the graph at `path` to `out` with 1 + `share` times whatever another machine's floats may differ in."""


_TARGETS: dict[str, Target] = {}
T = TypeVar("T", bound=Target)


def register(kind: type[T]) -> type[T]:
    """Class decorator: make the target known under its name."""
    target = kind()
    _TARGETS[target.name] = target
    return kind


def target_names() -> tuple[str, ...]:
    """The names of all targets, in alphabetical order."""
    return ROOMS


def find_target(name: str) -> Target:
    """The target of that name.

    Raises:
        OptionError: there is none; the message lists them.
    """
    if name not in ROOMS:
        near = did_you_mean(name, target_names())
        raise OptionError(f"target {name!r} is unknown{near}; allowed: {', '.join(target_names())}, all")
    import_module(f"mer_converters.targets.{name}.exporter")
    return _TARGETS[name]


def tool_versions(target: Target) -> dict[str, str]:
    """Distribution -> installed version of what the target converts with."""
    return {name: metadata.version(name) for name in target.packages}
