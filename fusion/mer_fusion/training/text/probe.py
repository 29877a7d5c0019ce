"""A plain classifier on fixed features: what features are worth, whoever made them; also a teacher of soft targets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_sdk.errors import OptionError


@dataclass(frozen=True)
class ProbeOptions:
    """How a probe learns.

    Attributes:
        hidden: width of a hidden ReLU layer; 0 is logistic regression.
        decay: weight of half the squared weights (biases apart), beside the mean cross-entropy.
        balance: classes count by their frequency to the power of minus this: 0 as they are, 1 all alike.
        iterations: of L-BFGS over the whole set at once.
        seed: of the first weights; logistic regression starts at zero and ends at the one optimum.

    Raises:
        OptionError: a negative number.
    """

    hidden: int = 0
    decay: float = 1e-3
    balance: float = 0.0
    iterations: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.hidden, self.decay, self.balance) < 0 or self.iterations < 1:
            raise OptionError(f"{self}: numbers are 0 or more, iterations 1 or more")


class Probe(nn.Module):
    """Features (N, D) -> logits (N, K); the mean and deviation of the features it learned from are taken out first."""

    def __init__(self, features: Tensor, classes: int, hidden: int = 0) -> None:
        super().__init__()
        self.register_buffer("mean", features.mean(dim=0))
        # One deviation for all features: the scale that features have among themselves says what matters.
        self.register_buffer("scale", 1 / (features - features.mean(dim=0)).square().mean().sqrt().clamp(min=1e-6))
        width = hidden or features.shape[1]
        self.hidden = nn.Linear(features.shape[1], hidden) if hidden else None
        self.out = nn.Linear(width, classes)

    def normalised(self, features: Tensor) -> Tensor:
        """Features (N, D) without the mean, and scaled."""
        return (features - self.mean) * self.scale

    def decide(self, x: Tensor) -> Tensor:
        """Logits (N, K) of normalised features (N, D)."""
        if self.hidden is not None:
            x = F.relu(self.hidden(x))
        logits: Tensor = self.out(x)
        return logits

    def forward(self, features: Tensor) -> Tensor:
        return self.decide(self.normalised(features))


def fit_probe(features: Tensor, labels: Tensor, classes: int, options: ProbeOptions) -> Probe:
    """A probe in evaluation mode, fitted to features (N, D) and labels (N,) from 0 to `classes - 1`."""
    generator = torch.Generator().manual_seed(options.seed)
    probe = Probe(features, classes, options.hidden)
    for layer in (probe.hidden, probe.out):
        if layer is not None:
            spread = layer.in_features**-0.5 if options.hidden else 0.0
            with torch.no_grad():
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * spread)
                layer.bias.zero_()
    counts = torch.bincount(labels, minlength=classes).clamp(min=1).float()
    weights = (counts / counts.sum()) ** -options.balance
    optimizer = torch.optim.LBFGS(
        probe.parameters(), max_iter=options.iterations, history_size=20, line_search_fn="strong_wolfe"
    )

    x = probe.normalised(features)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(probe.decide(x), labels, weight=weights)
        decay = sum((p.square().sum() for p in probe.parameters() if p.ndim > 1), torch.zeros(()))
        loss = loss + 0.5 * options.decay * decay
        loss.backward()
        return loss

    optimizer.step(closure)
    return probe.eval()
