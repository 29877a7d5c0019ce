"""Activations. `alpha` and `beta` are constants: scalars, or one value a channel where the docstring says so."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mer_converters.targets.coreml.interpreter.handlers.registry import handler
from mer_sdk.errors import ConversionError


@handler("relu")
def relu(x: Tensor) -> Tensor:
    """max(x, 0)."""
    return torch.relu(x)


@handler("relu6")
def relu6(x: Tensor) -> Tensor:
    """x kept within 0 and 6."""
    return x.clamp(0, 6)


@handler("clamped_relu")
def clamped_relu(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """min(beta, x) for x of 0 and above, min(beta, alpha * x) below."""
    return torch.minimum(torch.where(x >= 0, x, alpha * x), beta)


@handler("leaky_relu")
def leaky_relu(x: Tensor, alpha: Tensor) -> Tensor:
    """x for x of 0 and above, alpha * x below."""
    return F.leaky_relu(x, alpha.item())


@handler("thresholded_relu")
def thresholded_relu(x: Tensor, alpha: Tensor) -> Tensor:
    """x where it reaches alpha, else 0."""
    return torch.where(x < alpha, 0.0, x)


@handler("prelu")
def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    """x above 0, alpha * x below; x is (batch, channels, ...), alpha (channels,)."""
    return F.prelu(x, alpha)


@handler("elu")
def elu(x: Tensor, alpha: Tensor) -> Tensor:
    """x above 0, alpha * (exp(x) - 1) below."""
    return F.elu(x, alpha.item())


@handler("gelu")
def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    """Gaussian error linear unit: exact, or one of the approximations by tanh and by sigmoid.

    Raises:
        ConversionError: a mode that the operation set does not have.
    """
    if mode == "EXACT":
        return F.gelu(x)
    if mode == "TANH_APPROXIMATION":
        return F.gelu(x, approximate="tanh")
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    raise ConversionError(f"gelu has the mode {mode!r}; allowed: EXACT, TANH_APPROXIMATION, SIGMOID_APPROXIMATION")


@handler("silu")
def silu(x: Tensor) -> Tensor:
    """x * sigmoid(x)."""
    return F.silu(x)


@handler("sigmoid")
def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return torch.sigmoid(x)


@handler("sigmoid_hard")
def sigmoid_hard(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """alpha * x + beta kept within 0 and 1."""
    return (alpha * x + beta).clamp(0, 1)


@handler("scaled_tanh")
def scaled_tanh(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """alpha * tanh(beta * x)."""
    return alpha * torch.tanh(beta * x)


@handler("linear_activation")
def linear_activation(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """alpha * x + beta."""
    return alpha * x + beta


@handler("softplus")
def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x))."""
    return torch.logaddexp(x, torch.zeros_like(x))


@handler("softplus_parametric")
def softplus_parametric(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """alpha * log(1 + exp(beta * x)); x is (batch, channels, ...), alpha and beta (channels,)."""
    a_channel = (-1,) + (1,) * (x.dim() - 2)
    return alpha.reshape(a_channel) * softplus(beta.reshape(a_channel) * x)


@handler("softsign")
def softsign(x: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return F.softsign(x)


@handler("softmax")
def softmax(x: Tensor, axis: Tensor | None = None) -> Tensor:
    """exp(x) divided by its sum along `axis`, the last one unless given."""
    return torch.softmax(x, -1 if axis is None else int(axis))
