"""Changes of shape and order, and slices."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from mer_converters.targets.coreml.interpreter.handlers.registry import flag, handler, ints
from mer_sdk.errors import ConversionError


@handler("reshape")
def reshape(x: Tensor, shape: Tensor) -> Tensor:
    """x in another shape; one entry may be -1 (what is left over), and 0 stands for the size of x.

    Axes are matched from the right, as iOS 17 does; before it, zeros need equal ranks, which is the same. A 0 with no
    axis of x stands for 1.
    """
    sizes = ints(shape)
    shift = x.dim() - len(sizes)
    return x.reshape([_inherited(x, axis + shift) if size == 0 else size for axis, size in enumerate(sizes)])


def _inherited(x: Tensor, axis: int) -> int:
    return x.shape[axis] if axis >= 0 else 1


@handler("reshape_like")
def reshape_like(
    x: Tensor, ref_tensors: list[Tensor], begins: list[Tensor], ends: list[Tensor], end_masks: list[Tensor]
) -> Tensor:
    """x in a shape put together from axes begin to end (or, with the mask, to the last) of other tensors."""
    sizes: list[int] = []
    for reference, begin, end, to_last in zip(ref_tensors, begins, ends, end_masks, strict=True):
        sizes += reference.shape[int(begin) : None if flag(to_last) else int(end)]
    return x.reshape(sizes)


@handler("expand_dims")
def expand_dims(x: Tensor, axes: Tensor) -> Tensor:
    """x with axes of length 1 at these positions of the result."""
    wanted = ints(axes)
    rank = x.dim() + len(wanted)
    for axis in sorted(axis % rank for axis in wanted):
        x = x.unsqueeze(axis)
    return x


@handler("squeeze")
def squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    """x without the given axes, or without all, that have length 1; a given axis of another length stays."""
    return x.squeeze() if axes is None else x.squeeze(tuple(ints(axes)))


@handler("transpose")
def transpose(x: Tensor, perm: Tensor) -> Tensor:
    """x with its axes in the order `perm`."""
    return x.permute(ints(perm))


@handler("reverse")
def reverse(x: Tensor, axes: Tensor | None = None) -> Tensor:
    """x backwards along the given axes, or along all."""
    return x.flip(list(range(x.dim())) if axes is None else ints(axes))


@handler("reverse_sequence")
def reverse_sequence(
    x: Tensor, lengths: Tensor, seq_axis: Tensor | None = None, batch_axis: Tensor | None = None
) -> Tensor:
    """The first `lengths[i]` entries along `seq_axis` backwards, for entry i of `batch_axis` (0 unless given, both).

    Raises:
        ConversionError: the two axes are the same.
    """
    time = 0 if seq_axis is None else int(seq_axis) % x.dim()
    batch = 0 if batch_axis is None else int(batch_axis) % x.dim()
    if time == batch:
        raise ConversionError(f"reverse_sequence has the axis {time} as seq_axis and as batch_axis; they must differ")
    steps = torch.arange(x.shape[time])
    count = lengths.to(torch.int64).unsqueeze(-1)
    source = torch.where(steps < count, count - 1 - steps, steps)  # (batch, time)
    shape = [1] * x.dim()
    shape[batch], shape[time] = source.shape
    return x.gather(time, (source if batch < time else source.T).reshape(shape).expand(x.shape))


@handler("slice_by_index")
def slice_by_index(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    """x[begin:end:stride] on every axis, as numpy has it, with negative strides.

    A true entry of `begin_mask` or `end_mask` is an open end, one of `squeeze_mask` the index `begin` alone, whose axis
    goes away.
    """
    slices, backwards, single = _selection(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    part = x[slices]
    if backwards:
        part = part.flip(backwards)
    return part.squeeze(single) if single else part


@handler("slice_update")
def slice_update(
    x: Tensor,
    update: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    """A copy of x with `update` written over the part that `slice_by_index` would give."""
    slices, backwards, single = _selection(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    for axis in single:
        update = update.unsqueeze(axis)
    result = x.clone()
    result[slices] = update.flip(backwards) if backwards else update
    return result


def _selection(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None,
    begin_mask: Tensor | None,
    end_mask: Tensor | None,
    squeeze_mask: Tensor | None,
) -> tuple[tuple[slice, ...], list[int], tuple[int, ...]]:
    """Slices with positive steps, as torch has no others; the axes to turn around afterwards; the axes to drop."""
    rank = x.dim()
    starts, stops = ints(begin), ints(end)
    steps = [1] * rank if stride is None else ints(stride)
    from_start, to_end, alone = (
        [False] * rank if mask is None else [bool(entry) for entry in mask.tolist()]
        for mask in (begin_mask, end_mask, squeeze_mask)
    )
    slices, backwards, single = [], [], []
    for axis, size in enumerate(x.shape):
        first = None if from_start[axis] else starts[axis]
        if alone[axis]:
            single.append(axis)
            at = (first or 0) % size
            slices.append(slice(at, at + 1))
            continue
        taken = range(*slice(first, None if to_end[axis] else stops[axis], steps[axis]).indices(size))
        if taken.step < 0:
            backwards.append(axis)
            taken = taken[::-1]
        slices.append(slice(taken.start, taken.stop, taken.step) if taken else slice(0, 0))
    return tuple(slices), backwards, tuple(single)


@handler("slice_by_size")
def slice_by_size(x: Tensor, begin: Tensor, size: Tensor) -> Tensor:
    """`size` entries from `begin` on every axis; -1 stands for all that are left."""
    for axis, (first, count) in enumerate(zip(ints(begin), ints(size), strict=True)):
        start = first + x.shape[axis] if first < 0 else first
        x = x.narrow(axis, start, x.shape[axis] - start if count == -1 else count)
    return x


@handler("sliding_windows")
def sliding_windows(x: Tensor, axis: Tensor, size: Tensor, stride: Tensor | None = None) -> Tensor:
    """All windows of `size` entries, `stride` (1 unless given) apart, along an axis; the new axis follows it."""
    dim = int(axis) % x.dim()
    return x.unfold(dim, int(size), 1 if stride is None else int(stride)).movedim(-1, dim + 1)


@handler("pixel_shuffle")
def pixel_shuffle(x: Tensor, upscale_factor: Tensor) -> Tensor:
    """(n, c * f * f, h, w) -> (n, c, h * f, w * f): a block's pixels lie in neighbouring channels, as in torch."""
    return F.pixel_shuffle(x, int(upscale_factor))


@handler("pixel_unshuffle")
def pixel_unshuffle(x: Tensor, downscale_factor: Tensor) -> Tensor:
    """(n, c, h * f, w * f) -> (n, c * f * f, h, w), the inverse of `pixel_shuffle`."""
    return F.pixel_unshuffle(x, int(downscale_factor))


@handler("depth_to_space")
def depth_to_space(x: Tensor, block_size: Tensor) -> Tensor:
    """(n, b * b * c, h, w) -> (n, c, h * b, w * b): a block's pixels lie c channels apart, as in TensorFlow."""
    b = int(block_size)
    n, channels, height, width = x.shape
    blocks = x.reshape(n, b, b, channels // (b * b), height, width)
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape(n, channels // (b * b), height * b, width * b)


@handler("space_to_depth")
def space_to_depth(x: Tensor, block_size: Tensor) -> Tensor:
    """(n, c, h * b, w * b) -> (n, b * b * c, h, w), the inverse of `depth_to_space`."""
    b = int(block_size)
    n, channels, height, width = x.shape
    blocks = x.reshape(n, channels, height // b, b, width // b, b)
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape(n, channels * b * b, height // b, width // b)


@handler("space_to_batch")
def space_to_batch(x: Tensor, block_shape: Tensor, paddings: Tensor) -> Tensor:
    """(n, c, h, w), zero-padded -> (bh * bw * n, c, h / bh, w / bw): every image by its place in the block.

    Args:
        x: images.
        block_shape: (2,), bh and bw.
        paddings: (2, 2), before and after of height and of width.
    """
    top, bottom, left, right = ints(paddings)
    x = F.pad(x, (left, right, top, bottom))
    bh, bw = ints(block_shape)
    n, channels, height, width = x.shape
    blocks = x.reshape(n, channels, height // bh, bh, width // bw, bw)
    return blocks.permute(3, 5, 0, 1, 2, 4).reshape(bh * bw * n, channels, height // bh, width // bw)


@handler("batch_to_space")
def batch_to_space(x: Tensor, block_shape: Tensor, crops: Tensor) -> Tensor:
    """(bh * bw * n, c, h, w) -> (n, c, h * bh, w * bw) less `crops`, the inverse of `space_to_batch`."""
    bh, bw = ints(block_shape)
    top, bottom, left, right = ints(crops)
    n = len(x) // math.prod((bh, bw))
    _, channels, height, width = x.shape
    blocks = x.reshape(bh, bw, n, channels, height, width).permute(2, 3, 4, 0, 5, 1)
    images = blocks.reshape(n, channels, height * bh, width * bw)
    return images[:, :, top : height * bh - bottom, left : width * bw - right]
