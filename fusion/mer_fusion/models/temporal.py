"""Causal temporal convolution network (TCN) that prepares each modality's features for the attention fusion."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm as add_weight_norm


def xavier_(module: nn.Module) -> None:
    """Xavier-uniform weights and zero biases for every Linear and Conv1d in ``module``, in place.

    Call it before weight normalisation is added, so that direction and length both follow the drawn weight.
    """
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv1d)):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class CausalBlock(nn.Module):
    """Two dilated causal convolutions with a residual path; the output at step t sees the inputs up to t only."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, dilation: int, dropout: float, weight_norm: bool
    ) -> None:
        super().__init__()
        self.left = (kernel - 1) * dilation
        self.conv1 = nn.Conv1d(inputs, outputs, kernel, dilation=dilation)
        self.conv2 = nn.Conv1d(outputs, outputs, kernel, dilation=dilation)
        self.shortcut = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else None
        self.activation = nn.LeakyReLU(0.01)
        self.dropout = nn.Dropout(dropout)
        xavier_(self)
        if weight_norm:
            add_weight_norm(self.conv1)
            add_weight_norm(self.conv2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, T] -> [B, outputs, T]."""
        # Padding on the left alone: padding both sides and cutting the right off would compute what is thrown away.
        y = self.dropout(self.activation(self.conv1(functional.pad(x, (self.left, 0)))))
        y = self.dropout(self.activation(self.conv2(functional.pad(y, (self.left, 0)))))
        return self.activation(y + (x if self.shortcut is None else self.shortcut(x)))


class TemporalNetwork(nn.Module):
    """A stack of causal blocks with dilations 1, 2, 4, ... by block.

    Args:
        inputs: channels of the input, at least 1.
        channels: width of each block; the last is the width of the output.
        kernel: taps of every convolution, at least 1.
        dropout: probability in [0, 1) after every convolution.
        weight_norm: reparametrise the dilated convolutions by length and direction.
    """

    def __init__(self, inputs: int, channels: Sequence[int], kernel: int, dropout: float, weight_norm: bool) -> None:
        super().__init__()
        widths = [inputs, *channels]
        self.blocks = nn.Sequential(
            *(CausalBlock(widths[i], widths[i + 1], kernel, 2**i, dropout, weight_norm) for i in range(len(widths) - 1))
        )
        self.receptive_field = 1 + 2 * (kernel - 1) * sum(2**i for i in range(len(channels)))

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, T] -> [B, channels[-1], T]."""
        return self.blocks(x)


class Affine(nn.Module):
    """A fixed scale and shift per channel of [B, C, T]: what batch normalisation is once training is over."""

    def __init__(self, norm: nn.BatchNorm1d) -> None:
        super().__init__()
        scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
        self.register_buffer("scale", scale.reshape(1, -1, 1).clone())
        self.register_buffer("shift", (norm.bias.detach() - norm.running_mean * scale).reshape(1, -1, 1).clone())

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T] -> [B, C, T]."""
        return x * self.scale + self.shift


def fold_weight_norm(module: nn.Module) -> None:
    """Replace every weight-normalised Conv1d inside ``module`` by a plain one with the same weight, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv1d) and parametrize.is_parametrized(child, "weight"):
            # A new layer, as removing a parametrisation alters the class that deep copies of the layer share.
            plain = nn.Conv1d(child.in_channels, child.out_channels, child.kernel_size, dilation=child.dilation)
            plain = plain.to(child.weight).train(child.training)
            plain.load_state_dict({"weight": child.weight.detach(), "bias": child.bias.detach()})
            setattr(module, name, plain)
        else:
            fold_weight_norm(child)


def remove_dropout(module: nn.Module) -> None:
    """Replace every dropout layer in ``module`` by nothing, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Dropout):
            setattr(module, name, nn.Identity())
        else:
            remove_dropout(child)


def parameter_count(module: nn.Module) -> int:
    """How many numbers ``module`` learns; a weight-normalised layer counts both its lengths and its directions."""
    return sum(math.prod(p.shape) for p in module.parameters())
