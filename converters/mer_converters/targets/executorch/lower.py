"""From a module to an ExecuTorch program file whose operations XNNPACK runs where it can."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

import torch
from torch import Tensor, nn

from mer_converters.targets.executorch.compact import ALIGNMENT, compacted

if TYPE_CHECKING:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir.backend.partitioner import PartitionResult
    from torch.export import ExportedProgram
    from torch.fx import GraphModule, Node
    from torch.fx.passes.infra.pass_base import PassResult

# Operations whose constants XNNPACK packs, and so owns. Batch norms are folded into the convolution before them.
_PACKING = ("convolution", "linear", "addmm", "mm", "_native_batch_norm_legit_no_training")
_COPIES = ("expand_copy", "view_copy")


def program_bytes(module: nn.Module, example: tuple[Tensor, ...]) -> bytes:
    """The program file of a module.

    Args:
        module: in evaluation mode, or a quantized one (`mer_converters.targets.executorch.quantize.quantized`).
        example: inputs of the shapes and types that it will get.
    """
    from executorch.exir import EdgeCompileConfig, ExecutorchBackendConfig, to_edge_transform_and_lower

    program = torch.export.export(module, example, strict=False)
    # The validity check repeats after every pass and finds nothing that running the artifact would not.
    unchecked = EdgeCompileConfig(_check_ir_validity=False)
    with _without_patterns():
        lowered = to_edge_transform_and_lower(
            program, transform_passes=[_without_copies], partitioner=[_partitioner()], compile_config=unchecked
        )
    return compacted(bytes(lowered.to_executorch(ExecutorchBackendConfig(segment_alignment=ALIGNMENT)).buffer))


@contextmanager
def _without_patterns() -> Iterator[None]:
    """Without the search for decomposed attention and bilinear resizing, which no network here has.

    Its patterns are exported and lowered first, and then looked for in every part: an eighth of a conversion's time.
    Where a network had one of them, its parts would run as they are.
    """
    from executorch.backends.xnnpack.partition.graphs import bilinear_2d, sdpa

    with patch.object(sdpa, "get_graphs", list), patch.object(bilinear_2d, "get_graphs_dict", dict):
        yield


def _without_copies(module: GraphModule) -> PassResult:
    """Take out expansions and views to the shape that a tensor has: matrix products come with two of each.

    XNNPACK has no expansion, and copies for a view.
    """
    from torch.fx.passes.infra.pass_base import PassResult

    for node in list(module.graph.nodes):
        if _operation(node) in _COPIES and node.meta["val"].shape == node.args[0].meta["val"].shape:
            node.replace_all_uses_with(node.args[0])
            module.graph.erase_node(node)
    module.recompile()
    return PassResult(module, True)


def _partitioner() -> XnnpackPartitioner:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    class PackedConstantsOnly(XnnpackPartitioner):
        """Gives XNNPACK those constants that it packs; the others stay with ExecuTorch, which hands them in."""

        def get_matched_nodes_from_configs(self, ep: ExportedProgram) -> list[list[Node]]:
            # A constant that is packed for one operation cannot be handed in to another one of the same delegate.
            packed = {source for source in _constants(ep) if any(_packs(user) for user in source.users)}
            return [
                match
                for match in super().get_matched_nodes_from_configs(ep)
                if any(_packs(node) for node in match)
                or not any(source in packed for node in match for source in node.all_input_nodes)
            ]

        def partition(self, exported_program: ExportedProgram) -> PartitionResult:
            result: PartitionResult = super().partition(exported_program)
            for source in _constants(result.tagged_exported_program):
                if not all(_packs(user) for user in source.users):
                    source.meta.pop("delegation_tag", None)
            return result

    return PackedConstantsOnly()


def _constants(program: ExportedProgram) -> list[Node]:
    signature = program.graph_signature
    names = {*signature.inputs_to_parameters, *signature.inputs_to_buffers}
    names |= set(signature.inputs_to_lifted_tensor_constants)
    return [node for node in program.graph.nodes if node.op == "placeholder" and node.name in names]


def _packs(node: Node) -> bool:
    # A constant that is dequantized is the weight of one of them, or its scale.
    return _operation(node) in _PACKING or "dequantize" in str(node.target)


def _operation(node: Node) -> str:
    return getattr(node.target, "__name__", "").removeprefix("aten.").split(".")[0]
