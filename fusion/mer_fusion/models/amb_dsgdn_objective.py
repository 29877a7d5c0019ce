"""What AMB-DSGDN's paper adds in training (arXiv 2603.10043): squared unimodal losses, adaptive modality balancing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.models.amb_dsgdn import AmbDsgdn, DialogueOutput
from mer_fusion.models.checks import check, config_from_dict, is_whole, plain_dict

UNLABELLED = -1
_TINY = 1e-5


@dataclass(frozen=True)
class AmbDsgdnOptions:
    """Options of the objective; the defaults are the published ones for MELD.

    Attributes:
        unimodal_weight: of the sum of squared unimodal losses; 0 = none.
        drop_rate: q of a modality that is as good as the others, 0-1; 0 = no balancing.
        drop_slope: how much faster a modality is dropped the better it is, at least 0.
        drop_chance: share of batches in which modalities are dropped at all, 0-1.
        warm_up_updates: batches before balancing begins.
        class_weights: of the cross-entropies, one a class; empty = all alike.

    Raises:
        OptionError: a value outside its range; the message says which.
    """

    unimodal_weight: float = 0.1
    drop_rate: float = 0.2
    drop_slope: float = 0.9
    drop_chance: float = 0.2
    warm_up_updates: int = 0
    class_weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("unimodal_weight", "drop_slope"):
            value = getattr(self, name)
            check(name, value, isinstance(value, (int, float)) and value >= 0, "a number of at least 0")
        for name in ("drop_rate", "drop_chance"):
            value = getattr(self, name)
            check(name, value, isinstance(value, (int, float)) and 0 <= value <= 1, "a number from 0 to 1")
        check("warm_up_updates", self.warm_up_updates, is_whole(self.warm_up_updates, 0), "a whole number, 0 for none")
        fine = all(isinstance(w, (int, float)) and w > 0 for w in self.class_weights)
        check("class_weights", self.class_weights, fine, "numbers above 0, one a class, or empty")

    @classmethod
    def iemocap(cls, batches_per_epoch: int) -> "AmbDsgdnOptions":
        """As published for IEMOCAP: balancing after 60 epochs (of 61), classes weighted by their inverse frequency."""
        shares = (0.086747, 0.144406, 0.227883, 0.160585, 0.127711, 0.252668)
        return cls(
            drop_rate=0.3,
            drop_chance=0.5,
            warm_up_updates=60 * batches_per_epoch,
            class_weights=tuple(1 / share for share in shares),
        )

    @classmethod
    def meld(cls) -> "AmbDsgdnOptions":
        """As published for MELD."""
        return cls()

    def to_dict(self) -> dict[str, Any]:
        """A plain dict that JSON can hold."""
        return plain_dict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "AmbDsgdnOptions":
        """The options that ``to_dict`` gave.

        Raises:
            OptionError: a name that is no option, or a value outside its range.
        """
        return config_from_dict(cls, "AMB-DSGDN's objective", values)


class AmbDsgdnObjective(nn.Module):
    """A network with what its paper adds in training. With one modality balancing does nothing.

    A drop takes a modality's features before its head away, for a whole dialogue, as published. Where that would leave
    a dialogue without any modality that it had, it keeps them (the authors take such dialogues out of the batch).

    Args:
        network: trained through this module.
        options: see `AmbDsgdnOptions`.

    Raises:
        OptionError: another number of class weights than the network has classes.
    """

    updates: Tensor
    class_weights: Tensor | None

    def __init__(self, network: AmbDsgdn, options: AmbDsgdnOptions | None = None) -> None:
        super().__init__()
        self.network = network
        self.options = options or AmbDsgdnOptions()
        weights, classes = self.options.class_weights, network.config.classes
        check("class_weights", weights, len(weights) in (0, classes), f"{classes} numbers or empty")
        self.register_buffer("class_weights", torch.tensor(weights) if weights else None, persistent=False)
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    def forward(self, inputs: tuple[Tensor, ...], labels: Tensor) -> tuple[DialogueOutput, Tensor]:
        """The network's output and the extra loss, 0-d, at least 0.

        Draws of a training step come from torch's global generator, as dropout's do.

        Args:
            inputs: as `AmbDsgdn.forward` takes them.
            labels: [B, N], whole numbers; -1 where an utterance is not there or has no label.
        """
        features, masks, speakers = self.network.split(inputs)
        hidden = self.network.represented(features, masks, speakers)
        if self.training:
            if len(hidden) > 1 and self.options.drop_rate > 0 and int(self.updates) >= self.options.warm_up_updates:
                hidden = self._balanced(hidden, masks, labels)
            self.updates += 1
        output = self.network.classified(hidden, masks)
        losses = [
            self.cross_entropy(logits, torch.where(mask > 0, labels, UNLABELLED))
            for logits, mask in zip(output.unimodal, masks, strict=True)
        ]
        return output, self.options.unimodal_weight * torch.stack([loss**2 for loss in losses]).sum()

    def cross_entropy(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Mean over the labelled utterances (weighted by class where configured), 0 where there are none."""
        flat = labels.flatten()
        if not bool((flat != UNLABELLED).any()):
            return logits.sum() * 0.0
        return F.cross_entropy(
            logits.flatten(0, 1).float(),
            flat,
            self.class_weights,
            ignore_index=UNLABELLED,
            label_smoothing=smoothing,
        )

    def _balanced(self, hidden: list[Tensor], masks: tuple[Tensor, ...], labels: Tensor) -> list[Tensor]:
        with torch.no_grad():
            unimodal = self.network.classified(hidden, masks).unimodal
            scores = [
                weighted_f1(logits.argmax(dim=2), torch.where(mask > 0, labels, UNLABELLED), logits.shape[2])
                for logits, mask in zip(unimodal, masks, strict=True)
            ]
            rates = drop_rates(torch.stack(scores), self.options.drop_rate, self.options.drop_slope)
            draws = torch.rand(1 + rates.numel() * len(labels), device=labels.device)
            if draws[0] >= self.options.drop_chance:
                return hidden
            keep = (draws[1:].reshape(len(labels), -1) >= rates).float()
            present = torch.stack([mask.amax(dim=1) for mask in masks], dim=1)
            keep = torch.where((keep * present).amax(dim=1, keepdim=True) > 0, keep, torch.ones_like(keep))
            scale = 1.0 / (1.0 - rates.mean())
        return [x * (keep[:, m, None, None] * scale) for m, x in enumerate(hidden)]


def drop_rates(scores: Tensor, base: float, slope: float) -> Tensor:
    """How often each modality is to be dropped, 0-1, from its score (weighted F1) in the batch, [M] -> [M].

    Only a modality that is better than the others on (softmax-weighted) average is ever dropped; scores of about 0 are
    no measure to compare with.
    """
    count = scores.numel()
    rates = torch.zeros_like(scores)
    for i in range(count):
        others = [j for j in range(count) if j != i and scores[j] >= _TINY]
        if others:
            ratios = scores[i] / (scores[others] + _TINY) - 1.0
            ahead = (torch.softmax(torch.relu(ratios), dim=0) * ratios).sum() / len(others)
            rates[i] = torch.where(ahead > 0, base * (1.0 + slope * ahead), 0.0).clamp(0.0, 1.0)
    return rates


def weighted_f1(predictions: Tensor, labels: Tensor, classes: int) -> Tensor:
    """F1 of each class weighted by how often it occurs, 0-d; rows labelled -1 do not count, none at all gives 0."""
    valid = (labels != UNLABELLED).flatten()
    truth = F.one_hot(labels.flatten()[valid], classes).float()
    guess = F.one_hot(predictions.flatten()[valid], classes).float()
    support, hits = truth.sum(dim=0), (truth * guess).sum(dim=0)
    f1 = 2.0 * hits / (support + guess.sum(dim=0)).clamp_min(1.0)
    return (f1 * support).sum() / support.sum().clamp_min(1.0)
