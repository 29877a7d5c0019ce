"""Normalizations against torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from arrays import listed, normal, uniform
from building import Case, check
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from torch.nn import functional


def batch(*shape: int) -> Case:
    """Statistics of the training set, with and without the affine part."""
    channels = shape[1]
    mean, variance = normal(channels, seed=1), uniform(channels, low=0.3, high=2.0, seed=2)
    gamma, beta = normal(channels, seed=3), normal(channels, seed=4)

    def build(x: Any) -> Any:
        return (
            mb.batch_norm(x=x, mean=mean, variance=variance),
            mb.batch_norm(x=x, mean=mean, variance=variance, gamma=gamma, beta=beta, epsilon=1e-3),
            mb.batch_norm(x=x, mean=mean, variance=variance, gamma=gamma),
        )

    def reference(x: torch.Tensor) -> Any:
        m, v, g, b = (torch.from_numpy(array) for array in (mean, variance, gamma, beta))
        return (
            functional.batch_norm(x, m, v),
            functional.batch_norm(x, m, v, g, b, eps=1e-3),
            functional.batch_norm(x, m, v, g, None),
        )

    return Case(build, reference, {"x": normal(*shape)}, label=f"rank {len(shape)}")


def instance(*shape: int) -> Case:
    """Statistics of each channel of each instance."""
    gamma, beta = normal(shape[1], seed=1), normal(shape[1], seed=2)

    def build(x: Any) -> Any:
        return mb.instance_norm(x=x), mb.instance_norm(x=x, gamma=gamma, beta=beta, epsilon=1e-2)

    def reference(x: torch.Tensor) -> Any:
        g, b = torch.from_numpy(gamma), torch.from_numpy(beta)
        return functional.instance_norm(x), functional.instance_norm(x, weight=g, bias=b, eps=1e-2)

    return Case(build, reference, {"x": 3.0 * normal(*shape) + 5.0}, label=f"rank {len(shape)}")


def layer(axes: list[int], gamma_shape: tuple[int, ...]) -> Case:
    """Over trailing axes as torch has it, and over others, which torch reaches by moving them to the end."""
    gamma, beta = normal(*gamma_shape, seed=1), normal(*gamma_shape, seed=2)
    last = list(range(-len(axes), 0))

    def build(x: Any) -> Any:
        return (
            mb.layer_norm(x=x, axes=axes),
            mb.layer_norm(x=x, axes=axes, gamma=gamma, beta=beta, epsilon=1e-2),
            mb.layer_norm(x=x, axes=axes, gamma=gamma),
        )

    def reference(x: torch.Tensor) -> Any:
        g, b = torch.from_numpy(gamma), torch.from_numpy(beta)
        moved = x.movedim(axes, last)

        def normalized(*parts: Any, eps: float = 1e-5) -> torch.Tensor:
            return functional.layer_norm(moved, gamma_shape, *parts, eps=eps).movedim(last, axes)

        return normalized(), normalized(g, b, eps=1e-2), normalized(g)

    return Case(build, reference, {"x": 2.0 * normal(2, 3, 4, 5) + 1.0}, label=f"axes {axes}")


def euclidean(*shape: int) -> Case:
    """The last three dimensions together."""

    def build(x: Any) -> Any:
        return mb.l2_norm(x=x), mb.l2_norm(x=x, epsilon=0.5)

    def reference(x: torch.Tensor) -> Any:
        length = torch.linalg.vector_norm(x, dim=(-3, -2, -1), keepdim=True)
        return x / (length**2 + 1e-6).sqrt(), x / (length**2 + 0.5).sqrt()

    return Case(build, reference, {"x": normal(*shape)}, label=f"rank {len(shape)}")


def neighbours(*shape: int) -> Case:
    """Odd and even numbers of neighbouring channels, summed here one by one."""

    def build(x: Any) -> Any:
        return (
            mb.local_response_norm(x=x, size=3),
            mb.local_response_norm(x=x, size=4, alpha=0.5, beta=0.6, k=2.0),
        )

    def one(x: torch.Tensor, size: int, alpha: float, beta: float, k: float) -> torch.Tensor:
        squares = torch.zeros_like(x)
        for channel in range(x.shape[1]):
            first = channel - size // 2
            for other in range(max(first, 0), min(first + size, x.shape[1])):
                squares[:, channel] += x[:, other] ** 2
        return x / (k + alpha / size * squares) ** beta

    def reference(x: torch.Tensor) -> Any:
        return one(x, 3, 1e-4, 0.75, 1.0), one(x, 4, 0.5, 0.6, 2.0)

    return Case(build, reference, {"x": 3.0 * normal(*shape)}, label=f"rank {len(shape)}")


CASES: dict[str, list[Case]] = {
    "batch_norm": [batch(2, 3, 5), batch(2, 3, 4, 5), batch(1, 3, 2, 4, 3)],
    "instance_norm": [instance(2, 3, 9), instance(2, 3, 4, 5)],
    "layer_norm": [
        layer([3], (5,)),
        layer([-2, -1], (4, 5)),
        layer([1], (3,)),
        layer([1, 3], (3, 5)),
        layer([0, 1, 2, 3], (2, 3, 4, 5)),
    ],
    "l2_norm": [euclidean(3, 4, 5), euclidean(2, 2, 3, 4, 5)],
    "local_response_norm": [neighbours(2, 7, 5), neighbours(2, 6, 3, 4)],
}


@listed(CASES)
def test_against_torch(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)


def test_layer_norm_without_axes_takes_all_of_them() -> None:
    # coremltools cannot build this form, which the operation set allows.
    from mer_converters.targets.coreml.interpreter.handlers.normalization import layer_norm

    x = torch.from_numpy(normal(3, 4, 5))
    torch.testing.assert_close(layer_norm(x), functional.layer_norm(x, (3, 4, 5)))
