"""ExecuTorch programs with the XNNPACK delegate.

XNNPACK 1.4 frees the constants of a delegated program once it is loaded from a file and keeps packed copies for
convolutions and linear layers alone; a product or sum with a constant would read freed memory (pytorch/executorch
issue 17559, pull requests 21480 and 22779). Such constants therefore stay with ExecuTorch, which hands them in.

fp16 is arithmetic: a program cannot hold a weight in another type than it computes with, so the network runs in 16-bit
floats between float32 inputs and outputs. The log-mel front end and the convolution behind it stay in 32-bit.

dyn8 and int8 are made by `mer_converters.targets.executorch.quantize`. There is no w8: XNNPACK has no convolution
with 8-bit weights and float input that ExecuTorch reaches, so that each weight would be widened, and each convolution
computed, by the portable kernels on every run. dyn8 is as small and needs no calibration either.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from mer_converters.targets.registry import ExportJob, register
from mer_quantization.calibration import read_samples
from mer_quantization.proof import GraphProof
from mer_sdk.errors import ConversionError
from mer_sdk.runtimes.graph import GraphSpec


@register
class Executorch:
    """ExecuTorch .pte files for CPUs."""

    name = "executorch"
    suffix = ".pte"
    schemes: tuple[str, ...] = ("fp32", "fp16", "dyn8", "int8")
    runtime = "executorch"
    packages: tuple[str, ...] = ("torch", "executorch", "torchao")
    needs = ("executorch.exir", "executorch")
    first_in_float = True
    weight = 25.0

    def load(self) -> None:
        """See `Target.load`."""
        from executorch.backends.xnnpack.partition import xnnpack_partitioner  # noqa: F401

    def export(self, job: ExportJob, path: Path) -> None:
        """See `Target.export`."""
        from mer_converters.targets.executorch.lower import program_bytes

        path.write_bytes(program_bytes(_prepared(job, path.name), job.example))

    def proof(self, path: Path) -> GraphProof:
        """See `QuantizingTarget.proof`."""
        from mer_converters.targets.executorch.proof import read_proof

        return read_proof(path)

    def check(self, path: Path, spec: GraphSpec) -> str | None:
        """See `Target.check`. ExecuTorch files are run, which says more."""
        return None


def _prepared(job: ExportJob, name: str) -> nn.Module:
    """What is lowered: the module as it is, in 16-bit floats, or quantized."""
    if job.scheme.name == "fp32":
        return job.module
    if job.scheme.name == "fp16":
        return HalfInside(job.module).eval()
    from mer_converters.targets.executorch.quantize import quantized

    samples = None
    if job.scheme.calibrated:
        if job.calibration is None:
            raise ConversionError(f"{name}: {job.scheme.name} needs calibration inputs; give --data NAME:PATH")
        names = [item.name for item in job.spec.inputs]
        samples = (tuple(torch.from_numpy(run[item]) for item in names) for run in read_samples(job.calibration))
    return quantized(job.module, job.example, job.float_modules, samples)


class FloatPart(nn.Module):
    """A part that computes in float32 inside a network that computes in float16."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.inner(x.float())
        return result.half()


class HalfInside(nn.Module):
    """A copy of `module` in float16, with float32 inputs and outputs; inputs of whole numbers stay what they are.

    A submodule `frontend` stays in float32 and then reads the inputs as they come; so does all up to the first layer of
    a submodule `backbone` behind it, which takes differences of neighbouring values.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        frontend, backbone = getattr(module, "frontend", None), getattr(module, "backbone", None)
        self.inner = copy.deepcopy(module).half()
        self.cast_inputs = not isinstance(frontend, nn.Module)
        if isinstance(frontend, nn.Module):
            # From the original: halving and widening again would round its constants.
            whole = copy.deepcopy(frontend).float()
            if isinstance(backbone, nn.Sequential):
                self.inner.frontend = whole
                self.inner.backbone[0] = FloatPart(copy.deepcopy(backbone[0]).float())
            else:
                self.inner.frontend = FloatPart(whole)

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        cast = (x.half() if self.cast_inputs and x.is_floating_point() else x for x in inputs)
        result = self.inner(*cast)
        return result.float() if isinstance(result, Tensor) else tuple(x.float() for x in result)
