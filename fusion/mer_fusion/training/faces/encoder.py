"""Training of face encoders on still faces with crowd votes (FER+); small ones also match the large one's features."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.encoders.face import FaceEncoder, FaceEncoderConfig
from mer_fusion.training.feature_distance import feature_distance
from mer_sdk.evaluation.metrics import uar


@dataclass(frozen=True)
class FaceOptions:
    """How face encoders learn.

    Attributes:
        batch: images in a batch.
        balance: exponent of the sampling weights 1 / frequency(label): 0 leaves FER+ as it is (disgust: 0.7 %), 1 makes
            labels equally frequent.
        zoom: largest change of the region that a crop shows; detectors differ in how tightly they cut.
        feature_weight: for students, weight of matching the full-precision encoder's features.
    """

    batch: int = 128
    balance: float = 0.5
    rotation_degrees: float = 18.0
    zoom: tuple[float, float] = (0.75, 1.2)
    shift: float = 0.1
    feature_weight: float = 1.0


@dataclass(frozen=True)
class FaceSet:
    """Grey faces (N, S, S) float32 in 0-1, of any size (`at_size`), and their label distributions (N, K)."""

    images: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.images)


class FaceLearner(nn.Module):
    """An encoder and a linear classifier of its features; the classifier is thrown away afterwards.

    Because it is linear, taking a person's mean from the features takes their mean from the logits.

    Args:
        hint: length of the full-precision encoder's features that a student predicts from its own; 0 = no such layer.
    """

    def __init__(self, config: FaceEncoderConfig, classes: int, hint: int = 0) -> None:
        super().__init__()
        self.encoder = FaceEncoder(config)
        self.hint = nn.Linear(config.features, hint) if hint else None
        self.classify = nn.Linear(config.features, classes)

    def forward(self, grey: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits (B, K) and hinted features of grey crops (B, size, size) in 0-1."""
        features = self.encoder.encode(grey).float()
        return self.classify(features), None if self.hint is None else self.hint(features)


def at_size(images: Tensor, size: int) -> Tensor:
    """Grey images (B, S, S) as an encoder of another size reads them: (B, size, size)."""
    if images.shape[1] == size:
        return images
    return F.interpolate(images[:, None], (size, size), mode="bilinear", antialias=True)[:, 0]


def augmented(images: Tensor, options: FaceOptions, generator: torch.Generator) -> Tensor:
    """Faces as another camera, pose and detector would give them: (B, size, size) in 0-1 -> the same."""
    count, size = images.shape[0], images.shape[1]

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    angle = uniform(-1, 1) * math.radians(options.rotation_degrees)
    zoom_x = uniform(*options.zoom)
    zoom_y = zoom_x * uniform(0.92, 1.08)
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    theta = torch.stack(
        [
            torch.stack(
                [flip * zoom_x * torch.cos(angle), -zoom_y * torch.sin(angle), uniform(-1, 1) * 2 * options.shift], 1
            ),
            torch.stack(
                [flip * zoom_x * torch.sin(angle), zoom_y * torch.cos(angle), uniform(-1, 1) * 2 * options.shift], 1
            ),
        ],
        dim=1,
    )
    x = images[:, None]
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    share = uniform(-0.6, 1.0).reshape(-1, 1, 1, 1)  # below zero: sharper than the original
    x = x + share * (blurred - x)
    grid = F.affine_grid(theta, [count, 1, size, size], align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)[:, 0].clamp(0, 1)
    x = x ** torch.exp(uniform(-0.5, 0.5))[:, None, None]
    slope = torch.linspace(-0.5, 0.5, size)
    light = (
        uniform(-0.5, 0.5)[:, None, None] * slope[None, None, :]
        + uniform(-0.3, 0.3)[:, None, None] * slope[None, :, None]
    )
    x = x * (1 + light) + torch.randn(x.shape, generator=generator) * uniform(0, 0.04)[:, None, None]
    return _erased(x, generator)


def _erased(x: Tensor, generator: torch.Generator) -> Tensor:
    """One rectangle of random size in half of the faces set to the face's mean: a hand, a microphone, hair."""
    count, size = x.shape[0], x.shape[1]
    place = torch.arange(size)[None].float()
    inside = []
    for _ in range(2):
        width = torch.rand(count, generator=generator) * 0.4 * size
        first = torch.rand(count, generator=generator) * (size - width)
        inside.append((place >= first[:, None]) & (place < (first + width)[:, None]))
    hit = inside[0][:, :, None] & inside[1][:, None, :] & (torch.rand(count, 1, 1, generator=generator) < 0.5)
    return torch.where(hit, x.mean(dim=(1, 2), keepdim=True), x)


def label_weights(targets: Tensor, balance: float) -> Tensor:
    """Sampling weights (N,) of faces with label distributions (N, K), by the labels' frequency; see `FaceOptions`."""
    frequency = targets.sum(dim=0).clamp(min=1.0)
    return (targets * frequency**-balance).sum(dim=1)


class FaceTask:
    """See `mer_fusion.training.loop.Task`."""

    def __init__(
        self,
        learner: FaceLearner,
        training: FaceSet,
        tuning: FaceSet | None,
        options: FaceOptions,
        teacher: FaceEncoder | None = None,
        name: str = "face",
    ) -> None:
        self.name = name
        self.module: nn.Module = learner
        self._training, self._tuning, self._options = training, tuning, options
        self._size = learner.encoder.config.size
        self._teacher = teacher.eval() if teacher is not None else None
        self._weights = label_weights(training.targets, options.balance)

    def batches_per_epoch(self) -> int:
        return len(self._training) // self._options.batch

    def epoch(self, generator: torch.Generator, shard: tuple[int, int]) -> Iterator[dict[str, Tensor]]:
        size = self._options.batch
        order = torch.multinomial(self._weights, len(self._training), replacement=True, generator=generator)
        for number in range(self.batches_per_epoch()):
            index = order[number * size : (number + 1) * size]
            images = augmented(at_size(self._training.images[index], self._size), self._options, generator)
            if number % shard[1] == shard[0]:
                yield {"images": images, "targets": self._training.targets[index]}

    def loss(self, module: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        logits, hinted = module(batch["images"])
        loss = F.cross_entropy(logits, batch["targets"])
        if self._teacher is not None:
            with torch.no_grad():
                features = self._teacher.encode(at_size(batch["images"], self._teacher.config.size)).float()
            everyone = torch.ones(len(features), 1, device=features.device)
            loss = loss + self._options.feature_weight * feature_distance(hinted[:, None], features[:, None], everyone)
        return loss

    def validate(self, module: nn.Module) -> dict[str, float]:
        return {} if self._tuning is None else still_figures(module, self._tuning)


@torch.no_grad()
def still_figures(learner: nn.Module, faces: FaceSet) -> dict[str, float]:
    """Accuracy and UAR on stills against the label with most votes; `learner` in evaluation mode."""
    device, size = next(learner.parameters()).device, learner.get_submodule("encoder").config.size
    parts = (at_size(part, size).to(device) for part in faces.images.split(512))
    predicted = torch.cat([learner(part)[0].argmax(1).cpu() for part in parts])
    wanted = faces.targets.argmax(1)
    return {
        "accuracy": float((predicted == wanted).float().mean()),
        "uar": uar(wanted.numpy(), predicted.numpy()),
    }
