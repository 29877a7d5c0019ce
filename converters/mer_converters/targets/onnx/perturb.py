"""The same graph with other last bits where another machine may compute other ones."""

from __future__ import annotations

from pathlib import Path

# What a library computes by an approximation, or adds up in an order of its own. Integer kernels, and one rounded
# operation on the same numbers, give the same everywhere.
UNSURE = frozenset(
    ("Div", "Erf", "Exp", "Log", "Pow", "ReduceMean", "ReduceSum", "Reciprocal", "Sigmoid", "Softmax", "Sqrt", "Tanh")
)
# Layers are unsure where they read floats.
LAYERS = frozenset(("Conv", "Gemm", "MatMul"))


def perturb(path: Path, share: float, out: Path) -> None:
    """Write a quantized ONNX file anew, with everything that such operations give multiplied by 1 + share.

    Args:
        path: the file.
        share: some units in the last place of a float32, about 1e-7 each; either sign.
        out: where to write.
    """
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(path))
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    results = {item.name for item in model.graph.output}
    factor = numpy_helper.from_array(np.float32(1.0 + share), "perturb")
    model.graph.initializer.append(factor)
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        layer = node.op_type in LAYERS and makers.get(node.input[0]) != "DequantizeLinear"
        if (node.op_type in UNSURE or layer) and node.output[0] not in results:
            name = node.output[0]
            node.output[0] = f"{name}.exact"
            nodes.append(helper.make_node("Mul", [node.output[0], factor.name], [name], name=f"perturb.{name}"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    out.write_bytes(model.SerializeToString(deterministic=True))
