"""Training of face encoders on still faces with crowd votes (FER+), and distillation of the small from the large one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.encoders.face import FaceEncoder, FaceEncoderConfig
from mer_sdk.evaluation.metrics import uar


@dataclass(frozen=True)
class FaceOptions:
    """How face encoders learn.

    Attributes:
        batch: images in a batch.
        balance: exponent of the sampling weights 1 / frequency(label): 0 leaves FER+ as it is (disgust: 0.7 %), 1 makes
            labels equally frequent.
        zoom: largest change of the region that a crop shows; detectors differ in how tightly they cut.
        teacher_weight, teacher_temperature: as for audio; used where a teacher is given.
    """

    batch: int = 128
    balance: float = 0.5
    rotation_degrees: float = 18.0
    zoom: tuple[float, float] = (0.75, 1.2)
    shift: float = 0.1
    teacher_weight: float = 0.7
    teacher_temperature: float = 2.0


@dataclass(frozen=True)
class FaceSet:
    """Grey faces (N, size, size) float32 in 0-1 and their label distributions (N, K)."""

    images: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.images)


class FaceLearner(nn.Module):
    """An encoder and a linear classifier of its features; the classifier is thrown away afterwards.

    Because it is linear, taking a person's mean from the features takes their mean from the logits.
    """

    def __init__(self, config: FaceEncoderConfig, classes: int) -> None:
        super().__init__()
        self.encoder = FaceEncoder(config)
        self.classify = nn.Linear(config.features, classes)

    def forward(self, grey: Tensor) -> Tensor:
        """Logits (B, K) of grey crops (B, size, size) in 0-1."""
        logits: Tensor = self.classify(self.encoder.encode(grey).float())
        return logits


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
            torch.stack([flip * zoom_x * torch.cos(angle), -zoom_y * torch.sin(angle), uniform(-1, 1) * 2 * options.shift], 1),
            torch.stack([flip * zoom_x * torch.sin(angle), zoom_y * torch.cos(angle), uniform(-1, 1) * 2 * options.shift], 1),
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
    light = uniform(-0.5, 0.5)[:, None, None] * slope[None, None, :] + uniform(-0.3, 0.3)[:, None, None] * slope[None, :, None]
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


class FaceTask:
    """See `mer_fusion.training.loop.Task`."""

    def __init__(
        self,
        learner: FaceLearner,
        training: FaceSet,
        tuning: FaceSet | None,
        options: FaceOptions,
        teacher: FaceLearner | None = None,
        name: str = "face",
    ) -> None:
        self.name = name
        self.module: nn.Module = learner
        self._training, self._tuning, self._options = training, tuning, options
        self._teacher = teacher.eval() if teacher is not None else None
        frequency = training.targets.sum(dim=0).clamp(min=1.0)
        self._weights = (training.targets * frequency**-options.balance).sum(dim=1)

    def batches_per_epoch(self) -> int:
        return len(self._training) // self._options.batch

    def epoch(self, generator: torch.Generator, shard: tuple[int, int]) -> Iterator[dict[str, Tensor]]:
        size = self._options.batch
        order = torch.multinomial(self._weights, len(self._training), replacement=True, generator=generator)
        for number in range(self.batches_per_epoch()):
            index = order[number * size : (number + 1) * size]
            images = augmented(self._training.images[index], self._options, generator)
            if number % shard[1] == shard[0]:
                yield {"images": images, "targets": self._training.targets[index]}

    def loss(self, module: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        logits = module(batch["images"])
        hard = F.cross_entropy(logits, batch["targets"])
        if self._teacher is None:
            return hard
        heat = self._options.teacher_temperature
        with torch.no_grad():
            wanted = torch.softmax(self._teacher(batch["images"]).float() / heat, dim=1)
        soft = F.kl_div(F.log_softmax(logits / heat, dim=1), wanted, reduction="batchmean") * heat**2
        return (1 - self._options.teacher_weight) * hard + self._options.teacher_weight * soft

    @torch.no_grad()
    def validate(self, module: nn.Module) -> dict[str, float]:
        if self._tuning is None:
            return {}
        predicted = torch.cat([module(part).argmax(1) for part in self._tuning.images.split(512)])
        wanted = self._tuning.targets.argmax(1)
        return {
            "accuracy": float((predicted == wanted).float().mean()),
            "uar": uar(wanted.numpy(), predicted.numpy()),
        }
