"""Where a value of a program comes from: the line of PyTorch code, or the module.

coremltools knows it while it converts (`scopes` of the operations: the stack trace of torch.export, the module names of
torch.jit.trace) and writes none of it to the file; no option of it does. So a converter that wants it in the package
calls `record_sources(model)` before `model.save(...)`: the places go into the package's user-defined metadata, where
`read_sources` finds them. In a package made without it, the source of every value is unknown.
"""

from __future__ import annotations

import json
import re
from pathlib import PurePath
from typing import Any

KEY = "mer_converters.sources"
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>\S+)')
_LIBRARIES = ("site-packages", "dist-packages")


def sources_of(model: Any) -> dict[str, str]:
    """Value -> source, of a coremltools `MLModel` that was just converted; empty where it holds no program.

    From torch.export a source is "folder/file.py:12 in forward", the innermost line outside installed packages; from
    torch.jit.trace it is the module, such as "encoder.layers.0".
    """
    program = model._mil_program  # the public way copies the weights
    if program is None:
        return {}
    found = {}
    for function in program.functions.values():
        for operation in _operations(function):
            source = _source(operation.scopes)
            if source is not None and operation.op_type != "const":
                found.update({variable.name: source for variable in operation.outputs})
    return found


def record_sources(model: Any, sources: dict[str, str] | None = None) -> None:
    """Write sources into the metadata of an `MLModel`, from where `save` takes them.

    Args:
        model: as `ct.convert` gave it, or a tool of `ct.optimize` made of it.
        sources: value -> source; None takes `sources_of(model)`. Tools that rewrite a saved model lose its scopes, so
            that the sources of the model before them are given.
    """
    by_source: dict[str, list[str]] = {}
    for name, source in (sources_of(model) if sources is None else sources).items():
        by_source.setdefault(source, []).append(name)
    if by_source:
        model.user_defined_metadata[KEY] = json.dumps(by_source, sort_keys=True)


def read_sources(spec: Any) -> dict[str, str]:
    """Value -> source, as `record_sources` wrote it into a specification; empty where it did not."""
    try:
        by_source = json.loads(spec.description.metadata.userDefined.get(KEY, "{}"))
        return {str(name): str(source) for source, names in by_source.items() for name in names}
    except (ValueError, AttributeError, TypeError):
        return {}  # metadata is a note, not a part of the program: a damaged one says nothing


def _operations(block: Any) -> Any:
    for operation in block.operations:
        yield operation
        for inner in operation.blocks:
            yield from _operations(inner)


def _source(scopes: Any) -> str | None:
    by_name = {source.name: data for source, data in scopes.items()}
    for trace in by_name.get("EXIR_STACK_TRACE", ()):
        if trace:
            return _innermost(str(trace))
    # The last name is the operation's own, those before it are modules.
    modules = [str(name) for name in by_name.get("TORCHSCRIPT_MODULE_NAME", ()) if name][:-1]
    return ".".join(modules) or None


def _innermost(trace: str) -> str | None:
    frames = [match.groupdict() for match in _FRAME.finditer(trace)]
    own = [frame for frame in frames if not any(name in frame["file"] for name in _LIBRARIES)]
    if not own:
        return None
    frame = own[-1]
    # The last two parts tell files apart, and leave out where they lie on the machine that converted.
    return f"{'/'.join(PurePath(frame['file']).parts[-2:])}:{frame['line']} in {frame['function']}"
