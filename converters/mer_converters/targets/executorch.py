"""ExecuTorch programs with the XNNPACK delegate.

fp16 is arithmetic: a program cannot hold a weight in another type than it computes with, so the network runs in 16-bit
floats between float32 inputs and outputs. The log-mel front end stays in 32-bit.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from mer_converters.targets.registry import ExportJob, register
from mer_sdk.manifest import GraphSpec


@register
class Executorch:
    """ExecuTorch .pte files for CPUs."""

    name = "executorch"
    suffix = ".pte"
    schemes = ("fp32", "fp16")
    runtime: str | None = "executorch"
    packages = ("torch", "executorch", "torchao")
    needs = ("executorch.exir", "executorch")

    def export(self, job: ExportJob, path: Path) -> None:
        """See `Target.export`."""
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        module = HalfInside(job.module).eval() if job.scheme.name == "fp16" else job.module
        program = torch.export.export(module, job.example, strict=False)
        lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
        path.write_bytes(lowered.to_executorch().buffer)

    def check(self, path: Path, spec: GraphSpec) -> str | None:
        """See `Target.check`. ExecuTorch files are run, which says more."""
        return None


class FloatFrontend(nn.Module):
    """A front end that computes in float32 inside a network that computes in float16."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.inner(x.float())
        return result.half()


class HalfInside(nn.Module):
    """A copy of `module` in float16, with float32 inputs and outputs.

    A submodule `frontend` stays in float32 and then reads the inputs as they come.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        frontend = getattr(module, "frontend", None)
        self.inner = copy.deepcopy(module).half()
        self.cast_inputs = not isinstance(frontend, nn.Module)
        if isinstance(frontend, nn.Module):
            # From the original: halving and widening again would round its constants.
            self.inner.frontend = FloatFrontend(copy.deepcopy(frontend).float())

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        result = self.inner(*(x.half() for x in inputs) if self.cast_inputs else inputs)
        return result.float() if isinstance(result, Tensor) else tuple(x.float() for x in result)
