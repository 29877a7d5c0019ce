"""A small face finder: a frame in, decoded boxes out, one more graph of a bundle.

Depthwise-separable blocks with plain ReLU and three heads of different stride, without anchors: each cell says whether
the centre of a face lies near it, where, and how large the face is (one stage and no anchors as in FCOS, Tian et al.
2019; separable blocks and heads of different stride as in UltraFace and BlazeFace). A box is a square, so a cell needs
four numbers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mer_sdk.contract.bundle_files import file_sha256
from mer_sdk.contract.codec import from_json, to_json
from mer_sdk.contract.manifest import DataSource
from mer_sdk.contract.output_files import atomic_output
from mer_sdk.errors import CheckpointError, OptionError
from mer_sdk.frontends.face_finder import FinderContract

STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class FaceFinderConfig:
    """Shape of a face finder.

    Attributes:
        height, width: of the input, pixels, multiples of 32.
        stem: channels of the first convolution (stride 2).
        early: channels at stride 4.
        channels: channels at the strides 8, 16 and 32, where the heads are.
        blocks: blocks at stride 4, 8, 16 and 32.
        sides: smallest and largest side that each head can say, pixels of the input; the ranges overlap.
        scale, drop: what is left to bring the boxes to the convention, measured after the training on whole pictures: a
            factor of the side, and how far the centre goes down, in sides.

    Raises:
        OptionError: a size that is no multiple of 32.
    """

    height: int = 128
    width: int = 160
    stem: int = 16
    early: int = 24
    channels: tuple[int, int, int] = (64, 96, 96)
    blocks: tuple[int, int, int, int] = (2, 4, 3, 2)
    sides: tuple[tuple[float, float], ...] = ((4.0, 40.0), (16.0, 88.0), (40.0, 200.0))
    scale: float = 1.0
    drop: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "blocks", tuple(self.blocks))
        object.__setattr__(self, "sides", tuple((low, high) for low, high in self.sides))
        if self.height % 32 or self.width % 32 or min(self.height, self.width) < 32:
            raise OptionError(f"a finder of {self.height} x {self.width}: height and width are multiples of 32")

    @property
    def cells(self) -> int:
        """N, the boxes that the graph gives for every frame."""
        return sum((self.height // stride) * (self.width // stride) for stride in STRIDES)


class _Block(nn.Module):
    """Depthwise 3 x 3, then 1 x 1, with a residual path where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return torch.relu(x + y if self.residual else y)


class _Head(nn.Module):
    """Score and box as two convolutions, as their ranges differ too much for one int8 scale."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spread = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
        )
        self.score = nn.Conv2d(channels, 1, 1)
        self.box = nn.Conv2d(channels, 3, 1)
        nn.init.constant_(self.score.bias, -4.0)  # few cells hold a face

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) -> scores (B, h * w, 1) and box numbers (B, h * w, 3)."""
        x = self.spread(x)
        score = self.score(x).permute(0, 2, 3, 1)
        box = self.box(x).permute(0, 2, 3, 1)
        cells = score.shape[1] * score.shape[2]
        return score.reshape(-1, cells, 1), box.reshape(-1, cells, 3)


class BoxDecoder(nn.Module):
    """What the cells say, as boxes. A module of its own: it stays in floating point where the rest is int8."""

    def __init__(self, config: FaceFinderConfig) -> None:
        super().__init__()
        extent = torch.tensor([config.width, config.height], dtype=torch.float32)
        for level, (stride, (low, high)) in enumerate(zip(STRIDES, config.sides, strict=True)):
            rows, columns = config.height // stride, config.width // stride
            y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            centres = (torch.stack([x, y], dim=-1).reshape(1, -1, 2) + 0.5) * stride
            low, high = low * config.scale, high * config.scale
            for name, values in (("centres", centres), ("reach", stride), ("low", low), ("span", high - low)):
                shares = (values / extent).reshape(1, -1, 2)
                self.register_buffer(f"{name}{level}", shares, persistent=False)
        self.register_buffer("corner", torch.tensor([0.5, 0.5 - config.drop]), persistent=False)

    def forward(self, *numbers: Tensor) -> Tensor:
        """Box numbers (B, n, 3) of each head: centre from the cell's in strides, size -> boxes (B, N, 4)."""
        boxes = []
        for level, values in enumerate(numbers):
            centres, reach, low, span = (
                getattr(self, f"{name}{level}") for name in ("centres", "reach", "low", "span")
            )
            extent = low + span * torch.sigmoid(values[:, :, 2:3])
            centre = centres + reach * values[:, :, 0:2]
            boxes.append(torch.cat([centre - self.corner * extent, extent], dim=2))
        return torch.cat(boxes, dim=1)


class FaceFinder(nn.Module):
    """Frame (B, height, width, 3), RGB, values 0-255 -> `scores` (B, N), `boxes` (B, N, 4).

    The frame is letterboxed: the picture at the top left, the rest 0. Scores are probabilities, so that a threshold
    means the same in every port and scheme. Boxes are (x, y, width, height) in shares of the input's width and height;
    they may reach outside. What is left to do is a threshold and non-maximum suppression.
    """

    def __init__(self, config: FaceFinderConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Sequential(
            nn.Conv2d(3, config.stem, 3, 2, 1, bias=False), nn.BatchNorm2d(config.stem), nn.ReLU()
        )
        stages: list[nn.Module] = []
        inputs = config.stem
        for outputs, count in zip((config.early, *config.channels), config.blocks, strict=True):
            stages.append(
                nn.Sequential(_Block(inputs, outputs, 2), *(_Block(outputs, outputs) for _ in range(count - 1)))
            )
            inputs = outputs
        self.stages = nn.ModuleList(stages)
        self.heads = nn.ModuleList(_Head(width) for width in config.channels)
        self.decode = BoxDecoder(config)

    def cells(self, frame: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Score logits (B, N), and what each head says of boxes, see `BoxDecoder`."""
        x = self.stem(((frame - 128.0) / 64.0).permute(0, 3, 1, 2))
        x = self.stages[0](x)
        scores, boxes = [], []
        for stage, head in zip(list(self.stages)[1:], self.heads, strict=True):
            x = stage(x)
            score, box = head(x)
            scores.append(score)
            boxes.append(box)
        return torch.cat(scores, dim=1)[:, :, 0], boxes

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        logits, numbers = self.cells(frame)
        return torch.sigmoid(logits), self.decode(*numbers)


@dataclass(frozen=True)
class FaceFinderCard:
    """The card of a finder's checkpoint.

    Attributes:
        network: shapes of the network.
        contract: what is outside of the graph; its threshold was chosen on held-out scenes.
        data: what it learned from, with licences.
        weights_sha256: hash of the safetensors file.
        training: options, seeds, seconds and machine of the training.
        results: figures on held-out scenes.
        notes: what a user must know before relying on it.
    """

    name: str
    network: FaceFinderConfig
    contract: FinderContract
    data: tuple[DataSource, ...]
    parameters: int
    weights_sha256: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def save_face_finder(finder: FaceFinder, card: FaceFinderCard, path: Path) -> FaceFinderCard:
    """Write `path` (.safetensors) and its card beside it; returns the card with the hash filled in."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(path) as aside:
        save_file({name: value.detach().contiguous() for name, value in finder.state_dict().items()}, str(aside))
        aside.chmod(0o644)  # safetensors writes for the owner alone, which would travel into the wheel
        card = replace(card, weights_sha256=file_sha256(aside))
    save_face_finder_card(card, path)
    return card


def save_face_finder_card(card: FaceFinderCard, path: Path) -> None:
    """Write the card of a checkpoint that lies at `path` (.safetensors)."""
    path.with_suffix(".json").write_text(json.dumps(to_json(card), indent=2) + "\n")


def load_face_finder(path: str | Path) -> tuple[FaceFinder, FaceFinderCard]:
    """Read a finder in evaluation mode and its card, checked against each other.

    Raises:
        CheckpointError: a file is missing, or the weights are not those of the card or do not fit its network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    try:
        card = from_json(FaceFinderCard, json.loads(path.with_suffix(".json").read_text()))
        weights = load_file(str(path))
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} cannot be read as a face finder ({error}); needed are NAME.safetensors and NAME.json side by side"
        ) from error
    if card.weights_sha256 != file_sha256(path):
        raise CheckpointError(f"{path}: the weights are not those of its card; train again or restore both files")
    finder = FaceFinder(card.network)
    try:
        finder.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit the network of its card: {error}") from error
    return finder.eval(), card
