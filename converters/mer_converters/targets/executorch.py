"""ExecuTorch programs with the XNNPACK delegate.

XNNPACK 1.4 frees the constants of a delegated program once it is loaded from a file and keeps packed copies for
convolutions and linear layers alone; a product or sum with a constant would read freed memory (pytorch/executorch
issue 17559, pull requests 21480 and 22779). Such operations therefore stay outside the delegate.

fp16 is arithmetic: a program cannot hold a weight in another type than it computes with, so the network runs in 16-bit
floats between float32 inputs and outputs. The log-mel front end stays in 32-bit.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mer_converters.targets.registry import ExportJob, register
from mer_sdk.manifest import GraphSpec

if TYPE_CHECKING:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from torch.fx import Node


@register
class Executorch:
    """ExecuTorch .pte files for CPUs."""

    name = "executorch"
    suffix = ".pte"
    schemes: tuple[str, ...] = ("fp32", "fp16")
    runtime = "executorch"
    packages: tuple[str, ...] = ("torch", "executorch", "torchao")
    needs = ("executorch.exir", "executorch")

    def export(self, job: ExportJob, path: Path) -> None:
        """See `Target.export`."""
        from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

        module = HalfInside(job.module).eval() if job.scheme.name == "fp16" else job.module
        program = torch.export.export(module, job.example, strict=False)
        # The validity check repeats after every pass and finds nothing that running the artifact would not.
        unchecked = EdgeCompileConfig(_check_ir_validity=False)
        lowered = to_edge_transform_and_lower(program, partitioner=[_partitioner()], compile_config=unchecked)
        path.write_bytes(lowered.to_executorch().buffer)

    def check(self, path: Path, spec: GraphSpec) -> str | None:
        """See `Target.check`. ExecuTorch files are run, which says more."""
        return None


# Operations whose constants XNNPACK packs, and so owns. Batch norms are folded into the convolution before them.
_PACKING = ("convolution", "linear", "addmm", "mm", "_native_batch_norm_legit_no_training")


def _partitioner() -> XnnpackPartitioner:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from torch.export import ExportedProgram

    class PackedConstantsOnly(XnnpackPartitioner):
        """Leaves to ExecuTorch what reads a constant that XNNPACK does not pack."""

        def get_matched_nodes_from_configs(self, ep: ExportedProgram) -> list[list[Node]]:
            constants = set(ep.graph_signature.inputs_to_parameters)
            constants |= set(ep.graph_signature.inputs_to_buffers)
            constants |= set(ep.graph_signature.inputs_to_lifted_tensor_constants)
            return [
                match
                for match in super().get_matched_nodes_from_configs(ep)
                if any(_operation(node) in _PACKING for node in match)
                or not any(source.name in constants for node in match for source in node.all_input_nodes)
            ]

    return PackedConstantsOnly()


def _operation(node: Node) -> str:
    return getattr(node.target, "__name__", "").removeprefix("aten.").split(".")[0]


class FloatFrontend(nn.Module):
    """A front end that computes in float32 inside a network that computes in float16."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.inner(x.float())
        return result.half()


class HalfInside(nn.Module):
    """A copy of `module` in float16, with float32 inputs and outputs; inputs of whole numbers stay what they are.

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
        cast = (x.half() if self.cast_inputs and x.is_floating_point() else x for x in inputs)
        result = self.inner(*cast)
        return result.float() if isinstance(result, Tensor) else tuple(x.float() for x in result)
