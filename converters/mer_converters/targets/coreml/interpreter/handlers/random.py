"""Random tensors: the distribution is Core ML's, the numbers are not.

Apple does not publish its generator, so no two values can be compared; what can is shape, type, bounds and moments. The
same seed gives the same numbers again. An operation without a seed (-1, the default) draws from torch's default
generator, which `torch.manual_seed` makes repeatable.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mer_converters.targets.coreml.interpreter.handlers.registry import handler, ints
from mer_sdk.errors import ConversionError


def _generator(seed: Tensor | None) -> torch.Generator | None:
    if seed is None or int(seed) == -1:
        return None
    return torch.Generator().manual_seed(int(seed))


@handler("random_uniform")
def random_uniform(
    shape: Tensor, low: Tensor | None = None, high: Tensor | None = None, seed: Tensor | None = None
) -> Tensor:
    """Uniform over [low, high), which is [0, 1) unless given."""
    start = 0.0 if low is None else low
    end = 1.0 if high is None else high
    return start + (end - start) * torch.rand(ints(shape), generator=_generator(seed))


@handler("random_normal")
def random_normal(
    shape: Tensor, mean: Tensor | None = None, stddev: Tensor | None = None, seed: Tensor | None = None
) -> Tensor:
    """Normal, of mean 0 and standard deviation 1 unless given."""
    noise = torch.randn(ints(shape), generator=_generator(seed))
    return (0.0 if mean is None else mean) + (1.0 if stddev is None else stddev) * noise


@handler("random_bernoulli")
def random_bernoulli(shape: Tensor, prob: Tensor | None = None, seed: Tensor | None = None) -> Tensor:
    """1 with probability `prob` (0.5 unless given), else 0, as floats."""
    return (torch.rand(ints(shape), generator=_generator(seed)) < (0.5 if prob is None else prob)).float()


@handler("random_categorical")
def random_categorical(
    x: Tensor, mode: str = "logits", size: Tensor | None = None, seed: Tensor | None = None
) -> Tensor:
    """Indices along the last axis of x, drawn with replacement, as floats of shape (..., size); size 1 unless given.

    Args:
        x: (..., classes), logits or probabilities as `mode` says.

    Raises:
        ConversionError: a mode that the operation set does not have.
    """
    if mode not in ("logits", "probs"):
        raise ConversionError(f"random_categorical has the mode {mode!r}; allowed: logits, probs")
    weights = torch.softmax(x, -1) if mode == "logits" else x
    count = 1 if size is None else int(size)
    drawn = torch.multinomial(weights.reshape(-1, x.shape[-1]), count, replacement=True, generator=_generator(seed))
    return drawn.reshape(*x.shape[:-1], count).float()
