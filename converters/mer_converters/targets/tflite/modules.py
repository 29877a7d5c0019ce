"""Which operations of a TFLite file come from which torch modules.

litert-torch names a tensor after the chain of modules that computed it, each as CLASS_NAME with the last part of its
path, and a fused operation after all that went into it, joined by ";". A container that is not called itself is not in
the chain (`ModuleList`, and a `Sequential` that is looped over), so that equal classes at the same place of two lists
share a name. The files written here have `path_names` in their place. Outputs of the graph have names of their own:
their modules are looked up in torch's exported program.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from mer_converters.targets.tflite.flatbuffer import Program
from mer_sdk.errors import ConversionError

ROOT = "graph"
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
    homes = {operation.name: _homes(operation.name, ends) for operation in program.operations}
    found: set[str] = set()
    for path in wanted:
        mine = {name for name, places in homes.items() if any(f"{place}.".startswith(f"{path}.") for place in places)}
        if not mine and any(True for _ in known[path].parameters()):
            raise ConversionError(
                f"{path} cannot stay in float: no operation of the TFLite file has its name; name a module above it"
            )
        found |= mine
    return frozenset(found)


def fixed_matrices(program: Program, module: nn.Module) -> frozenset[str]:
    """Names of the operations whose constant is no trained weight: none of their modules has parameters of its own.

    Such are transforms to a spectrum and back, whose energies 8 bits do not hold.

    Args:
        program: as converted, in floating point.
        module: what was converted.
    """
    owners = {path or ROOT: _owns(part) for path, part in module.named_modules()}
    found = set()
    for operation in program.operations:
        if program.weight_of(operation) is not None:
            places = [owners[place] for place in _homes(operation.name, ()) if place in owners]
            if places and not any(places):
                found.add(operation.name)
    return frozenset(found)


def path_names(names: Iterable[str], module: nn.Module) -> dict[str, str]:
    """litert-torch's name of a tensor -> the path of its module and a number, such as "network.head.hidden:2".

    The root is called "graph". A fused operation has the paths of all modules with parameters that went into it, joined
    by ";"; so has one whose chain is that of several. Names that hold no module, as those of inputs and outputs, are
    left out.

    Args:
        names: all different, in a fixed order.
        module: what was converted.
    """
    places: dict[tuple[str, ...], list[tuple[bool, str]]] = {}
    for path, part in module.named_modules():
        if not isinstance(part, nn.ModuleList | nn.ModuleDict):
            for steps in _ways_to(module, path):
                places.setdefault(tuple(steps), []).append((_owns(part), path or ROOT))
    counts: Counter[str] = Counter()
    short = {}
    for name in names:
        # What stands after the last ";" of a part counts tensors.
        chains = [tuple(part.split("/")) for part in name.split(";") if part and not part.isdigit()]
        found = [place for chain in chains for place in places.get(chain, ())]
        owning = dict.fromkeys(path for owns, path in found if owns)
        if found:
            path = ";".join(owning) or found[0][1]
            counts[path] += 1
            short[name] = f"{path}:{counts[path]}"
    return short


def weight_names(program: Program) -> dict[str, str]:
    """Name of the output of an operation with a weight -> a short one of the same module.

    The quantizer appends to the names of what it changes.

    Args:
        program: whose tensors had `path_names`.
    """
    counts: Counter[str] = Counter()
    short = {}
    for operation in program.operations:
        path = operation.name.rpartition(":")[0]
        if path and program.weight_of(operation) is not None:
            counts[path] += 1
            short[operation.name] = f"{path}:{counts[path]}"
    return short


def _owns(module: nn.Module) -> bool:
    return any(True for _ in module.parameters(recurse=False))


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


def _homes(name: str, ends: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """The paths in a name; those of an output where it is one."""
    output = _OUTPUT.fullmatch(name)
    if output is not None and int(output[1]) < len(ends):
        return ends[int(output[1])]
    return tuple(name.rpartition(":")[0].split(";"))


def _output_modules(module: nn.Module, example: tuple[Tensor, ...]) -> tuple[tuple[str, ...], ...]:
    """For each output the modules that end in it: of the operation that computes it and of moves after it."""
    graph = torch.export.export(module, example, strict=False).graph
    results = next(node for node in graph.nodes if node.op == "output").args[0]
    return tuple(tuple(_ending_in(result)) for result in results)


def _ending_in(node: torch.fx.Node) -> list[str]:
    paths = []
    while True:
        stack = [path.split("@")[0] for path, _ in node.meta.get("nn_module_stack", {}).values()]
        paths.append((stack[-1] if stack else "") or ROOT)
        name = getattr(node.target, "__name__", str(node.target)).split(".")[0]
        if node.op != "call_function" or name not in _MOVES or not node.all_input_nodes:
            return paths
        node = node.all_input_nodes[0]
