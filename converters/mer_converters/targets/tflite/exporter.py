"""TFLite files for LiteRT, through litert-torch; schemes are made from the fp32 file by ai-edge-quantizer.

fp16 is storage: weights are 16-bit floats with an explicit dequantize in front, which the CPU runtime folds at load and
GPU delegates read as they are. Weights of the log-mel front end and of the first convolution stay 32-bit.

w8, dyn8 and int8 are described in `mer_converters.targets.tflite.quantize`. w4 is left out: LiteRT runs 4-bit
weights, but on the CPU in twice the time of 8-bit ones, and with one scale a channel the fusion of GRJCA's student
alone named fp32's label in 95 % of 120 windows.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mer_converters.targets.registry import ExportJob, register
from mer_quantization.proof import GraphProof
from mer_sdk.errors import BundleError, ConversionError
from mer_sdk.runtimes import load_graph
from mer_sdk.runtimes.graph import GraphSpec


@register
class Tflite:
    """TFLite flatbuffers."""

    name = "tflite"
    suffix = ".tflite"
    schemes: tuple[str, ...] = ("fp32", "fp16", "w8", "dyn8", "int8")
    runtime = "litert"
    packages: tuple[str, ...] = ("torch", "litert-torch", "litert-converter", "ai-edge-quantizer")
    needs = ("litert_torch", "litert-torch")
    first_in_float = True
    weight = 20.0

    def load(self) -> None:
        """See `Target.load`."""
        import litert_torch  # noqa: F401

    def export(self, job: ExportJob, path: Path) -> None:
        """See `Target.export`."""
        if job.scheme.name == "fp32":
            _export_fp32(job, path)
            return
        with contextlib.ExitStack() as stack:
            source = job.fp32
            if source is None:
                source = Path(stack.enter_context(tempfile.TemporaryDirectory())) / path.name
                _export_fp32(job, source)
            if job.scheme.quantized:
                _store_quantized(job, source, path)
            else:
                _store_as_fp16(source, path)
                _compact(path)

    def proof(self, path: Path) -> GraphProof:
        """See `QuantizingTarget.proof`."""
        from mer_converters.targets.tflite.proof import read_proof

        return read_proof(path)

    def check(self, path: Path, spec: GraphSpec) -> str | None:
        """See `Target.check`. TFLite files are run, which says more."""
        return None


def _export_fp32(job: ExportJob, path: Path) -> None:
    import litert_torch

    from mer_converters.targets.tflite.flatbuffer import compacted, tensor_names
    from mer_converters.targets.tflite.modules import path_names

    with contextlib.redirect_stdout(io.StringIO()):
        litert_torch.convert(job.module, job.example).export(str(path))
    content = path.read_bytes()
    # Every tensor keeps a name, as the quantizer works by them.
    path.write_bytes(compacted(content, path_names(tensor_names(content), job.module)))


def _compact(path: Path) -> None:
    """Leave a name to the outputs of operations with a weight alone, which is what the proof speaks of."""
    from mer_converters.targets.tflite.flatbuffer import compacted, read_program, tensor_names
    from mer_converters.targets.tflite.modules import weight_names

    content = path.read_bytes()
    nameless: dict[str, str | None] = dict.fromkeys(tensor_names(content))
    path.write_bytes(compacted(content, nameless | weight_names(read_program(path))))


def _store_as_fp16(source: Path, path: Path) -> None:
    from ai_edge_quantizer import quantizer

    with contextlib.redirect_stdout(io.StringIO()):
        quantizer.Quantizer(str(source), _FP16).quantize().export_model(str(path), overwrite=True)


def _store_quantized(job: ExportJob, source: Path, path: Path) -> None:
    from mer_converters.targets.tflite import quantize
    from mer_converters.targets.tflite.flatbuffer import read_program
    from mer_converters.targets.tflite.modules import fixed_matrices, operations_of
    from mer_quantization.calibration import read_samples

    program = read_program(source)
    keep = operations_of(program, job.module, job.example, job.float_modules) | fixed_matrices(program, job.module)
    ranges = None
    if job.scheme.calibrated:
        if job.calibration is None:
            raise ConversionError(f"{path.name}: {job.scheme.name} needs calibration inputs; give --data NAME:PATH")
        names = tuple(item.name for item in job.spec.inputs)
        ranges = quantize.activation_ranges(source, program, read_samples(job.calibration), names)
    path.write_bytes(quantize.quantized(source, job.scheme.name, program, keep, ranges))
    _compact(path)
    _run_once(job, path)


def _run_once(job: ExportJob, path: Path) -> None:
    """Run what was written on the example: some files convert and then fail in the runtime.

    Raises:
        ConversionError: it does not load, does not run, or an output is not finite.
    """
    inputs = {item.name: tensor.numpy() for item, tensor in zip(job.spec.inputs, job.example, strict=True)}
    try:
        outputs = load_graph(Tflite.runtime, path, job.spec, 1).run(inputs)
    except (BundleError, RuntimeError, ValueError) as error:
        raise ConversionError(
            f"{path.name}: the file was written as {job.scheme.name} and LiteRT cannot run it ({error}); take another "
            "scheme, or name the part that fails to stay in float"
        ) from error
    broken = [name for name, value in outputs.items() if not np.isfinite(value).all()]
    if broken:
        raise ConversionError(
            f"{path.name}: {', '.join(broken)} of {job.scheme.name} is not finite on the example input; take another "
            "scheme"
        )


# Later entries win where several match. An operation's name is the path of its torch module and a number.
_FP16: list[dict[str, Any]] = [
    {
        "regex": ".*",
        "operation": "*",
        "algorithm_key": "float_casting",
        "op_config": {
            "weight_tensor_config": {"num_bits": 16, "dtype": "FLOAT"},
            "compute_precision": "FLOAT",
            "explicit_dequantize": True,
        },
    },
    {"regex": "(.*[.;])?frontend[.:;].*", "operation": "*", "algorithm_key": "no_quantize", "op_config": {}},
    # The first convolution: it takes differences of neighbours, whose rounding its large weights would let through.
    {"regex": "(.*[.;])?backbone[.]0[.:;].*", "operation": "*", "algorithm_key": "no_quantize", "op_config": {}},
]
