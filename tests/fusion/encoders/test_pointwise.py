"""Strided 1 x 1 convolutions: the values of the plain layer, and training that oneDNN's fault cannot reach."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from mer_fusion.encoders.backbone import PointwiseConv2d
from mer_fusion.models.face_finder import FaceFinder, FaceFinderConfig
from mer_fusion.network import EmotionNetwork
from mer_fusion.training.fusion.recipe import WINDOW_MODELS, full_precision_recipe, student_recipe

NARROW = ("1,4", "1,16", "1,32", "3,8", "4,8", "8,12")


def plain_layer(layer: PointwiseConv2d) -> nn.Conv2d:
    plain = nn.Conv2d(layer.in_channels, layer.out_channels, 1, layer.stride, bias=False)
    plain.load_state_dict(layer.state_dict())
    return plain


# In float64 oneDNN computes nothing.
@pytest.mark.parametrize(("inputs", "outputs", "side"), [(1, 4, 8), (3, 8, 7), (16, 24, 24), (48, 80, 6)])
def test_values_and_gradients_are_those_of_the_strided_convolution(inputs: int, outputs: int, side: int) -> None:
    torch.manual_seed(0)
    layer = PointwiseConv2d(inputs, outputs, 2).double()
    plain = plain_layer(layer).double()
    mine = torch.randn(4, inputs, side, side + 1, dtype=torch.float64).requires_grad_()
    theirs = mine.detach().clone().requires_grad_()
    found, wanted = layer(mine), plain(theirs)
    slopes = torch.randn_like(wanted)
    found.backward(slopes)
    wanted.backward(slopes)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(mine.grad, theirs.grad)
    torch.testing.assert_close(layer.weight.grad, plain.weight.grad)


def test_without_gradients_and_in_an_export_it_is_the_strided_convolution() -> None:
    torch.manual_seed(0)
    layer, x = PointwiseConv2d(16, 24, 2), torch.randn(2, 16, 12, 12)
    with torch.no_grad():
        assert torch.equal(layer(x), plain_layer(layer)(x))
    graph = torch.export.export(nn.Sequential(layer), (x,), strict=False).graph
    assert [(node.target, node.args[3]) for node in graph.nodes if node.op == "call_function"] == [
        (torch.ops.aten.conv2d.default, [2, 2])
    ]


def test_no_network_has_another_strided_1_x_1_convolution() -> None:
    recipes = [recipe(0, model) for recipe in (full_precision_recipe, student_recipe) for model in WINDOW_MODELS]
    networks = [EmotionNetwork(recipe.network) for recipe in recipes] + [FaceFinder(FaceFinderConfig())]
    strided = [
        layer
        for network in networks
        for layer in network.modules()
        if isinstance(layer, nn.Conv1d | nn.Conv2d) and max(layer.kernel_size) == 1 and max(layer.stride) > 1
    ]
    assert len(strided) >= 2 * len(WINDOW_MODELS)
    assert {type(layer) for layer in strided} == {PointwiseConv2d}


@pytest.mark.parametrize(
    ("kind", "widths", "instructions"),
    [
        ("float", NARROW, "AVX2"),
        ("float", NARROW, "DEFAULT"),
        pytest.param("int8", ("3,8", "4,8"), "AVX2", marks=pytest.mark.slow),
    ],
)
def test_narrow_networks_learn_on_every_instruction_set(kind: str, widths: tuple[str, ...], instructions: str) -> None:
    if kind == "int8":
        pytest.importorskip("torchao")
        pytest.importorskip("executorch")
    child = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "narrow_networks.py"), kind, *widths],
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": instructions},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.splitlines() == [f"{width} learned" for width in widths]
