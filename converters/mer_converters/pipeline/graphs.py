"""The graphs of a bundle: modules that take and give plain tensors in the contract's order."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mer_converters.targets import exported_program
from mer_fusion.checkpoint import Card
from mer_fusion.network import EmotionNetwork, plain_outputs
from mer_fusion.torch_bundle import graph_specs
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec


@dataclass(frozen=True)
class Graph:
    """One graph to export.

    Attributes:
        name: "text", "audio", "face" or "fusion".
        module: an eval module whose positional inputs and outputs are those of `contract`.
        example: one tensor per input, of the contract's shape and type, within its range.
        contract: inputs and outputs; its file and scheme are empty.
    """

    name: str
    module: nn.Module
    example: tuple[Tensor, ...]
    contract: GraphSpec

    def exported(self) -> ExportedProgram:
        """As `torch.export` has it: traced once for all schemes of a target that starts from it."""
        return self._exported

    @cached_property
    def _exported(self) -> ExportedProgram:
        return exported_program(self.module, self.example)

    def spec(self, file: str, scheme: str) -> GraphSpec:
        """The manifest entry of this graph in `file`."""
        return replace(self.contract, file=file, scheme=scheme)


class PlainFusion(nn.Module):
    """A fusion network that gives the tuple (logits, reliance) and not a named tuple, which not every tool keeps."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        return plain_outputs(self.network(*inputs))


def network_graphs(network: EmotionNetwork, card: Card) -> tuple[Graph, ...]:
    """The graphs of a network in export form, the fusion last.

    Args:
        network: what `Checkpoint.network.prepare_for_export()` gives.
        card: of its checkpoint.
    """
    generator = torch.Generator().manual_seed(0)

    def example(tensor: TensorSpec) -> Tensor:
        low, high = tensor.range or (-1.0, 1.0)
        if tensor.dtype == "int32":
            return torch.randint(int(low), int(high) + 1, tensor.shape, generator=generator, dtype=torch.int32)
        return low + (high - low) * torch.rand(tensor.shape, generator=generator)

    graphs = []
    for name, contract in graph_specs(card).items():
        part = fold_batch_norms(network.parts[name])
        module = PlainFusion(part).eval() if name == "fusion" else part
        graphs.append(Graph(name, module, tuple(example(tensor) for tensor in contract.inputs), contract))
    return tuple(graphs)


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """A copy of an eval module with every batch norm that follows a convolution in a sequence folded into it.

    Every target's tool folds them too, late and one by one; a third of the nodes less makes each of them faster.
    """
    folded = copy.deepcopy(module).eval()
    for sequence in [part for part in folded.modules() if isinstance(part, nn.Sequential)]:
        for index in range(len(sequence) - 1):
            convolution, norm = sequence[index], sequence[index + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                sequence[index] = fuse_conv_bn_eval(convolution, norm)
                sequence[index + 1] = nn.Identity()
    return folded
