"""Opening a saved Core ML package: its files are checked, then coremltools' loader gives the program.

What can be wrong is looked for before the loader runs, which reports damage late and in its own terms.
"""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer_sdk.errors import ConversionError

# A spec calls the update of a state by another name than the loaded program.
_LOADED_NAMES = {"write_state": "coreml_update_state"}
_REDO = "convert or copy it again"
# The weight file (MIL blob storage, version 2): a header of 64 bytes; before each blob 64 bytes of what it is.
_HEADER = 64
_STORAGE_VERSION = 2
_SENTINEL = 0xDEADBEEF


@dataclass(frozen=True)
class Package:
    """A package as read, before its program is loaded.

    Attributes:
        path: the folder (or lone specification file).
        spec: the specification, a `Model` protobuf.
        weights: folder of the weight files; it may be absent where no value is stored in a file.
        name: name of the function that is run.
    """

    path: Path
    spec: Any
    weights: Path
    name: str

    @property
    def description(self) -> Any:
        """The description (`input`, `output`, `state`) of the function that is run."""
        several = {function.name: function for function in self.spec.description.functions}
        return several.get(self.name, self.spec.description)

    def operations(self) -> dict[str, int]:
        """Operation -> how often it stands in the function, constants included, blocks of loops too."""
        function = self.spec.mlProgram.functions[self.name]
        found = Counter(operation.type for operation in _operations(function))
        return {_LOADED_NAMES.get(name, name): count for name, count in found.items()}


def quiet_coremltools() -> None:
    """Import coremltools without the warnings of it and of torchao about parts that only Macs and GPUs have."""
    for name in ("coremltools", "torchao", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from mer_converters.targets.coreml.tool import coremltools

    coremltools()


def read_package(path: str | Path) -> Package:
    """Read a `.mlpackage` folder, or a lone `.mlmodel` specification with a `weights` folder beside it.

    Raises:
        ConversionError: there is nothing there, a part is missing or damaged, or it is no ML Program.
    """
    given = Path(path)
    if not given.exists():
        raise ConversionError(f"{given} does not exist; give a .mlpackage folder")
    if given.suffix == ".mlmodelc":
        raise ConversionError(f"{given.name} is compiled for a device; give the .mlpackage that it was compiled from")
    specification = _specification_file(given) if given.is_dir() else given
    spec = _parsed(specification, given.name)
    kind = spec.WhichOneof("Type")
    if kind != "mlProgram":
        raise ConversionError(
            f"{given.name} holds a {kind or 'nothing that Core ML names'}, not an ML Program; "
            "convert with convert_to='mlprogram'"
        )
    package = Package(given, spec, specification.parent / "weights", _function_name(spec, given.name))
    _check_weights(package)
    return package


def load_function(package: Package) -> Any:
    """The function of a package as a coremltools `Function`; its operations and their types are inferred anew.

    Raises:
        ConversionError: coremltools cannot read the program.
    """
    from coremltools.converters.mil.frontend.milproto.load import load_mil_proto
    from coremltools.proto import MIL_pb2

    program = package.spec.mlProgram
    alone = MIL_pb2.Program(version=program.version)
    alone.functions[package.name].CopyFrom(program.functions[package.name])
    try:
        loaded = load_mil_proto(alone, package.spec.specificationVersion, str(package.weights))
    except Exception as error:  # the loader raises errors of every kind on what it does not know
        said = " ".join(str(error).split()) or type(error).__name__
        raise ConversionError(f"{package.path.name} cannot be loaded by coremltools ({said}); {_REDO}") from error
    return loaded.functions[package.name]


def leads_to(kind: str, operation: Any, known: dict[Any, bool]) -> bool:
    """Whether an operation is of a kind, such as "log", or one of that kind reads what comes of it.

    Args:
        known: answers so far, for this kind alone.
    """
    if operation.op_type == kind:
        return True
    if operation not in known:
        children = (child for output in operation.outputs for child in output.child_ops)
        known[operation] = any(leads_to(kind, child, known) for child in children)
    return known[operation]


def _specification_file(folder: Path) -> Path:
    manifest = folder / "Manifest.json"
    if not manifest.is_file():
        raise ConversionError(f"{folder.name} has no Manifest.json, so it is no whole Core ML package; {_REDO}")
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        place = content["itemInfoEntries"][content["rootModelIdentifier"]]["path"]
        specification = folder / "Data" / place
    except (ValueError, KeyError, TypeError) as error:
        raise ConversionError(f"{folder.name}: Manifest.json is damaged or names no model; {_REDO}") from error
    if not specification.resolve().is_relative_to(folder.resolve()):
        raise ConversionError(f"{folder.name}: Manifest.json names {place!r}, outside the package; {_REDO}")
    if not specification.is_file():
        raise ConversionError(f"{folder.name} has no {place}, which Manifest.json names; {_REDO}")
    return specification


def _parsed(specification: Path, name: str) -> Any:
    from coremltools.proto import Model_pb2
    from google.protobuf.message import DecodeError

    spec = Model_pb2.Model()
    try:
        spec.ParseFromString(specification.read_bytes())
    except DecodeError as error:
        raise ConversionError(f"{name}: {specification.name} is damaged or no Core ML model; {_REDO}") from error
    return spec


def _function_name(spec: Any, file: str) -> str:
    names = sorted(spec.mlProgram.functions)
    default = spec.description.defaultFunctionName
    chosen = default or (names[0] if len(names) == 1 else "main")
    if chosen not in names:
        raise ConversionError(f"{file} has no function {chosen!r} to run; it has: {', '.join(names) or 'none'}")
    opset = spec.mlProgram.functions[chosen].opset
    if opset not in spec.mlProgram.functions[chosen].block_specializations:
        raise ConversionError(f"{file}: function {chosen!r} has no body for its operation set {opset!r}; {_REDO}")
    return str(chosen)


def _operations(function: Any) -> Iterator[Any]:
    def inside(block: Any) -> Iterator[Any]:
        for operation in block.operations:
            yield operation
            for inner in operation.blocks:
                yield from inside(inner)

    yield from inside(function.block_specializations[function.opset])


def _check_weights(package: Package) -> None:
    sizes: dict[str, int] = {}
    for operation in _operations(package.spec.mlProgram.functions[package.name]):
        stored = list(operation.attributes.values())
        stored += [binding.value for argument in operation.inputs.values() for binding in argument.arguments]
        for value in stored:
            if value.WhichOneof("value") == "blobFileValue":
                _check_blob(package, value, sizes)


def _check_blob(package: Package, value: Any, sizes: dict[str, int]) -> None:
    name = value.blobFileValue.fileName.split("/")[-1]
    file = package.weights / name
    if name not in sizes:
        if not file.is_file():
            raise ConversionError(f"{package.path.name} has no weight file {name}; {_REDO}")
        sizes[name] = file.stat().st_size
        with file.open("rb") as stream:
            header = stream.read(_HEADER)
        if len(header) < _HEADER or int.from_bytes(header[4:8], "little") != _STORAGE_VERSION:
            raise ConversionError(f"{package.path.name}: {name} is no weight file of Core ML; {_REDO}")
    start, size = value.blobFileValue.offset, sizes[name]
    with file.open("rb") as stream:
        stream.seek(min(start, size))
        about = stream.read(_HEADER)
    if len(about) < _HEADER:
        raise ConversionError(
            f"{package.path.name}: {name} has {size} bytes, but a weight starts at byte {start}; {_REDO}"
        )
    fields = [int.from_bytes(about[low:high], "little") for low, high in ((0, 4), (8, 16), (16, 24))]
    sentinel, length, offset = fields
    if sentinel != _SENTINEL:
        raise ConversionError(f"{package.path.name}: {name} is damaged, no weight starts at byte {start}; {_REDO}")
    if offset + length > size:
        raise ConversionError(
            f"{package.path.name}: {name} has {size} bytes, but a weight ends at byte {offset + length}; {_REDO}"
        )
    expected = math.ceil(_elements(value.type) * _bits(value.type) / 8)
    if length != expected:
        raise ConversionError(
            f"{package.path.name}: {name} is damaged, a weight of {expected} bytes has {length} there; {_REDO}"
        )


def _elements(kind: Any) -> int:
    return math.prod(dimension.constant.size for dimension in kind.tensorType.dimensions)


def _bits(kind: Any) -> int:
    from coremltools.converters.mil.mil import types

    element = types.PROTO_TO_BUILTIN_TYPE[kind.tensorType.dataType]
    return int(element.get_bitwidth())
