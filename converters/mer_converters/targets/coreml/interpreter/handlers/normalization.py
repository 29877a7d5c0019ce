"""Normalizations."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mer_converters.targets.coreml.interpreter.handlers.registry import handler, ints


@handler("batch_norm")
def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: Tensor | float = 1e-5,
) -> Tensor:
    """`x` [n, C, *D] less `mean` [C], over the root of `variance` [C] + `epsilon`, times `gamma`, plus `beta`."""
    return functional.batch_norm(x, mean, variance, gamma, beta, training=False, eps=float(epsilon))


@handler("instance_norm")
def instance_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, epsilon: Tensor | float = 1e-5
) -> Tensor:
    """Every channel of every instance of `x` [n, C, *D] brought to mean 0 and variance 1 over *D."""
    axes = list(range(2, x.dim()))
    return _affine(_standardized(x, axes, float(epsilon)), gamma, beta, [1, -1, *[1] * len(axes)])


@handler("layer_norm")
def layer_norm(
    x: Tensor,
    axes: Tensor | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: Tensor | float = 1e-5,
) -> Tensor:
    """`x` brought to mean 0 and variance 1 over `axes` (all of them by default); `gamma` has their sizes, in order."""
    rank = x.dim()
    chosen = range(rank) if axes is None else sorted(axis % rank for axis in ints(axes))
    sizes = [x.shape[axis] for axis in chosen]
    if list(chosen) == list(range(rank - len(sizes), rank)):
        return functional.layer_norm(x, sizes, gamma, beta, float(epsilon))
    shape = [x.shape[axis] if axis in chosen else 1 for axis in range(rank)]
    return _affine(_standardized(x, list(chosen), float(epsilon)), gamma, beta, shape)


@handler("l2_norm")
def l2_norm(x: Tensor, epsilon: Tensor | float = 1e-6) -> Tensor:
    """`x` over the root of the sum of squares of its last three dimensions plus `epsilon`."""
    return x / ((x * x).sum(dim=(-3, -2, -1), keepdim=True) + float(epsilon)).sqrt()


@handler("local_response_norm")
def local_response_norm(
    x: Tensor,
    size: Tensor,
    alpha: Tensor | float = 1e-4,
    beta: Tensor | float = 0.75,
    k: Tensor | float = 1.0,
) -> Tensor:
    """`x` [n, C, *D] over (`k` + `alpha` times the mean square of `size` neighbouring channels) to the power `beta`."""
    return functional.local_response_norm(x, int(size), float(alpha), float(beta), float(k))


def _standardized(x: Tensor, axes: list[int], epsilon: float) -> Tensor:
    variance, mean = torch.var_mean(x, dim=axes, correction=0, keepdim=True)
    return (x - mean) / (variance + epsilon).sqrt()


def _affine(x: Tensor, gamma: Tensor | None, beta: Tensor | None, shape: list[int]) -> Tensor:
    if gamma is not None:
        x = x * gamma.reshape(shape)
    return x if beta is None else x + beta.reshape(shape)
