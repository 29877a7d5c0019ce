"""Activations against torch, or against their formula where torch has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import coremltools as ct
import pytest
import torch
from arrays import listed, normal
from building import Case, check, mb
from torch import Tensor
from torch.nn import functional as F

from mer_converters.targets.coreml.interpreter.handlers.activation import gelu
from mer_sdk.errors import ConversionError

ALPHA, BETA = 0.25, 0.75


def over_shapes(build: Callable[[Any], Any], reference: Callable[[Tensor], Tensor], **options: Any) -> Case:
    """The same operation on a vector, a matrix with zeros and large values, and an image."""
    rows = normal(3, 7, seed=1, scale=4)
    rows[0, :2] = 0.0
    rows[1, :4] = (-30.0, 30.0, -1e-3, 1e-3)
    inputs = {"a": normal(9, scale=3), "b": rows, "c": normal(2, 3, 4, 5, seed=2)}
    return Case(
        lambda a, b, c: (build(a), build(b), build(c)),
        lambda a, b, c: (reference(a), reference(b), reference(c)),
        inputs,
        **options,
    )


def channels() -> dict[str, list[Case]]:
    """Activations with parameters for every channel, on sequences, images and volumes."""
    slopes, gains = normal(3, seed=3).__abs__(), normal(3, seed=4)
    inputs = {"x": normal(2, 3, 4, 5), "y": normal(2, 3, 6, seed=1), "z": normal(1, 3, 2, 3, 2, seed=2)}
    one = slopes[:1].repeat(3)

    def prelu(x: Any, y: Any, z: Any) -> Any:
        # Core ML takes different slopes on images alone.
        return mb.prelu(x=x, alpha=slopes), mb.prelu(x=y, alpha=one), mb.prelu(x=z, alpha=one)

    def torch_prelu(x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        return tuple(F.prelu(v, torch.from_numpy(a)) for v, a in ((x, slopes), (y, one), (z, one)))

    def softplus(x: Any, y: Any, z: Any) -> Any:
        return tuple(mb.softplus_parametric(x=v, alpha=slopes, beta=gains) for v in (x, y, z))

    def torch_softplus(x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        a, b = torch.from_numpy(slopes), torch.from_numpy(gains)
        moved = ((a * F.softplus(v.movedim(1, -1) * b)).movedim(-1, 1) for v in (x, y, z))
        return tuple(moved)

    return {
        "prelu": [Case(prelu, torch_prelu, inputs)],
        "softplus_parametric": [Case(softplus, torch_softplus, inputs)],
    }


def gelu_modes() -> Case:
    """All three modes, and the default."""

    def build(x: Any) -> Any:
        return (
            mb.gelu(x=x),
            mb.gelu(x=x, mode="EXACT"),
            mb.gelu(x=x, mode="TANH_APPROXIMATION"),
            mb.gelu(x=x, mode="SIGMOID_APPROXIMATION"),
        )

    def reference(x: Tensor) -> tuple[Tensor, ...]:
        exact = 0.5 * x * (1 + torch.erf(x / 2**0.5))
        return exact, exact, F.gelu(x, approximate="tanh"), x * torch.sigmoid(1.702 * x)

    return Case(build, reference, {"x": normal(4, 33, scale=2)})


def softmax_axes() -> Case:
    """Along every axis, negative and left out; one row is far from 0."""
    x = normal(2, 3, 5)
    x[1] += 60.0

    def build(x: Any) -> Any:
        return mb.softmax(x=x), mb.softmax(x=x, axis=0), mb.softmax(x=x, axis=1), mb.softmax(x=x, axis=-1)

    return Case(build, lambda x: (x.softmax(-1), x.softmax(0), x.softmax(1), x.softmax(-1)), {"x": x})


CASES: dict[str, list[Case]] = {
    "relu": [over_shapes(lambda x: mb.relu(x=x), torch.relu)],
    "relu6": [over_shapes(lambda x: mb.relu6(x=x), F.relu6)],
    "clamped_relu": [
        over_shapes(
            lambda x: mb.clamped_relu(x=x, alpha=ALPHA, beta=BETA),
            lambda x: F.leaky_relu(x, ALPHA).clamp(max=BETA),
        ),
        over_shapes(
            lambda x: mb.clamped_relu(x=x, alpha=2.0, beta=-1.5),
            lambda x: F.leaky_relu(x, 2.0).clamp(max=-1.5),
            label="negative beta",
        ),
    ],
    "leaky_relu": [
        over_shapes(lambda x: mb.leaky_relu(x=x, alpha=ALPHA), lambda x: F.leaky_relu(x, ALPHA)),
        over_shapes(
            lambda x: mb.leaky_relu(x=x, alpha=0.1),
            lambda x: F.leaky_relu(x, 0.1),
            opset=ct.target.iOS15,
            label="iOS15",
        ),
    ],
    "thresholded_relu": [
        over_shapes(lambda x: mb.thresholded_relu(x=x, alpha=BETA), lambda x: torch.where(x >= BETA, x, 0.0)),
        over_shapes(
            lambda x: mb.thresholded_relu(x=x, alpha=-0.5),
            lambda x: torch.where(x >= -0.5, x, 0.0),
            label="negative alpha",
        ),
    ],
    "elu": [
        over_shapes(lambda x: mb.elu(x=x, alpha=1.0), F.elu),
        over_shapes(lambda x: mb.elu(x=x, alpha=ALPHA), lambda x: F.elu(x, ALPHA), label="alpha"),
    ],
    "gelu": [gelu_modes()],
    "silu": [over_shapes(lambda x: mb.silu(x=x), F.silu)],
    "sigmoid": [over_shapes(lambda x: mb.sigmoid(x=x), torch.sigmoid)],
    "sigmoid_hard": [
        over_shapes(
            lambda x: mb.sigmoid_hard(x=x, alpha=ALPHA, beta=0.5), lambda x: (ALPHA * x + 0.5).clamp(min=0, max=1)
        ),
        over_shapes(lambda x: mb.sigmoid_hard(x=x, alpha=1 / 6, beta=0.5), F.hardsigmoid, label="torch's"),
    ],
    "scaled_tanh": [
        over_shapes(lambda x: mb.scaled_tanh(x=x, alpha=1.5, beta=BETA), lambda x: 1.5 * torch.tanh(BETA * x))
    ],
    "linear_activation": [
        over_shapes(lambda x: mb.linear_activation(x=x, alpha=-1.5, beta=BETA), lambda x: -1.5 * x + BETA)
    ],
    "softplus": [over_shapes(lambda x: mb.softplus(x=x), F.softplus)],
    "softsign": [over_shapes(lambda x: mb.softsign(x=x), F.softsign)],
    "softmax": [softmax_axes()],
    **channels(),
}


@listed(CASES)
def test_against_torch(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)


def test_unknown_mode_of_gelu_is_refused() -> None:
    with pytest.raises(ConversionError, match="gelu has the mode 'FAST'; allowed: EXACT"):
        gelu(torch.ones(2), mode="FAST")
