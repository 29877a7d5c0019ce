"""Golden cases that stand another machine's last bits: how they are chosen, and how graphs are perturbed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from mer_converters.pipeline import stable_cases as steady
from mer_converters.pipeline.golden import golden_cases
from mer_converters.pipeline.graphs import network_graphs
from mer_converters.targets import find_target
from mer_converters.targets.onnx.perturb import perturb
from mer_fusion.checkpoint import load_checkpoint
from mer_sdk.contract.golden import GoldenCase
from mer_sdk.runtimes.graph import GraphSpec


class Coarse:
    """A graph that rounds a sum of its input, so that some inputs lie at the edge of a step."""

    def __init__(self, spec: GraphSpec, steps: float) -> None:
        self.spec, self.steps = spec, steps

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        size = sum(float(np.abs(value).astype(np.float64).sum()) for value in inputs.values())
        return {
            item.name: np.full(item.shape, 1.0 + round(size * self.steps), np.float32) for item in self.spec.outputs
        }


def sounds(cases: tuple[GoldenCase, ...]) -> list[np.ndarray]:
    return [case.given.raw["audio"] for case in cases]


@pytest.mark.parametrize("target", ["tflite", "onnx"])
def test_a_voice_at_the_edge_of_a_step_is_passed_over(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    checkpoint = load_checkpoint(student)
    network, card = checkpoint.network.prepare_for_export(), checkpoint.card
    plain = golden_cases(network, card)
    # A chunk's sum is some hundreds: with steps this fine a share of 2e-7 crosses an edge in many chunks.
    graphs = {spec.name: Coarse(spec.spec(spec.name, ""), 300.0) for spec in network_graphs(network, card)}
    monkeypatch.setattr(steady, "load_graph", lambda runtime, path, spec, threads: graphs[path.stem])
    monkeypatch.setattr(type(find_target("onnx")), "perturb", lambda self, path, share, out: None)
    cases = steady.stable_cases(network, card, find_target(target), network_graphs(network, card), tmp_path)
    other = [not np.array_equal(*pair) for pair in zip(*map(sounds, (cases, plain)), strict=True)]
    assert any(other)
    assert all(case.made is not None for case in cases)
    for chunk in np.concatenate(sounds(cases)):
        louder = (chunk.astype(np.float64) * (1 + steady.SHARES[0])).astype(np.float32)
        quiet, loud = (graphs["audio"].run({"pcm": sound}) for sound in (chunk, louder))
        assert [value.max() for value in quiet.values()] == [value.max() for value in loud.values()]


def test_floats_are_nudged_and_integers_are_not(tmp_path: Path) -> None:
    scale, zero = np.float32(0.05), np.uint8(0)
    nodes = [
        helper.make_node("Log", ["x"], ["logs"]),
        helper.make_node("QuantizeLinear", ["logs", "scale", "zero"], ["rounded"]),
        helper.make_node("DequantizeLinear", ["rounded", "scale", "zero"], ["again"]),
        helper.make_node("MatMul", ["again", "weights"], ["y"]),
        helper.make_node("MatMul", ["x", "weights"], ["floats"]),
        helper.make_node("Relu", ["floats"], ["z"]),
    ]
    stored = {"scale": scale, "zero": zero, "weights": np.eye(4, dtype=np.float32)}
    value = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xyz"}
    initializers = [numpy_helper.from_array(np.asarray(array), name) for name, array in stored.items()]
    graph = helper.make_graph(nodes, "tiny", [value["x"]], [value["y"], value["z"]], initializers)
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(tmp_path / "tiny.onnx"))
    # The second value's logarithm lies a little below the edge between 10 and 11.
    x = np.exp(np.array([[0.2, 0.05 * 10.5 * (1 - 1e-5), 1.0, 1.3]], np.float32))

    def run(share: float) -> tuple[np.ndarray, np.ndarray]:
        perturb(tmp_path / "tiny.onnx", share, tmp_path / "out.onnx")
        y, z = onnxruntime.InferenceSession(str(tmp_path / "out.onnx")).run(None, {"x": x})
        return y, z

    (y, z), (same, _), (moved, other) = run(0.0), run(2e-6), run(2e-5)
    np.testing.assert_array_equal(z, x)
    np.testing.assert_array_equal(same, y)
    np.testing.assert_allclose(moved - y, [[0.0, 0.05, 0.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(other / z, 1 + 2e-5, rtol=1e-6)
