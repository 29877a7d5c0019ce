"""Reductions over axes, or over all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mer_converters.targets.coreml.interpreter.handlers.registry import flag, handler, ints

Reduction = Callable[[Tensor, Sequence[int], bool], Tensor]


def _prod(x: Tensor, axes: Sequence[int], keep: bool) -> Tensor:
    # torch multiplies along one axis at a time; from the last, so that the others keep their numbers.
    for axis in sorted((axis % x.dim() for axis in axes), reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


_REDUCTIONS: dict[str, Reduction] = {
    "reduce_sum": torch.sum,
    "reduce_mean": torch.mean,
    "reduce_max": torch.amax,
    "reduce_min": torch.amin,
    "reduce_prod": _prod,
    "reduce_l1_norm": lambda x, axes, keep: x.abs().sum(axes, keepdim=keep),
    "reduce_l2_norm": lambda x, axes, keep: x.square().sum(axes, keepdim=keep).sqrt(),
    "reduce_sum_square": lambda x, axes, keep: x.square().sum(axes, keepdim=keep),
    "reduce_log_sum": lambda x, axes, keep: x.sum(axes, keepdim=keep).log(),
    "reduce_log_sum_exp": torch.logsumexp,
}


# Of integers these are integers, which wrap around as int32 does; the others are cut to one.
_WHOLE = ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_l1_norm", "reduce_sum_square")


def _over_axes(reduce: Reduction, work_in: torch.dtype) -> Callable[..., Tensor]:
    def compute(x: Tensor, axes: Tensor | None = None, keep_dims: Tensor | None = None) -> Tensor:
        dims = list(range(x.dim())) if axes is None else ints(axes)
        work = x if x.is_floating_point() else x.to(work_in)
        if dims:
            work = reduce(work, dims, keep_dims is not None and flag(keep_dims))
        else:
            # torch takes no axes for all axes; here they mean each element by itself.
            work = reduce(work.unsqueeze(-1), [-1], False)
        return work.to(x.dtype)

    return compute


for _name, _reduction in _REDUCTIONS.items():
    handler(_name)(_over_axes(_reduction, torch.int64 if _name in _WHOLE else torch.float64))


@handler("reduce_argmax")
def reduce_argmax(
    x: Tensor, axis: Tensor | None = None, keep_dims: Tensor | None = None, output_dtype: str = "int32"
) -> Tensor:
    """Index of the largest value along `axis`, the last unless given.

    Of equal ones it is the first, which Core ML leaves open. The interpreter gives it the type of `output_dtype`, which
    the program declares too.
    """
    return _extreme(torch.argmax, x, axis, keep_dims)


@handler("reduce_argmin")
def reduce_argmin(
    x: Tensor, axis: Tensor | None = None, keep_dims: Tensor | None = None, output_dtype: str = "int32"
) -> Tensor:
    """Index of the smallest value along `axis` (the last unless given), as `reduce_argmax`."""
    return _extreme(torch.argmin, x, axis, keep_dims)


def _extreme(index: Callable[..., Tensor], x: Tensor, axis: Tensor | None, keep_dims: Tensor | None) -> Tensor:
    dim = -1 if axis is None else int(axis)
    return index(x, dim=dim, keepdim=keep_dims is not None and flag(keep_dims)).to(torch.int32)
