"""Core ML packages (ML Program), written on any system.

Only Apple systems run them; elsewhere they are computed by `mer_converters.targets.coreml`, which is called a
spec-level check.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mer_converters.targets.coreml.program import leads_to
from mer_converters.targets.registry import ExportJob, register
from mer_quantization.proof import GraphProof
from mer_sdk.errors import ConversionError
from mer_sdk.runtimes.graph import GraphSpec

CONVERSION_DATE = "com.github.apple.coremltools.conversion_date"

if TYPE_CHECKING:
    from coremltools.converters.mil.mil import Operation
    from coremltools.models import MLModel


@register
class Coreml:
    """Core ML .mlpackage folders for iOS 17 and macOS 14 or later."""

    name = "coreml"
    suffix = ".mlpackage"
    schemes: tuple[str, ...] = ("fp32", "fp16", "w8", "int8", "w4")
    runtime = "coreml-spec"
    packages: tuple[str, ...] = ("torch", "coremltools")
    needs = ("coremltools", "coremltools")
    first_in_float = False
    weight = 10.0

    def load(self) -> None:
        """See `Target.load`."""
        from mer_converters.targets.coreml.program import quiet_coremltools

        quiet_coremltools()

    def export(self, job: ExportJob, path: Path) -> None:
        """See `Target.export`. Quantized schemes are made from the fp16 package, which is what stays of it."""
        if not job.scheme.quantized:
            _save(_converted(job, job.scheme.name == "fp16"), path, compacted=True)
            return
        with tempfile.TemporaryDirectory() as folder:
            half = Path(folder) / path.name
            # The tools that quantize read it by the names that coremltools gave.
            _save(_converted(job, half=True), half, compacted=False)
            _save(_quantized(job, half), path, compacted=True)

    def proof(self, path: Path) -> GraphProof:
        """See `QuantizingTarget.proof`."""
        from mer_converters.targets.coreml.proof import read_proof

        return read_proof(path)

    def check(self, path: Path, spec: GraphSpec) -> str | None:
        """Reload the package, and hold its inputs, outputs and operations against the contract."""
        operations = check_program(path, spec)
        count = sum(operations.values())
        return f"reloaded; {count} operations of {len(operations)} kinds; inputs and outputs as in the contract"


def _converted(job: ExportJob, half: bool) -> MLModel:
    import numpy as np

    from mer_converters.targets.coreml.source import record_sources
    from mer_converters.targets.coreml.tool import coremltools, validated_once

    ct = coremltools()
    precision: Any = ct.precision.FLOAT32
    if half:
        precision = ct.transform.FP16ComputePrecision(op_selector=_LogarithmStaysFloat())
    with validated_once():
        model = ct.convert(
            job.program(),
            inputs=[ct.TensorType(item.name, item.shape, np.dtype(item.dtype)) for item in job.spec.inputs],
            outputs=[ct.TensorType(name=item.name, dtype=np.dtype(item.dtype)) for item in job.spec.outputs],
            convert_to="mlprogram",
            compute_precision=precision,
            minimum_deployment_target=ct.target.iOS17,
            skip_model_load=True,
        )
    record_sources(model)
    return model


def _quantized(job: ExportJob, half: Path) -> MLModel:
    from mer_converters.targets.coreml import quantize
    from mer_converters.targets.coreml.calibrate import activation_ranges
    from mer_quantization.calibration import read_samples

    model = quantize.open_model(half)
    float_parts = quantize.float_operations(half, quantize.operations_of(half, job.program, job.float_modules))
    if job.scheme.name == "w4":
        model = quantize.weights_to_palette(model, float_parts)
    elif job.scheme.name == "w8":
        model = quantize.weights_to_int8(model, float_parts)
    else:
        if job.calibration is None:
            raise ConversionError(f"{half.name}: {job.scheme.name} needs calibration inputs; give --data NAME:PATH")
        ranges = activation_ranges(half, read_samples(job.calibration))
        model = quantize.weights_to_int8(quantize.activations_to_int8(model, ranges, float_parts), float_parts)
    quantize.keep_sources(model, half)
    return model


def _save(model: MLModel, path: Path, compacted: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / path.name
        model.save(str(written))
        # Links operations to the converter's graph, for ExecuTorch's profiler; no list of the package names it.
        (written / "executorch_debug_handle_mapping.json").unlink(missing_ok=True)
        _make_reproducible(written, compacted)
        shutil.copytree(written, path)


def check_program(path: Path, spec: GraphSpec) -> dict[str, int]:
    """Operation -> count of a saved package, constants included.

    Raises:
        ConversionError: it cannot be read, has an operation that cannot be computed, or other inputs and outputs.
    """
    from mer_converters.targets.coreml.tool import coremltools

    coremltools()
    from coremltools.proto.FeatureTypes_pb2 import ArrayFeatureType

    from mer_converters.targets.coreml.interpreter.interpreter import refuse_unknown
    from mer_converters.targets.coreml.program import read_package

    package = read_package(path)
    for kind, wanted, found in (
        ("inputs", spec.inputs, package.description.input),
        ("outputs", spec.outputs, package.description.output),
    ):
        names = [(item.name, tuple(item.shape), item.dtype) for item in wanted]
        arrays = [(item.name, item.type.multiArrayType) for item in found]
        there = [(name, tuple(a.shape), ArrayFeatureType.ArrayDataType.Name(a.dataType).lower()) for name, a in arrays]
        if names != there:
            raise ConversionError(f"{path.name}: {kind} are {there} and not {names}; nothing was written")
    operations = package.operations()
    refuse_unknown(path.name, operations)
    return operations


class _LogarithmStaysFloat:
    """Selects the operations to turn to fp16: all but those that a logarithm depends on and, behind it, all but what
    lies between the first convolution and the last.

    Power spectra of quiet speech lie below the smallest 16-bit float. The first convolution takes differences of
    neighbouring bands and frames, and the layer behind the last differences from a mean: both have large weights, which
    would let rounding through.
    """

    def __init__(self) -> None:
        self._logarithm: dict[Operation, bool] = {}
        self._convolution: dict[Operation, bool] = {}
        self._above: dict[Operation, tuple[bool, bool]] = {}

    def __call__(self, operation: Operation) -> bool:
        if leads_to("log", operation, self._logarithm):
            return False
        logarithm, convolution = self._lies_above(operation)
        return not logarithm or (convolution and leads_to("conv", operation, self._convolution))

    def _lies_above(self, operation: Operation) -> tuple[bool, bool]:
        """Whether a logarithm lies above, or is this, and whether a convolution does."""
        if operation not in self._above:
            logarithm, convolution = operation.op_type == "log", False
            above = (value.op for value in operation.get_flattened_inputs() if value.op is not None)
            for one in above:
                found = self._lies_above(one)
                logarithm, convolution = logarithm or found[0], convolution or found[1] or one.op_type == "conv"
            self._above[operation] = (logarithm, convolution)
        return self._above[operation]


def _make_reproducible(package: Path, compacted: bool) -> None:
    """Rewrite what differs between runs: the day, protobuf map order, and the identifiers of the package's items."""
    from coremltools.proto import Model_pb2

    from mer_converters.targets.coreml.compact import compact

    model_file = next(package.glob("Data/**/model.mlmodel"))
    model = Model_pb2.Model()
    model.ParseFromString(model_file.read_bytes())
    model.description.metadata.userDefined.pop(CONVERSION_DATE, None)
    if compacted:
        compact(model)
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
