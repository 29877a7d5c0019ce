"""How a fusion network learns from a few clips without forgetting what it knew.

Its last layer is a convex problem, solved to the end, held near the weights that it had. With more clips all of the
fusion network learns on, a few passes at a low rate, held near what it said before.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.training.adapt.recorded import Windows
from mer_sdk.errors import OptionError

HEAD, FUSION = "head", "fusion"
LEVELS = (HEAD, FUSION)
# Taken off the logits of labels that no clip has.
ABSENT = 1e4


@dataclass(frozen=True)
class AdaptOptions:
    """How to adapt.

    Attributes:
        level: "head" (the last layer) or "fusion" (all of the fusion network); "" chooses by the number of clips.
        fusion_clips: so many clips and more let the whole fusion network learn.
        anchors: how strongly the last layer is held to its old weights: the one that does best on clips left out of the
            learning part is taken.
        folds: parts of the clips, each judged by what was learned from the others.
        epochs, learning_rate, batch: of the whole fusion network.
        keep: share of the loss on what the network said before.
        seed: of every draw.

    Raises:
        OptionError: an unknown level, or a number below its least.
    """

    level: str = ""
    fusion_clips: int = 300
    anchors: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3)
    folds: int = 5
    epochs: int = 6
    learning_rate: float = 3e-4
    batch: int = 128
    keep: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.level and self.level not in LEVELS:
            raise OptionError.unknown("level", self.level, LEVELS)
        if self.folds < 2 or self.epochs < 1 or self.batch < 1 or not 0 <= self.keep < 1:
            raise OptionError(f"{self}: folds is 2 or more, epochs and batch 1 or more, keep 0 to below 1")


def last_layer(network: nn.Module, windows: Windows) -> tuple[nn.Linear, Tensor]:
    """The layer that gives the logits, and (n, H) what it reads for each window.

    Raises:
        OptionError: the network's logits are not what one linear layer gives.
    """
    network.eval()
    seen: dict[nn.Linear, tuple[Tensor, Tensor]] = {}

    def watch(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(module, nn.Linear)  # hooked below
        seen[module] = (inputs[0], output)

    hooks = [module.register_forward_hook(watch) for module in network.modules() if isinstance(module, nn.Linear)]
    found: nn.Linear | None = None
    parts = []
    try:
        with torch.inference_mode():
            for start in range(0, len(windows), 512):
                logits = network(*(item[start : start + 512] for item in windows.inputs)).logits
                found = next((one for one, (_, said) in seen.items() if said.shape == logits.shape), None)
                if found is None or not torch.equal(seen[found][1], logits):
                    raise OptionError("this network's logits are not one linear layer's, so its head cannot be adapted")
                parts.append(seen[found][0])
    finally:
        for hook in hooks:
            hook.remove()
    assert found is not None  # there are windows
    return found, torch.cat(parts).clone()


def learned_head(
    layer: nn.Linear, read: Tensor, truth: Tensor, weights: Tensor, anchor: float
) -> tuple[Tensor, Tensor]:
    """Weight (K, H) and bias (K,) of the last layer after learning.

    A label that no clip has is left out of the loss, not taught as absent: its row stays as it is.

    Args:
        read: (n, H); truth, weights: (n,), of the windows.
        anchor: of the squared distance from the old weights, each input of unit size.
    """
    # Inputs of one size, so that the anchor holds all of them alike.
    size = read.square().mean(dim=0).sqrt().clamp_min(1e-3)
    scaled, old, start = read / size, layer.weight.detach() * size, layer.bias.detach()
    weight, bias = old.clone().requires_grad_(), start.clone().requires_grad_()
    counts = torch.bincount(truth, weights=weights.double(), minlength=len(start)).float()
    # Each label that is there counts as much as another.
    balance = weights / counts[truth] / (counts > 0).sum()
    absent = torch.where(counts > 0, 0.0, -ABSENT)
    solver = torch.optim.LBFGS([weight, bias], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        fit = (F.cross_entropy(scaled @ weight.T + bias + absent, truth, reduction="none") * balance).sum()
        away = (weight - old).square().sum() + (bias - start).square().sum()
        total = fit + anchor * away
        total.backward()
        return total

    solver.step(loss)
    return weight.detach() / size, bias.detach()


def learned_fusion(network: nn.Module, windows: Windows, rows: Tensor, options: AdaptOptions) -> nn.Module:
    """A copy of a fusion network that has learned from some of the windows."""
    torch.manual_seed(options.seed)
    learner = copy.deepcopy(network)
    before = windows.logits(network)
    truth, weights = windows.truth, windows.weights.float()
    counts = torch.bincount(truth[rows], weights=weights[rows].double(), minlength=before.shape[1]).float()
    balance = weights / counts.clamp_min(1e-9)[truth]
    balance = balance / balance[rows].mean()
    absent = torch.where(counts > 0, 0.0, -ABSENT)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=options.learning_rate, weight_decay=0.01)
    generator = torch.Generator().manual_seed(options.seed)
    for _ in range(options.epochs):
        learner.train()
        for module in learner.modules():
            # Statistics of a few clips are worse than those of the training.
            if isinstance(module, nn.BatchNorm1d):
                module.eval()
        for part in rows[torch.randperm(len(rows), generator=generator)].split(options.batch):
            said = learner(*(item[part] for item in windows.inputs)).logits
            hard = (F.cross_entropy(said + absent, truth[part], reduction="none") * balance[part]).mean()
            soft = F.kl_div(F.log_softmax(said, 1), torch.softmax(before[part], 1), reduction="batchmean")
            loss = (1 - options.keep) * hard + options.keep * soft
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return learner.eval()
