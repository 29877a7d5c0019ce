"""Which operations of a TFLite file come from which torch modules.

litert-torch names a tensor after the chain of modules that computed it, each as CLASS_NAME with the last part of its
path, and a fused operation after all that went into it, joined by ";". A container that is not called itself is not in
the chain (`ModuleList`, and a `Sequential` that is looped over), so that equal classes at the same place of two lists
share a name. Outputs of the graph have names of their own: their modules are looked up in torch's exported program.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from mer_converters.tflite.flatbuffer import Program
from mer_sdk.errors import ConversionError

_OUTPUT = re.compile(r"(?:.*_)?output_(\d+)(?:_output)?(?::\d+)?")
# What only moves values: a converter drops it or joins it with the operation before.
_MOVES = ("view", "reshape", "squeeze", "unsqueeze", "permute", "transpose", "select", "slice", "clone", "contiguous")


def operations_of(
    program: Program, module: nn.Module, example: tuple[Tensor, ...], paths: Iterable[str]
) -> frozenset[str]:
    """Names of the operations that come from any of the submodules, those below them included.

    An operation that was fused from several modules counts where one of them is asked for.

    Args:
        program: the module as converted, in floating point.
        module: what was converted.
        example: inputs that it was converted with.
        paths: as `named_modules` gives them.

    Raises:
        ConversionError: a path that the module does not have, or one with weights of which no operation was found.
    """
    wanted = tuple(paths)
    if not wanted:
        return frozenset()
    known = dict(module.named_modules())
    missing = [path for path in wanted if path not in known]
    if missing:
        raise ConversionError(
            f"{', '.join(missing)} cannot stay in float: {type(module).__name__} has no such submodule; paths are "
            "those of named_modules()"
        )
    ends = _output_modules(module, example)
    chains = {operation.name: _chains(operation.name, ends) for operation in program.operations}
    found: set[str] = set()
    for path in wanted:
        mine = _below(module, path, chains)
        if not mine and any(True for _ in known[path].parameters()):
            raise ConversionError(
                f"{path} cannot stay in float: no operation of the TFLite file has its name; name a module above it"
            )
        found |= mine
    return frozenset(found)


def _below(module: nn.Module, path: str, chains: Mapping[str, list[list[str]]]) -> set[str]:
    """Names whose chains go through the submodule; through any of its children where a container is not called."""
    part = module.get_submodule(path)
    if not isinstance(part, nn.ModuleList | nn.ModuleDict):
        for steps in _ways_to(module, path):
            found = {name for name, parts in chains.items() if any(chain[: len(steps)] == steps for chain in parts)}
            if found:
                return found
    if not isinstance(part, nn.ModuleList | nn.ModuleDict | nn.Sequential):
        return set()
    return {name for child, _ in part.named_children() for name in _below(module, f"{path}.{child}", chains)}


def fixed_matrices(program: Program, module: nn.Module) -> frozenset[str]:
    """Names of the operations whose constant is no trained weight: none of their modules has parameters of its own.

    Such are transforms to a spectrum and back, whose energies 8 bits do not hold.
    """
    places = _places(module)
    found = set()
    for operation in program.operations:
        if program.weight_of(operation) is not None:
            owners = [places[tuple(chain)][0] for chain in _chains(operation.name, ()) if tuple(chain) in places]
            if owners and not any(owners):
                found.add(operation.name)
    return frozenset(found)


def short_names(names: Iterable[str], module: nn.Module) -> dict[str, str]:
    """Name of a tensor -> the path of its module and a number, such as "network.head.hidden:2"; "graph:1" at the root.

    A fused operation is called after the module with parameters that went into it. Names that hold no module, as those
    of inputs and outputs, are left out.

    Args:
        names: all different, in a fixed order.
        module: what was converted.
    """
    places = _places(module)
    counts: Counter[str] = Counter()
    short = {}
    for name in names:
        found = [places[tuple(chain)] for chain in _chains(name, ()) if tuple(chain) in places]
        if found:
            path = max(found, key=lambda place: place[0])[1] or "graph"
            counts[path] += 1
            short[name] = f"{path}:{counts[path]}"
    return short


def _places(module: nn.Module) -> dict[tuple[str, ...], tuple[bool, str]]:
    """Chain of names -> (whether that module has parameters of its own, its path), the first of those that share it."""
    places: dict[tuple[str, ...], tuple[bool, str]] = {}
    for path, part in module.named_modules():
        owns = any(True for _ in part.parameters(recurse=False))
        for steps in _ways_to(module, path):
            places.setdefault(tuple(steps), (owns, path))
    return places


def _ways_to(module: nn.Module, path: str) -> list[list[str]]:
    """The modules on the way to `path` as an operation's name has them: with every `Sequential`, then without each.

    The last one is never left out: it would stand for the module above it.
    """
    ways, parts = [[_class_name(module)]], path.split(".") if path else []
    for depth in range(1, len(parts) + 1):
        part = module.get_submodule(".".join(parts[:depth]))
        if isinstance(part, nn.ModuleList | nn.ModuleDict):
            continue
        without = ways if isinstance(part, nn.Sequential) and depth < len(parts) else []
        ways = [[*way, f"{_class_name(part)}_{parts[depth - 1]}"] for way in ways] + without
    return ways


def _class_name(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"


def _chains(name: str, ends: tuple[list[list[str]], ...]) -> list[list[str]]:
    """The chains of modules in a name; those of an output where it is one."""
    output = _OUTPUT.fullmatch(name)
    if output is not None and int(output[1]) < len(ends):
        return ends[int(output[1])]
    # What stands after the last ";" of a part counts tensors.
    return [part.split("/") for part in name.split(";") if part and not part.isdigit()]


def _output_modules(module: nn.Module, example: tuple[Tensor, ...]) -> tuple[list[list[str]], ...]:
    """For each output the chains of modules that end in it: of the operation that computes it and of moves after it."""
    graph = torch.export.export(module, example, strict=False).graph
    results = next(node for node in graph.nodes if node.op == "output").args[0]
    return tuple(_ending_in(result) for result in results)


def _ending_in(node: torch.fx.Node) -> list[list[str]]:
    chains = []
    while True:
        stack = node.meta.get("nn_module_stack", {}).values()
        chains.append([_full_name(kind) + (f"_{path.split('.')[-1]}" if path else "") for path, kind in stack])
        name = getattr(node.target, "__name__", str(node.target)).split(".")[0]
        if node.op != "call_function" or name not in _MOVES or not node.all_input_nodes:
            return chains
        node = node.all_input_nodes[0]


def _full_name(kind: str | type) -> str:
    return kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
