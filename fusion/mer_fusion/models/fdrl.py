"""FDRL: fine-grained disentangled representation learning (arXiv 2312.13567, ICASSP 2024), reconstructed.

Known from the abstract: modality-shared and modality-private encoders, fine-grained alignment of the shared and
fine-grained disparity of the private representations, a fine-grained predictor that keeps the label in every encoder's
output, hierarchical losses. Everything else is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mer_fusion.models.checks import config_from_dict
from mer_fusion.models.heads import masked_softmax
from mer_fusion.models.temporal import xavier_
from mer_fusion.models.transformer import AttentionPool, TransformerEncoder
from mer_fusion.models.window import (
    StepEncoder,
    WindowConfig,
    WindowHead,
    WindowNetwork,
    WindowOutput,
    hold_missing,
    presence,
    sample_losses,
    split_inputs,
)
from mer_sdk.errors import OptionError


@dataclass(frozen=True)
class FdrlConfig(WindowConfig):
    """Sizes and options; see `WindowConfig` for inputs and outputs. The paper's own values are not public.

    Attributes:
        width: features inside, a multiple of `heads`.
        kernel: taps of the first layer, odd.
        layers, heads, feed_forward: of each modality's Transformer.
        head_width: hidden units of the fusion classifier.
        dropout, head_dropout: probabilities in [0, 1).

    Raises:
        OptionError: a value outside its range; the message says which.
    """

    width: int = 128
    kernel: int = 3
    layers: int = 1
    heads: int = 4
    feed_forward: int = 256
    head_width: int = 96
    dropout: float = 0.2
    head_dropout: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_layers("width", "layers", "heads", "feed_forward", "head_width")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FdrlConfig:
        """The configuration that `to_dict` gave; OptionError for a name that is no option."""
        return config_from_dict(cls, "FDRL", values)


class FrontEnd(nn.Module):
    """One modality's sequence to one vector: first layer, Transformer, attention pooling over present steps."""

    def __init__(self, inputs: int, config: FdrlConfig) -> None:
        super().__init__()
        self.first = StepEncoder(inputs, config.width, config.kernel, config.dropout)
        block = (config.width, config.heads, config.feed_forward, config.layers)
        self.transformer = TransformerEncoder(*block, config.steps, config.dropout)
        self.pool = AttentionPool(config.width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[B, T, D_m] and mask [B, T] -> [B, width]; 0 where nothing is present."""
        return self.pool(self.transformer(self.first(hold_missing(x, mask)), mask), mask)


class SubspaceEncoder(nn.Module):
    """Linear, ReLU, linear, layer normalisation: to a subspace in which lengths are fixed.

    The normalisation is what keeps alignment and disparity honest: neither can be had by shrinking the vectors.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        xavier_(self)

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] -> [..., width]."""
        return self.norm(self.out(self.dropout(torch.relu(self.hidden(x)))))


class FdrlStates(NamedTuple):
    """``shared`` and ``private`` hold [B, width] per modality, ``reliance`` is [B, M], ``present`` [B, M]."""

    shared: tuple[Tensor, ...]
    private: tuple[Tensor, ...]
    reliance: Tensor
    present: Tensor


class Fdrl(WindowNetwork):
    """A reconstruction: the components that the abstract names, our choice of each, and no claim to the paper's scores.

    Ours: the front end (`FrontEnd`); the form of the encoders; a gate over the modalities (linear in all
    representations and the shares of present steps, softmax over those present), whose weights are `reliance`. The
    classifier sees the mean of the shared representations under these weights, and beside it each private one times M
    times its weight. So a missing modality has no private part, and its shared part is the others': the shared
    subspace is aligned for that.

    Args:
        config: sizes and options; weights are drawn from torch's global generator (seed it for repeatable networks).
    """

    def __init__(self, config: FdrlConfig) -> None:
        super().__init__()
        self.config = config
        count, width = len(config.names), config.width
        self.front_ends = nn.ModuleList(FrontEnd(dim, config) for dim in config.dims)
        self.shared = SubspaceEncoder(width, config.dropout)
        self.private = nn.ModuleList(SubspaceEncoder(width, config.dropout) for _ in range(count))
        self.gate = nn.Linear((2 * width + 1) * count, count)
        self.head = WindowHead((count + 1) * width, config.head_width, config, config.head_dropout)
        xavier_(self.gate)

    def forward(self, *inputs: Tensor) -> WindowOutput:
        """Read one window per row, newest step last.

        Args:
            inputs: features [B, T, D_m] of each modality in order, finite, those of missing steps do not matter; then
                as many masks [B, T], 1.0 where the step is present and 0.0 where it is missing.

        Raises:
            SignalError: another number of tensors, or shapes that the configuration does not have.
        """
        return self.decide(self.represent(*inputs))

    def represent(self, *inputs: Tensor) -> FdrlStates:
        """Shared and private representations, and the gate's weights."""
        features, masks = split_inputs(inputs, self.config)
        pooled = [front(x, mask) for front, x, mask in zip(self.front_ends, features, masks, strict=True)]
        # On the batch axis: the shared weights are in the exported graph once.
        shared = torch.split(self.shared(torch.cat(pooled, dim=0)), pooled[0].shape[0], dim=0)
        private = [encode(x) for encode, x in zip(self.private, pooled, strict=True)]
        present = presence(masks)
        here = [present[:, index : index + 1] for index in range(len(masks))]
        seen = [x * flag for x, flag in zip((*shared, *private), (*here, *here), strict=True)]
        shares = [mask.mean(dim=1, keepdim=True) for mask in masks]
        reliance = masked_softmax(self.gate(torch.cat((*seen, *shares), dim=-1)), present)
        return FdrlStates(tuple(shared), tuple(private), reliance, present)

    def decide(self, states: FdrlStates) -> WindowOutput:
        """Weighted representations to the head."""
        count = len(states.shared)
        weights = [states.reliance[:, index : index + 1] for index in range(count)]
        common = weights[0] * states.shared[0]
        for index in range(1, count):
            common = common + weights[index] * states.shared[index]
        own = [states.private[index] * (weights[index] * float(count)) for index in range(count)]
        logits, regression = self.head(torch.cat((common, *own), dim=-1))
        return WindowOutput(logits, states.reliance, regression)


@dataclass(frozen=True)
class FdrlOptions:
    """Weights of the losses; none of them is public.

    Attributes:
        alignment, disparity, prediction: weights; 0 switches the part off.
        edges: real-valued labels (regression) are grouped at these values for alignment and disparity, rising.

    Raises:
        OptionError: a negative weight.
    """

    alignment: float = 0.1
    disparity: float = 0.1
    prediction: float = 0.5
    edges: tuple[float, ...] = (-0.5, 0.5)

    def __post_init__(self) -> None:
        for name in ("alignment", "disparity", "prediction"):
            if getattr(self, name) < 0:
                raise OptionError(f"{name} is {getattr(self, name)}; a weight must be at least 0")


class FdrlObjective(nn.Module):
    """FDRL's losses around a network, level by level; trained with it, never exported.

    First level, every encoder's output: a linear predictor on each shared and each private representation
    (cross-entropy), the shared encoder's predictor being one for all modalities. Second level, the subspaces, both
    per class ("fine-grained" read as class-conditional): alignment, the squared distance between two modalities'
    means of the shared representations, of each class and of all; disparity, the squared cosine between private
    representations of two modalities and between shared and private of one, averaged within each class and then over
    classes. Third level, the fused representation: the cross-entropy of the network's output, which the caller adds.

    Args:
        network: shared with the caller; its parameters are among this module's.
        options: weights.
    """

    def __init__(self, network: Fdrl, options: FdrlOptions | None = None) -> None:
        super().__init__()
        self.network = network
        self.options = options or FdrlOptions()
        config = network.config
        self.groups = config.classes or len(self.options.edges) + 1
        outputs = config.classes or config.regression_outputs
        self.shared_predictor = nn.Linear(config.width, outputs)
        self.private_predictors = nn.ModuleList(nn.Linear(config.width, outputs) for _ in config.names)
        xavier_(self.shared_predictor)
        xavier_(self.private_predictors)

    def forward(self, inputs: tuple[Tensor, ...], labels: Tensor) -> tuple[WindowOutput, Tensor]:
        """The network's output and the weighted sum of the three extra losses, 0-d.

        Args:
            inputs: as the network takes them.
            labels: [B] class labels, or real numbers ([B] or [B, R]) for regression.
        """
        states, options = self.network.represent(*inputs), self.options
        groups = labels
        if labels.is_floating_point():
            edges = torch.tensor(options.edges, dtype=labels.dtype, device=labels.device)
            groups = torch.bucketize(labels.reshape(len(labels), -1)[:, 0].contiguous(), edges)
        members = nn.functional.one_hot(groups, self.groups).to(states.reliance.dtype)
        extra = options.prediction * self.prediction_loss(states, labels)
        extra = extra + options.alignment * alignment_loss(states, members)
        extra = extra + options.disparity * disparity_loss(states, members)
        return self.network.decide(states), extra

    def prediction_loss(self, states: FdrlStates, labels: Tensor) -> Tensor:
        """Mean loss of the predictors over all present representations, 0-d."""
        total, count = labels.new_zeros((), dtype=states.reliance.dtype), 2.0 * states.present.sum()
        for index, (shared, private) in enumerate(zip(states.shared, states.private, strict=True)):
            for predictor, x in ((self.shared_predictor, shared), (self.private_predictors[index], private)):
                scores = predictor(x)
                losses = sample_losses((None, scores) if labels.is_floating_point() else (scores, None), labels)
                total = total + (losses * states.present[:, index]).sum()
        return total / count.clamp(min=1.0)


def alignment_loss(states: FdrlStates, members: Tensor) -> Tensor:
    """How far apart the modalities' shared representations lie, per feature, 0-d.

    The squared distance between the means of two modalities, of each class that both have in the batch (mean over
    classes) plus that of all windows, mean over pairs of modalities.

    Args:
        members: [B, K] 1 where the window is of the class.
    """
    total, pairs = states.reliance.new_zeros(()), list(combinations(range(len(states.shared)), 2))
    everyone = torch.ones_like(members[:, :1])
    for first, second in pairs:
        for groups in (members, everyone):
            means, counts = [], []
            for index in (first, second):
                weight = groups * states.present[:, index : index + 1]
                counts.append(weight.sum(dim=0))
                means.append((weight.T @ states.shared[index]) / counts[-1].clamp(min=1.0).unsqueeze(1))
            both = ((counts[0] > 0) & (counts[1] > 0)).to(total.dtype)
            distance = ((means[0] - means[1]) ** 2).mean(dim=1)
            total = total + (distance * both).sum() / both.sum().clamp(min=1.0)
    return total / len(pairs)


def disparity_loss(states: FdrlStates, members: Tensor) -> Tensor:
    """Squared cosine of what should differ: private parts of two modalities, shared and private part of one; 0-d.

    Averaged within each class of the batch, then over classes, then over the pairs.

    Args:
        members: [B, K] 1 where the window is of the class.
    """
    count = len(states.private)
    pairs = [(states.private[i], states.private[j], (i, j)) for i, j in combinations(range(count), 2)]
    pairs += [(states.shared[i], states.private[i], (i, i)) for i in range(count)]
    total = states.reliance.new_zeros(())
    for one, other, (first, second) in pairs:
        square = nn.functional.cosine_similarity(one, other, dim=1) ** 2
        weight = members * (states.present[:, first] * states.present[:, second]).unsqueeze(1)
        sizes = weight.sum(dim=0)
        per_class = (weight.T @ square) / sizes.clamp(min=1.0)
        here = (sizes > 0).to(total.dtype)
        total = total + (per_class * here).sum() / here.sum().clamp(min=1.0)
    return total / len(pairs)
