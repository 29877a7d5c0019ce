"""What fusion networks over windows of M modalities share: sizes, inputs, outputs, missing steps, the first layer."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import fuse_linear_bn_eval
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mer_fusion.models.checks import check, check_shape, is_share, is_whole, plain_dict
from mer_fusion.models.temporal import remove_dropout, xavier_
from mer_sdk.errors import OptionError, SignalError

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class WindowConfig:
    """Inputs and outputs of a window model.

    Attributes:
        names: modalities in the order of the inputs, of the masks and of `reliance`; at least two.
        dims: features per step of each.
        steps: window length T, at least 1.
        classes: outputs of the classification head; 0 = no such head.
        regression_outputs: real-valued outputs of the window (sentiment, valence); 0 = no such head.

    Raises:
        OptionError: a value outside its range; the message says which.
    """

    names: tuple[str, ...] = ("audio", "face")
    dims: tuple[int, ...] = (128, 128)
    steps: int = 16
    classes: int = 7
    regression_outputs: int = 0

    def __post_init__(self) -> None:
        count = len(self.names)
        check("names", self.names, count >= 2 and len(set(self.names)) == count, "two or more different names")
        fine = len(self.dims) == count and all(is_whole(d, 1) for d in self.dims)
        check("dims", self.dims, fine, f"{count} whole numbers of at least 1, one for each of {', '.join(self.names)}")
        check("steps", self.steps, is_whole(self.steps, 1), "a whole number of at least 1")
        check("classes", self.classes, is_whole(self.classes, 0) and self.classes != 1, "0, or at least 2")
        fine = is_whole(self.regression_outputs, 0)
        check("regression_outputs", self.regression_outputs, fine, "a whole number, 0 for none")
        if self.classes == 0 and self.regression_outputs == 0:
            raise OptionError("classes and regression_outputs are both 0: the network needs one head at least; set one")

    def _check_layers(self, *sizes: str) -> None:
        """Check what networks with a first layer, Transformer and head add: `sizes`, "kernel" and both dropouts."""
        for name in sizes:
            check(name, getattr(self, name), is_whole(getattr(self, name), 1), "a whole number of at least 1")
        kernel = getattr(self, "kernel")  # noqa: B009  # of the classes that call this
        check("kernel", kernel, is_whole(kernel, 1) and kernel % 2 == 1, "an odd whole number")
        for name in ("dropout", "head_dropout"):
            check(name, getattr(self, name), is_share(getattr(self, name)), "at least 0 and below 1")

    def to_dict(self) -> dict[str, Any]:
        """A plain dict that JSON can hold."""
        return plain_dict(self)


class WindowOutput(NamedTuple):
    """What a network says of a window.

    ``logits`` [B, K] is None without classes, ``regression`` [B, R] None without regression outputs. ``reliance``
    [B, M] is at least 0 and sums to 1, or is 0 throughout when nothing is present.
    """

    logits: Tensor | None
    reliance: Tensor
    regression: Tensor | None


class WindowNetwork(nn.Module):
    """A network over windows whose export form needs no more than folded batch normalisation and no dropout."""

    def prepare_for_export(self: Network) -> Network:
        """A copy in evaluation mode with the same output: batch normalisation folded, dropout gone."""
        model = copy.deepcopy(self).eval()
        fold_norms(model)
        remove_dropout(model)
        return model.requires_grad_(False)


def split_inputs(inputs: tuple[Tensor, ...], config: WindowConfig) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Features [B, T, D_m] and masks [B, T] out of a window network's inputs, checked.

    Raises:
        SignalError: another number of tensors, or other shapes.
    """
    count = len(config.names)
    if len(inputs) != 2 * count:
        raise SignalError(
            f"{len(inputs)} tensors were given; the network takes {2 * count}: the features of "
            f"{', '.join(config.names)}, then their masks in the same order"
        )
    features, masks = inputs[:count], inputs[count:]
    batch = features[0].shape[0]
    for name, dim, x, mask in zip(config.names, config.dims, features, masks, strict=True):
        check_shape(name, x, (batch, config.steps, dim))
        check_shape(f"{name}_mask", mask, (batch, config.steps))
    return features, masks


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean of [B, T, D] over the steps where `mask` [B, T] is 1 -> [B, D]; 0 where there is none."""
    weight = mask.unsqueeze(-1)
    count = mask.sum(dim=1, keepdim=True) + (1.0 - mask.amax(dim=1, keepdim=True))
    return (x * weight).sum(dim=1) / count


def hold_missing(x: Tensor, mask: Tensor) -> Tensor:
    """Missing steps of [B, T, D] set to the mean of the present ones, so that filters over time see no edges."""
    weight = mask.unsqueeze(-1)
    return x * weight + (1.0 - weight) * masked_mean(x, mask).unsqueeze(1)


def presence(masks: tuple[Tensor, ...]) -> Tensor:
    """[B, M] 1 where the modality has a step at all."""
    return torch.stack([mask.amax(dim=1) for mask in masks], dim=1)


class StepEncoder(nn.Module):
    """The first layer of a modality: convolution over neighbouring steps, batch normalisation, LeakyReLU.

    Batch normalisation brings features of any scale to about 1; it is folded into the convolution for export.

    Args:
        inputs, outputs: features per step.
        kernel: taps, odd; the sequence is padded with zeros on both sides.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.pad = kernel // 2
        self.conv = nn.Conv1d(inputs, outputs, kernel)
        self.norm: nn.Module = nn.BatchNorm1d(outputs)
        self.activation = nn.LeakyReLU(0.1)
        self.dropout = nn.Dropout(dropout)
        xavier_(self)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, inputs] -> [B, T, outputs]."""
        padded = F.pad(x.transpose(1, 2), (self.pad, self.pad))
        return self.dropout(self.activation(self.norm(self.conv(padded)))).transpose(1, 2)

    def fold(self) -> None:
        """Put the batch normalisation (in evaluation mode) into the convolution, in place."""
        if isinstance(self.norm, nn.BatchNorm1d):
            self.conv, self.norm = fuse_conv_bn_eval(self.conv, self.norm), nn.Identity()


class WindowHead(nn.Module):
    """Linear, batch normalisation, LeakyReLU, dropout, and a linear layer for each kind of output."""

    def __init__(self, inputs: int, width: int, config: WindowConfig, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, width)
        self.norm: nn.Module = nn.BatchNorm1d(width)
        self.activation = nn.LeakyReLU(0.1)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(width, config.classes) if config.classes else None
        self.regress = nn.Linear(width, config.regression_outputs) if config.regression_outputs else None
        xavier_(self)

    def forward(self, x: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """[B, inputs] -> logits [B, K] or None, regression [B, R] or None."""
        hidden = self.dropout(self.activation(self.norm(self.hidden(x))))
        logits = None if self.classify is None else self.classify(hidden)
        return logits, None if self.regress is None else self.regress(hidden)

    def fold(self) -> None:
        """Put the batch normalisation (in evaluation mode) into the linear layer before it, in place."""
        if isinstance(self.norm, nn.BatchNorm1d):
            self.hidden, self.norm = fuse_linear_bn_eval(self.hidden, self.norm), nn.Identity()


def fold_norms(module: nn.Module) -> None:
    """Fold the batch normalisation of every `StepEncoder` and `WindowHead` in `module`, in place."""
    for part in module.modules():
        if isinstance(part, (StepEncoder, WindowHead)):
            part.fold()


def sample_losses(output: tuple[Tensor | None, Tensor | None], labels: Tensor) -> Tensor:
    """The loss of each window, [B]: cross-entropy of class labels [B] (int64), or mean absolute error of real labels.

    Args:
        output: logits [B, K] and regression [B, R], one of them may be None.
        labels: [B] whole numbers for classes; [B] or [B, R] real numbers for regression.

    Raises:
        SignalError: labels of a kind for which the network has no head.
    """
    logits, regression = output
    if labels.is_floating_point():
        if regression is None:
            raise SignalError("the labels are real numbers and the network has no regression output; give class labels")
        return (regression - labels.reshape(regression.shape)).abs().mean(dim=1)
    if logits is None:
        raise SignalError("the labels are classes and the network has no classification head; give real-valued labels")
    return F.cross_entropy(logits, labels, reduction="none")
