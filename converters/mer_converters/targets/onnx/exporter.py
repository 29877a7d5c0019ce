"""ONNX, through torch's own exporter.

fp16 is storage: weights are kept as 16-bit floats with a Cast in front of each use, arithmetic stays 32-bit. ONNX
Runtime folds those casts when it loads the file, so the CPU runs its fp32 kernels on half the download; CPU kernels for
16-bit arithmetic are too few to gain from more. Weights of the log-mel front end, of the convolution behind it and of
the encoder's last layer stay 32-bit.

w8, dyn8 and int8 are described in `mer_converters.targets.onnx.quantize`. w4 is left out: ONNX Runtime's 4-bit kernel
takes matrices alone, and most weights here are of convolutions.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from mer_converters.targets.onnx.graph import (
    SMALLEST,
    around_convolutions,
    feeds_logarithm,
    float_nodes,
    name_by_module,
    refuse_branches,
    weights,
)
from mer_converters.targets.registry import ExportJob, register
from mer_quantization.proof import GraphProof
from mer_sdk.errors import ConversionError
from mer_sdk.runtimes.graph import GraphSpec

if TYPE_CHECKING:
    from onnx import ModelProto


@register
class Onnx:
    """ONNX files for ONNX Runtime."""

    name = "onnx"
    suffix = ".onnx"
    schemes: tuple[str, ...] = ("fp32", "fp16", "w8", "dyn8", "int8")
    runtime = "onnx"
    packages: tuple[str, ...] = ("torch", "onnx", "onnxscript", "onnxruntime")
    needs = ("onnxscript", "onnxscript")
    first_in_float = False
    weight = 8.0

    def load(self) -> None:
        """See `Target.load`."""
        import onnxscript  # noqa: F401
        import torch.onnx  # noqa: F401

    def export(self, job: ExportJob, path: Path) -> None:
        """See `Target.export`."""
        import onnx

        ready = job.fp32 is not None and job.scheme.name != "fp32"
        model = onnx.load(str(job.fp32)) if ready else _export_fp32(job)
        if job.scheme.name == "fp16":
            store_as_fp16(model)
        elif job.scheme.quantized:
            _quantize(model, job, path.name)
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString(deterministic=True))

    def proof(self, path: Path) -> GraphProof:
        """See `QuantizingTarget.proof`."""
        from mer_converters.targets.onnx.proof import read_proof

        return read_proof(path)

    def perturb(self, path: Path, share: float, out: Path) -> None:
        """See `PerturbableTarget.perturb`."""
        from mer_converters.targets.onnx.perturb import perturb

        perturb(path, share, out)

    def check(self, path: Path, spec: GraphSpec) -> str | None:
        """See `Target.check`. ONNX files are run, which says more."""
        return None


def _export_fp32(job: ExportJob) -> ModelProto:
    import torch

    program = torch.onnx.export(
        job.module,
        job.example,
        dynamo=True,
        external_data=False,
        input_names=[item.name for item in job.spec.inputs],
        output_names=[item.name for item in job.spec.outputs],
        verbose=False,
    )
    assert program is not None
    model: ModelProto = program.model_proto
    name_by_module(model)
    return model


def _quantize(model: ModelProto, job: ExportJob, file: str) -> None:
    from mer_converters.targets.onnx.compact import compact
    from mer_converters.targets.onnx.quantize import activations_to_int8, linear_inputs_to_int8, weights_to_int8
    from mer_quantization.calibration import read_samples

    refuse_branches(model.graph, file)
    unknown = sorted(set(job.float_modules) - {name for name, _ in job.module.named_modules()})
    if unknown:
        raise ConversionError(
            f"{file}: no module {', '.join(unknown)} to keep in floating point; give paths as named_modules has them"
        )
    keep = float_nodes(model.graph, job.float_modules)
    named = frozenset(item.node.name for item in weights(model.graph))
    # The tools write types and shapes of what they add only in part, and shape inference refuses the mixture.
    del model.graph.value_info[:]
    if job.scheme.name == "int8":
        if job.calibration is None:
            raise ConversionError(f"{file}: {job.scheme.name} needs calibration inputs; give --data NAME:PATH")
        activations_to_int8(model, keep, read_samples(job.calibration))
        weights_to_int8(model, keep)
    elif job.scheme.name == "dyn8":
        linear_inputs_to_int8(model, keep)
        weights_to_int8(model, keep)
    else:
        store_as_fp16(model, weights_to_int8(model, keep))
    compact(model, named)


def store_as_fp16(model: ModelProto, scales: Collection[str] = ()) -> None:
    """Turn float32 weights into 16-bit ones with a Cast to 32-bit behind each.

    What feeds a logarithm stays, with the first convolution behind it and the layer behind the last, and so do the
    scales of integer weights, which are small and not always normal there.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    keep = feeds_logarithm(model.graph) | around_convolutions(model.graph) | set(scales)
    casts = []
    for initializer in model.graph.initializer:
        values = numpy_helper.to_array(initializer)
        if initializer.data_type != TensorProto.FLOAT or values.size < SMALLEST or initializer.name in keep:
            continue
        if np.abs(values).max() > np.finfo(np.float16).max:
            continue
        wide, narrow = initializer.name, f"{initializer.name}.fp16"
        initializer.CopyFrom(numpy_helper.from_array(values.astype(np.float16), narrow))
        casts.append(helper.make_node("Cast", [narrow], [wide], name=f"widen.{wide}", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
