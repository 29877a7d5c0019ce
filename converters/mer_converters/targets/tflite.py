"""TFLite files for LiteRT, through litert-torch; schemes are made from the fp32 file by ai-edge-quantizer.

fp16 is storage: weights are 16-bit floats with an explicit dequantize in front, which the CPU runtime folds at load and
GPU delegates read as they are. Weights of the log-mel front end stay 32-bit.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any

from mer_converters.targets.registry import ExportJob, register
from mer_sdk.manifest import GraphSpec


@register
class Tflite:
    """TFLite flatbuffers."""

    name = "tflite"
    suffix = ".tflite"
    schemes: tuple[str, ...] = ("fp32", "fp16")
    runtime = "litert"
    packages: tuple[str, ...] = ("torch", "litert-torch", "litert-converter", "ai-edge-quantizer")
    needs = ("litert_torch", "litert-torch")

    def export(self, job: ExportJob, path: Path) -> None:
        """See `Target.export`."""
        if job.scheme.name == "fp32":
            _export_fp32(job, path)
        elif job.fp32 is not None:
            _store_as_fp16(job.fp32, path)
        else:
            with tempfile.TemporaryDirectory() as folder:
                source = Path(folder) / path.name
                _export_fp32(job, source)
                _store_as_fp16(source, path)

    def check(self, path: Path, spec: GraphSpec) -> str | None:
        """See `Target.check`. TFLite files are run, which says more."""
        return None


def _export_fp32(job: ExportJob, path: Path) -> None:
    import litert_torch

    with contextlib.redirect_stdout(io.StringIO()):
        litert_torch.convert(job.module, job.example).export(str(path))


def _store_as_fp16(source: Path, path: Path) -> None:
    from ai_edge_quantizer import quantizer

    with contextlib.redirect_stdout(io.StringIO()):
        quantizer.Quantizer(str(source), _FP16).quantize().export_model(str(path), overwrite=True)


# Later entries win where several match. An operation's name is the path of the torch module that it came from.
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
    {"regex": ".*_frontend.*", "operation": "*", "algorithm_key": "no_quantize", "op_config": {}},
]
