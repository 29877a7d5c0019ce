"""Single layers on ONNX: the ranges of their inputs, what stays in float, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from mer_converters.targets import ExportJob, find_target
from mer_converters.targets.onnx.graph import refuse_branches
from mer_converters.targets.onnx.proof import read_proof
from mer_converters.targets.onnx.quantize import quantize_channels
from mer_quantization.calibration import save_samples
from mer_quantization.schemes import SCHEMES
from mer_sdk.errors import ConversionError
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec


class Line(nn.Module):
    """One linear layer, whose input's range is that of the samples."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.line = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.line(x)
        return result


def line_job(calibration: Path | None, fp32: Path | None = None) -> ExportJob:
    spec = GraphSpec("line.onnx", "", (TensorSpec("x", (1, 16)),), (TensorSpec("y", (1, 16)),))
    return ExportJob(Line().eval(), (torch.zeros(1, 16),), spec, SCHEMES["int8"], fp32, calibration)


def test_ranges_are_those_of_all_samples(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).uniform(-1.0, 1.0, (20, 16)).astype(np.float32)
    rows[2, 3], rows[17, 5] = 9.0, -3.0
    save_samples(tmp_path, {"line": {"x": rows}})
    find_target("onnx").export(line_job(tmp_path / "line.npz"), tmp_path / "line.onnx")
    model = onnx.load(str(tmp_path / "line.onnx"))
    stored = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    (quantize,) = (node for node in model.graph.node if node.op_type == "QuantizeLinear")
    assert quantize.input[0] == "x"
    assert stored[quantize.input[1]] == pytest.approx(12.0 / 255, rel=1e-5)
    assert stored[quantize.input[2]] == 64
    assert model.graph.node[-1].op_type == "Gemm"
    assert model.graph.output[0].name == "y"


class Stem(nn.Module):
    """A convolution over one channel, and a depthwise one, which has one channel in each group."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(1, 8, 3)
        self.depth = nn.Conv2d(8, 8, 3, groups=8)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.depth(torch.relu(self.stem(x)))
        return torch.relu(result)


def test_convolutions_over_the_signal_itself_stay_in_float(tmp_path: Path) -> None:
    save_samples(tmp_path, {"stem": {"x": np.random.default_rng(0).normal(size=(8, 1, 9, 9)).astype(np.float32)}})
    spec = GraphSpec("stem.onnx", "", (TensorSpec("x", (1, 1, 9, 9)),), (TensorSpec("y", (1, 8, 5, 5)),))
    example = (torch.zeros(1, 1, 9, 9),)
    path = tmp_path / "stem.onnx"
    find_target("onnx").export(
        ExportJob(Stem().eval(), example, spec, SCHEMES["int8"], None, tmp_path / "stem.npz"), path
    )
    proof = read_proof(path)
    assert [name.rpartition("/")[0] for name in proof.float_inputs] == ["stem"]
    assert (proof.operations, proof.int8_operations, proof.float_weights) == (2, 1, ())
    assert (proof.macs, proof.int8_macs) == (8 * 49 * 9 + 8 * 25 * 9, 8 * 25 * 9)
    assert proof.weight_bytes == {"int8": 144}


def test_calibration_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    bad = np.zeros((3, 16), np.float32)
    bad[1, 4] = np.nan
    save_samples(tmp_path, {"bad": {"x": bad}, "empty": {"x": bad[:0]}})
    find_target("onnx").export(replace(line_job(None), scheme=SCHEMES["fp32"]), tmp_path / "fp32.onnx")
    for file, said in (
        (None, "int8 needs calibration inputs"),
        (tmp_path / "bad.npz", "'x' is not finite"),
        (tmp_path / "empty.npz", "no calibration inputs"),
    ):
        with pytest.raises(ConversionError, match=said):
            find_target("onnx").export(line_job(file, tmp_path / "fp32.onnx"), tmp_path / "line.onnx")
    assert not (tmp_path / "line.onnx").exists()


def test_channels_get_their_own_scales() -> None:
    values = np.array([[1.0, -2.0], [0.0, 0.0], [50.0, 25.4]], np.float32)
    integers, scale = quantize_channels(values, 0, 127)
    np.testing.assert_allclose(scale.ravel(), [2.0 / 127, 1.0, 50.0 / 127])
    np.testing.assert_array_equal(integers, [[64, -127], [0, 0], [127, 65]])


def test_graphs_inside_nodes_are_refused() -> None:
    branch = helper.make_graph([], "then", [], [])
    node = helper.make_node("If", ["condition"], ["result"], name="choice", then_branch=branch, else_branch=branch)
    graph = helper.make_graph([node], "outer", [], [])
    with pytest.raises(ConversionError, match="If 'choice' holds a graph of its own"):
        refuse_branches(graph, "net.onnx")


def test_proof_refuses_what_is_no_onnx_file(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"no model")
    with pytest.raises(ConversionError, match=r"net\.onnx cannot be read as ONNX"):
        read_proof(tmp_path / "net.onnx")


def test_a_job_without_an_fp32_file_makes_its_own(tmp_path: Path) -> None:
    job = replace(line_job(None), scheme=SCHEMES["dyn8"])
    find_target("onnx").export(job, tmp_path / "line.onnx")
    assert read_proof(tmp_path / "line.onnx").int8_macs == 16 * 16
