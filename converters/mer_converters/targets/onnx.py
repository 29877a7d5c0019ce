"""ONNX, through torch's own exporter.

fp16 is storage: weights are kept as 16-bit floats with a Cast in front of each use, arithmetic stays 32-bit. ONNX
Runtime folds those casts when it loads the file, so the CPU runs its fp32 kernels on half the download; CPU kernels for
16-bit arithmetic are too few to gain from more. Weights of the log-mel front end stay 32-bit.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mer_converters.targets.registry import ExportJob, register
from mer_sdk.manifest import GraphSpec

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

# Below this many values a Cast node costs more bytes than the halved constant saves.
_SMALLEST = 64


@register
class Onnx:
    """ONNX files for ONNX Runtime."""

    name = "onnx"
    suffix = ".onnx"
    schemes: tuple[str, ...] = ("fp32", "fp16")
    runtime = "onnx"
    packages: tuple[str, ...] = ("torch", "onnx", "onnxscript")
    needs = ("onnxscript", "onnxscript")

    def export(self, job: ExportJob, path: Path) -> None:
        """See `Target.export`."""
        import onnx

        ready = job.fp32 is not None and job.scheme.name != "fp32"
        model = onnx.load(str(job.fp32)) if ready else _export_fp32(job)
        if job.scheme.name == "fp16":
            store_as_fp16(model)
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString(deterministic=True))

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
    # The exporter notes source lines and file paths of the machine it ran on in every node.
    for node in model.graph.node:
        del node.metadata_props[:]
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    return model


def store_as_fp16(model: ModelProto) -> None:
    """Turn float32 weights into 16-bit ones with a Cast to 32-bit behind each, except what feeds a logarithm."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    keep = _feeds_logarithm(model.graph)
    casts = []
    for initializer in model.graph.initializer:
        values = numpy_helper.to_array(initializer)
        if initializer.data_type != TensorProto.FLOAT or values.size < _SMALLEST or initializer.name in keep:
            continue
        if np.abs(values).max() > np.finfo(np.float16).max:
            continue
        wide, narrow = initializer.name, f"{initializer.name}.fp16"
        initializer.CopyFrom(numpy_helper.from_array(values.astype(np.float16), narrow))
        casts.append(helper.make_node("Cast", [narrow], [wide], name=f"widen.{wide}", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _feeds_logarithm(graph: GraphProto) -> set[str]:
    """Names of all values that a logarithm depends on: the log-mel front end, whose quiet bins 16 bits cannot hold."""
    producer = {output: node for node in graph.node for output in node.output}
    open_names = [name for node in graph.node if node.op_type == "Log" for name in node.input]
    seen: set[str] = set()
    while open_names:
        name = open_names.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in producer:
            open_names.extend(producer[name].input)
    return seen
