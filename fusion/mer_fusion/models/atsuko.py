"""Atsuko: frequency-band routing and complementarity-supervised modality routing (arXiv 2603.13340), reconstructed.

Known from the abstract and the overview figure: an orthogonal split of every modality into low, mid and high bands, one
router per modality over its bands, a Transformer, a modality router that sees each modality before and after the
attention, the weighted sum, a fusion layer, one head; and in training alone the Marginal Complementarity Module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mer_fusion.models.checks import check, config_from_dict
from mer_fusion.models.heads import masked_softmax
from mer_fusion.models.spectral import BANDS, POOLINGS, SpectralBands
from mer_fusion.models.temporal import xavier_
from mer_fusion.models.transformer import AttentionPool, TransformerEncoder, TransformerLayer
from mer_fusion.models.window import (
    StepEncoder,
    WindowConfig,
    WindowHead,
    WindowNetwork,
    WindowOutput,
    hold_missing,
    masked_mean,
    presence,
    sample_losses,
    split_inputs,
)
from mer_sdk.errors import OptionError


@dataclass(frozen=True)
class AtsukoConfig(WindowConfig):
    """Sizes and options; see `WindowConfig` for inputs and outputs. The paper's own values are not public.

    Attributes:
        width: features per step inside, a multiple of `heads`.
        kernel: taps of the first layer, odd.
        low_band, mid_band: upper ends of the bands as shares of the spectrum.
        band_pooling: "rms", "absolute" or "mean": how a band is summarised for its router. The mean of an ideal mid or
            high band is 0; measured (docs/results.md, P2 ablations), none of the three differs beyond chance.
        band_routing: False leaves the sequences as they are. The bands are orthogonal and complete, so fixed equal
            weights are the same thing.
        layers, heads, feed_forward: of the Transformer.
        router_width: hidden units of the routers.
        head_width: hidden units of the head.
        dropout, head_dropout: probabilities in [0, 1).

    Raises:
        OptionError: a value outside its range; the message says which.
    """

    width: int = 128
    kernel: int = 3
    low_band: float = 0.125
    mid_band: float = 0.5
    band_pooling: str = "rms"
    band_routing: bool = True
    layers: int = 2
    heads: int = 4
    feed_forward: int = 256
    router_width: int = 48
    head_width: int = 96
    dropout: float = 0.2
    head_dropout: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_layers("width", "layers", "heads", "feed_forward", "router_width", "head_width")
        check("band_pooling", self.band_pooling, self.band_pooling in POOLINGS, f"one of {', '.join(POOLINGS)}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AtsukoConfig:
        """The configuration that `to_dict` gave; OptionError for a name that is no option."""
        return config_from_dict(cls, "Atsuko", values)


class Router(nn.Module):
    """FC, ReLU, FC: the scores from which a softmax makes weights."""

    def __init__(self, inputs: int, width: int, ways: int) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(inputs, width), nn.Linear(width, ways)
        xavier_(self)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs] -> [B, ways]."""
        return self.out(torch.relu(self.hidden(x)))


class AtsukoStates(NamedTuple):
    """A window on its way: what the Marginal Complementarity Module and a debugger look at.

    ``before`` and ``after`` hold [B, T, width] per modality, before and after the attention; ``band_weights`` [B, 3]
    (low, mid, high; sums to 1) per modality, none without band routing; ``reliance`` [B, M].
    """

    before: tuple[Tensor, ...]
    after: tuple[Tensor, ...]
    band_weights: tuple[Tensor, ...]
    reliance: Tensor


class Atsuko(WindowNetwork):
    """A reconstruction: the paper's blocks, our choice where the figure leaves one open, no claim to its scores.

    Ours: the first layer (`StepEncoder`); the cosine basis and its cut-offs; a band is summarised by the root of its
    mean square, because the mean of an ideal mid or high band is zero; band weights are taken times 3, so that equal
    ones leave the sequence as it is; one Transformer whose weights the modalities share and in which none looks at
    another (the figure draws one block that three arrows cross); the modality router's layers (mean over present steps
    of both taps and the shares of present steps, FC, ReLU, FC); the weights multiply the sequences after the attention;
    the fusion layer (a Transformer layer over the sum, then attention pooling). Missing steps are filled with the mean
    of the present ones before the split, attend to nothing that is missing and are attended to by nothing.

    Args:
        config: sizes and options; weights are drawn from torch's global generator (seed it for repeatable networks).
    """

    def __init__(self, config: AtsukoConfig) -> None:
        super().__init__()
        self.config = config
        count, width = len(config.names), config.width
        self.first = nn.ModuleList(StepEncoder(dim, width, config.kernel, config.dropout) for dim in config.dims)
        self.bands = SpectralBands(config.steps, config.low_band, config.mid_band, config.band_pooling)
        ways = len(BANDS)
        self.band_routers = nn.ModuleList(
            Router(ways * width, config.router_width, ways) for _ in range(count if config.band_routing else 0)
        )
        block = (width, config.heads, config.feed_forward)
        self.transformer = TransformerEncoder(*block, config.layers, config.steps, config.dropout)
        self.modality_router = Router((2 * width + 1) * count, config.router_width, count)
        self.fusion = TransformerLayer(*block, config.dropout)
        self.pool = AttentionPool(width)
        self.head = WindowHead(width, config.head_width, config, config.head_dropout)

    def forward(self, *inputs: Tensor) -> WindowOutput:
        """Read one window per row, newest step last.

        Args:
            inputs: features [B, T, D_m] of each modality in order, finite, those of missing steps do not matter; then
                as many masks [B, T], 1.0 where the step is present and 0.0 where it is missing.

        Raises:
            SignalError: another number of tensors, or shapes that the configuration does not have.
        """
        states, masks = self.represent(*inputs)
        return self.decide(states, masks)

    def represent(self, *inputs: Tensor) -> tuple[AtsukoStates, tuple[Tensor, ...]]:
        """Up to the modality weights: the states, and the masks out of the inputs."""
        features, masks = split_inputs(inputs, self.config)
        before, band_weights = [], []
        for index, (x, mask) in enumerate(zip(features, masks, strict=True)):
            # The spectrum of a held gap, not of a hole: zeros there would ring through every band.
            x = self.first[index](hold_missing(x, mask))
            if self.config.band_routing:
                spectrum = self.bands.spectrum(hold_missing(x, mask))
                weights = torch.softmax(self.band_routers[index](self.bands.pooled(spectrum)), dim=-1)
                x = self.bands.mixed(spectrum, weights * float(len(BANDS)))
                band_weights.append(weights)
            before.append(x)
        # On the batch axis: the shared weights are in the exported graph once.
        stacked = self.transformer(torch.cat(before, dim=0), torch.cat(masks, dim=0))
        after = torch.split(stacked, features[0].shape[0], dim=0)
        taps = [masked_mean(x, mask) for x, mask in zip((*before, *after), (*masks, *masks), strict=True)]
        shares = [mask.mean(dim=1, keepdim=True) for mask in masks]
        reliance = masked_softmax(self.modality_router(torch.cat((*taps, *shares), dim=-1)), presence(masks))
        return AtsukoStates(tuple(before), tuple(after), tuple(band_weights), reliance), masks

    def decide(self, states: AtsukoStates, masks: tuple[Tensor, ...]) -> WindowOutput:
        """Weighted sum, fusion layer and head."""
        present = torch.stack(masks, dim=1)
        weights = states.reliance.unsqueeze(-1) * present
        total = weights[:, 0].unsqueeze(-1) * states.after[0]
        for index in range(1, len(states.after)):
            total = total + weights[:, index].unsqueeze(-1) * states.after[index]
        anything = present.amax(dim=1)
        logits, regression = self.head(self.pool(self.fusion(total, anything), anything))
        return WindowOutput(logits, states.reliance, regression)


@dataclass(frozen=True)
class AtsukoOptions:
    """The Marginal Complementarity Module in numbers; none of them is public.

    Attributes:
        branch_weight: of the loss of the branches that leave a modality out.
        router_weight: of the divergence of the modality weights from the complementarity target; 0 with
            `branch_weight` 0 switches the module off.
        temperature: of the target; lower is closer to naming the one modality that helps most.

    Raises:
        OptionError: a negative weight, or a temperature that is not above 0.
    """

    branch_weight: float = 0.3
    router_weight: float = 0.1
    temperature: float = 0.5

    def __post_init__(self) -> None:
        if min(self.branch_weight, self.router_weight) < 0 or self.temperature <= 0:
            raise OptionError(
                f"branch_weight {self.branch_weight} and router_weight {self.router_weight} must be at least 0 and "
                f"temperature {self.temperature} above 0"
            )


class AtsukoObjective(nn.Module):
    """The Marginal Complementarity Module around a network; trained with it, never exported.

    For every modality m a branch sees the sequences of the others alone (their mean per step, attention pooling, a head
    of its own). How much its loss exceeds the network's on the same window is what m adds: I_m = L_without_m - L_all.
    The clamped I, divided by a temperature and put through a softmax over the present modalities, is the target which
    the modality weights are drawn to (KL divergence). Windows with one modality teach the router nothing and are left
    out of it. With two modalities, the branch without one is the other alone.

    Args:
        network: shared with the caller; its parameters are among this module's.
        options: weights.
    """

    def __init__(self, network: Atsuko, options: AtsukoOptions | None = None) -> None:
        super().__init__()
        self.network = network
        self.options = options or AtsukoOptions()
        config, count = network.config, len(network.config.names)
        self.pools = nn.ModuleList(AttentionPool(config.width) for _ in range(count))
        self.heads = nn.ModuleList(
            WindowHead(config.width, config.head_width, config, config.head_dropout) for _ in range(count)
        )

    def forward(self, inputs: tuple[Tensor, ...], labels: Tensor) -> tuple[WindowOutput, Tensor]:
        """The network's output and the module's loss, 0-d.

        Args:
            inputs: as the network takes them.
            labels: [B] class labels, or real numbers ([B] or [B, R]) for regression.
        """
        states, masks = self.network.represent(*inputs)
        output = self.network.decide(states, masks)
        present = presence(masks)
        without, seen = self._branch_losses(states.after, masks, labels)
        branches = (without * seen).sum() / seen.sum().clamp(min=1.0)
        with torch.no_grad():
            added = without - sample_losses((output.logits, output.regression), labels).unsqueeze(1)
            target = self.target(added, present)
        several = (present.sum(dim=1) > 1).to(target.dtype)
        weights = states.reliance.clamp(min=1e-6)
        divergence = (target * (target.clamp(min=1e-6).log() - weights.log())).sum(dim=1)
        routing = (divergence * several).sum() / several.sum().clamp(min=1.0)
        return output, self.options.branch_weight * branches + self.options.router_weight * routing

    def target(self, added: Tensor, present: Tensor) -> Tensor:
        """Marginal contributions [B, M] and presence [B, M] -> the distribution [B, M] the router learns."""
        return masked_softmax(torch.relu(added) / self.options.temperature, present)

    def _branch_losses(
        self, sequences: tuple[Tensor, ...], masks: tuple[Tensor, ...], labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Losses without each modality, [B, M], and 1 where the branch had anything to see."""
        losses, seen = [], []
        for left_out in range(len(sequences)):
            others = [index for index in range(len(sequences)) if index != left_out]
            total = torch.stack([sequences[i] * masks[i].unsqueeze(-1) for i in others]).sum(dim=0)
            count = torch.stack([masks[i] for i in others]).sum(dim=0)
            mean = total / count.clamp(min=1.0).unsqueeze(-1)
            mask = count.clamp(max=1.0)
            losses.append(sample_losses(self.heads[left_out](self.pools[left_out](mean, mask)), labels))
            seen.append(mask.amax(dim=1))
        return torch.stack(losses, dim=1), torch.stack(seen, dim=1)
