"""Core ML packages (ML Program), written and checked on any system; only Apple systems can run them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mer_converters.targets.registry import ExportJob, register
from mer_sdk.errors import ConversionError
from mer_sdk.manifest import GraphSpec

if TYPE_CHECKING:
    from coremltools.converters.mil.mil import Operation

# Operations of the networks here. All are in the ML Program operation set of iOS 15 to 17; one that is not listed means
# that a tool or a network changed, and is looked at before it is shipped.
KNOWN_OPERATIONS = frozenset(
    (
        *("add", "sub", "mul", "real_div", "pow", "square", "sqrt", "rsqrt", "exp", "log", "abs", "maximum", "minimum"),
        *("clip", "relu", "leaky_relu", "sigmoid", "tanh", "softmax", "linear", "matmul", "conv", "batch_norm"),
        *("layer_norm", "avg_pool", "max_pool", "reduce_max", "reduce_mean", "reduce_sum", "reduce_l2_norm"),
        *("cast", "const", "concat", "stack", "split", "reshape", "squeeze", "expand_dims", "transpose", "tile", "pad"),
        *("slice_by_index", "slice_by_size", "gather", "fill", "select"),
        *("equal", "not_equal", "greater", "greater_equal", "less", "logical_and", "logical_or"),
    )
)


@register
class Coreml:
    """Core ML .mlpackage folders for iOS 17 and macOS 14 or later."""

    name = "coreml"
    suffix = ".mlpackage"
    schemes: tuple[str, ...] = ("fp32", "fp16")
    runtime: str | None = None
    packages: tuple[str, ...] = ("torch", "coremltools")
    needs = ("coremltools", "coremltools")

    def export(self, job: ExportJob, path: Path) -> None:
        """See `Target.export`."""
        import coremltools as ct
        import numpy as np
        import torch

        program = torch.export.export(job.module, job.example, strict=False).run_decompositions({})
        precision: Any = ct.precision.FLOAT32
        if job.scheme.name == "fp16":
            precision = ct.transform.FP16ComputePrecision(op_selector=_LogarithmStaysFloat())
        model = ct.convert(
            program,
            inputs=[ct.TensorType(name=item.name, shape=item.shape, dtype=np.float32) for item in job.spec.inputs],
            outputs=[ct.TensorType(name=item.name, dtype=np.float32) for item in job.spec.outputs],
            convert_to="mlprogram",
            compute_precision=precision,
            minimum_deployment_target=ct.target.iOS17,
            skip_model_load=True,
        )
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder) / path.name
            model.save(str(written))
            _make_reproducible(written)
            shutil.copytree(written, path)

    def check(self, path: Path, spec: GraphSpec) -> str | None:
        """Reload the package, and hold its inputs, outputs and operations against the contract."""
        operations = check_program(path, spec)
        count = sum(operations.values())
        return f"reloaded; {count} operations of {len(operations)} known kinds; inputs and outputs as in the contract"


def check_program(path: Path, spec: GraphSpec) -> dict[str, int]:
    """Operation -> count of a saved package.

    Raises:
        ConversionError: it cannot be parsed, has an operation that is not known, or other inputs and outputs.
    """
    import coremltools as ct
    from coremltools.converters.mil.frontend.milproto.load import load

    model = ct.models.MLModel(str(path), skip_model_load=True)
    description = model.get_spec()
    for kind, wanted, found in (
        ("inputs", spec.inputs, description.description.input),
        ("outputs", spec.outputs, description.description.output),
    ):
        names = [(item.name, tuple(item.shape)) for item in wanted]
        there = [(item.name, tuple(item.type.multiArrayType.shape)) for item in found]
        types = {item.type.multiArrayType.dataType for item in found}
        if names != there or types != {ct.proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32}:
            raise ConversionError(f"{path.name}: {kind} are {there} and not float32 {names}; nothing was written")
    program = load(description, description.specificationVersion, model.weights_dir)
    operations: dict[str, int] = {}
    for operation in program.functions["main"].operations:
        operations[operation.op_type] = operations.get(operation.op_type, 0) + 1
    unknown = sorted(name for name in operations if name not in KNOWN_OPERATIONS and not name.startswith("constexpr_"))
    if unknown:
        raise ConversionError(
            f"{path.name} has the operations {', '.join(unknown)}, which were never looked at; "
            "check that iOS 17 has them and add them to mer_converters/targets/coreml.py"
        )
    return operations


class _LogarithmStaysFloat:
    """Selects the operations to turn to fp16: all but those that a logarithm depends on.

    Power spectra of quiet speech lie below the smallest 16-bit float.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Operation, bool]] = {}

    def __call__(self, operation: Operation) -> bool:
        return not self._feeds_logarithm(operation)

    def _feeds_logarithm(self, operation: Operation) -> bool:
        if operation.op_type == "log":
            return True
        # The operation is held with the answer: an id is unique only while its object lives.
        if id(operation) not in self._known:
            answer = any(self._feeds_logarithm(child) for output in operation.outputs for child in output.child_ops)
            self._known[id(operation)] = (operation, answer)
        return self._known[id(operation)][1]


def _make_reproducible(package: Path) -> None:
    """Rewrite what the tool stamps at random: protobuf map order, and the identifiers of the package's items."""
    from coremltools.proto import Model_pb2

    model_file = next(package.glob("Data/**/model.mlmodel"))
    model = Model_pb2.Model()
    model.ParseFromString(model_file.read_bytes())
    model_file.write_bytes(model.SerializeToString(deterministic=True))
    manifest_file = package / "Manifest.json"
    manifest = manifest_file.read_text()
    items = json.loads(manifest)["itemInfoEntries"]
    for identifier, item in items.items():
        content = hashlib.sha256(item["path"].encode())
        for file in sorted((package / "Data" / item["path"]).rglob("*")) or [package / "Data" / item["path"]]:
            if file.is_file():
                content.update(file.read_bytes())
        digest = content.hexdigest().upper()
        stable = f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
        manifest = re.sub(re.escape(identifier), stable, manifest)
    manifest_file.write_text(json.dumps(json.loads(manifest), indent=4, sort_keys=True) + "\n")
