"""Faces of people who talk: crops by take, and how a training batch draws, blends and changes them.

What a camera, a detector or a lamp does, it does to all takes of a person, and the personal baseline takes it away. So
most changes are drawn once for each person of a batch, few for each take, and hardly any for each image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mer_fusion.training.faces.encoder import at_size
from mer_sdk.cli.progress import with_progress
from mer_sdk.errors import DataError
from mer_sdk.evaluation.datasets import Clip, load_faces
from mer_sdk.frontends.face_crop import resize_triangle

# Crops are kept larger than encoders read them, so that a change of scale finds pixels, and no more than a third larger
# when they are read: what skips pixels sees other faces than the device, which takes their mean.
STORED_SIZE, _ROOM = 80, 4 / 3
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class TalkingOptions:
    """How batches of talking faces are drawn.

    Attributes:
        people, takes, images: a batch holds `images` images of each of `takes` takes of each of `people` people.
        blend: share of the people of a batch who are blended, pixel by pixel, with another person's takes of the same
            label and intensity: faces of nobody, of whom there are many more than actors.
        zoom: range of the side of the region that is read, as a share of the crop's. The packaged cascade's boxes are
            1.0 to 1.14 times as wide as the archive's crops.
        take_zoom, image_zoom: how far that varies between a person's takes, and between the images of a take.
        rotation_degrees, shift: largest turn and shift (as a share of the crop's side).
        erased: share of takes of which a rectangle is covered.
        prior_steps: weight of the population's mean in the baselines of training. A batch holds few steps of a person,
            so that it is lighter than on the device.
    """

    people: int = 4
    takes: int = 6
    images: int = 3
    blend: float = 0.7
    zoom: tuple[float, float] = (0.95, 1.12)
    take_zoom: float = 0.03
    image_zoom: float = 0.02
    rotation_degrees: float = 12.0
    shift: float = 0.03
    erased: float = 0.3
    prior_steps: float = 20.0


@dataclass(frozen=True)
class TalkingFaces:
    """Takes and their crops, in order.

    Attributes:
        images: (N, size, size) uint8, grey.
        times: (N,) seconds from the take's beginning.
        first, count: (C,) where the images of each take begin, and how many there are, at least one.
        labels: (C,) index into the bundle's labels; intensities: (C,) as the data set numbers them.
        speakers: (C,); names: C names of the takes.
    """

    images: Tensor
    times: Tensor
    first: Tensor
    count: Tensor
    labels: Tensor
    intensities: Tensor
    speakers: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, keep: Tensor) -> TalkingFaces:
        """The takes where the boolean `keep` (C,) is true."""
        return self.rows(torch.nonzero(keep).flatten())

    def rows(self, takes: Tensor) -> TalkingFaces:
        """The given takes, in that order."""
        count = self.count[takes]
        first = torch.cumsum(count, 0) - count
        owner = torch.arange(len(takes)).repeat_interleave(count)
        rows = self.first[takes][owner] + torch.arange(int(count.sum())) - first[owner]
        names = tuple(self.names[i] for i in takes.tolist())
        return TalkingFaces(
            self.images[rows],
            self.times[rows],
            first,
            count,
            self.labels[takes],
            self.intensities[takes],
            self.speakers[takes],
            names,
        )


def read_talking_faces(clips: Sequence[Clip], labels: Sequence[int], size: int = STORED_SIZE) -> TalkingFaces:
    """The face tracks of clips; clips without a face are left out.

    Args:
        labels: index into the bundle's labels of each clip.
        size: side of the crops, at which they are read; `size` of an encoder gives what the device reads.

    Raises:
        DataError: an image cannot be read, or no clip has a face.
    """
    images: list[np.ndarray] = []
    times: list[float] = []
    kept: list[tuple[int, int, int]] = []
    for number, clip in enumerate(with_progress(clips, "reading faces")):
        found = load_faces(clip)
        if found:
            kept.append((number, len(images), len(found)))
        for time, image in found:
            grey = resize_triangle((image.astype(np.float32) @ _LUMA)[:, :, None].repeat(3, 2), size, size)[:, :, 0]
            images.append(np.clip(grey + 0.5, 0, 255).astype(np.uint8))
            times.append(time)
    if not kept:
        raise DataError(f"none of the {len(clips)} clips has a face; choose clips with face tracks")
    rows, first, count = zip(*kept, strict=True)
    chosen = [clips[i] for i in rows]
    return TalkingFaces(
        torch.from_numpy(np.stack(images)),
        torch.tensor(times),
        torch.tensor(first),
        torch.tensor(count),
        torch.tensor([labels[i] for i in rows]),
        torch.tensor([clip.intensity or 0 for clip in chosen]),
        torch.tensor([clip.speaker for clip in chosen]),
        tuple(clip.id for clip in chosen),
    )


class TalkingDraws:
    """Draws the images of a batch.

    Args:
        faces: takes to draw from.
    """

    def __init__(self, faces: TalkingFaces, options: TalkingOptions) -> None:
        self._faces, self._options = faces, options
        keys = zip(faces.speakers.tolist(), faces.labels.tolist(), faces.intensities.tolist(), strict=True)
        self._alike: dict[tuple[int, int, int], list[int]] = {}
        for take, key in enumerate(keys):
            self._alike.setdefault(key, []).append(take)
        self._people = sorted(set(faces.speakers.tolist()))

    def images(self, takes: Tensor, generator: torch.Generator) -> Tensor:
        """Images (takes, images, size, size) in 0-1 of a batch of takes, each spread over its take.

        Args:
            takes: `options.takes` takes of each person, one person after the other.
        """
        options = self._options
        found = self._spread(takes, torch.rand(len(takes), options.images, generator=generator))
        partners, share = self._partners(takes, generator)
        if bool((share < 1).any()):
            middle = torch.full((len(takes), options.images), 0.5)
            weight = share[:, None, None, None]
            found = weight * found + (1 - weight) * self._spread(partners, middle)
        return found

    def _spread(self, takes: Tensor, place: Tensor) -> Tensor:
        """One image from each of so many equal parts of each take; `place` (takes, images) says where in its part."""
        count = self._faces.count[takes][:, None]
        parts = (place + torch.arange(place.shape[1])[None]) / place.shape[1]
        rows = self._faces.first[takes][:, None] + (parts * count).long().minimum(count - 1)
        return self._faces.images[rows.flatten()].float().div(255.0).unflatten(0, rows.shape)

    def _partners(self, takes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Another person's take of the same label and intensity for each take, and the share of the take's own."""
        partners, share = takes.clone(), torch.ones(len(takes))
        size = self._options.takes
        for begin in range(0, len(takes), size):
            chance, amount = torch.rand(2, generator=generator).tolist()
            me = int(self._faces.speakers[takes[begin]])
            others = [person for person in self._people if person != me]
            pick = int(torch.randint(max(len(others), 1), (), generator=generator))
            if chance >= self._options.blend or not others:
                continue
            for index in range(begin, min(begin + size, len(takes))):
                take = int(takes[index])
                key = (others[pick], int(self._faces.labels[take]), int(self._faces.intensities[take]))
                same = self._alike.get(key)
                if same:
                    partners[index] = same[int(torch.randint(len(same), (), generator=generator))]
                    share[index] = 0.5 + 0.5 * amount
        return partners, share


def changed(
    images: Tensor, take: Tensor, person: Tensor, size: int, options: TalkingOptions, generator: torch.Generator
) -> Tensor:
    """Crops as other cameras, detectors and lamps would give them: (N, S, S) in 0-1 -> (N, size, size).

    Args:
        take, person: (N,) number of the take and of the person of each image, from 0.
    """
    images = at_size(images, min(images.shape[1], round(_ROOM * size)))
    total, stored = len(images), images.shape[1]
    takes, people = int(take.max()) + 1, int(person.max()) + 1

    def of(owner: Tensor | None, count: int, low: float, high: float) -> Tensor:
        values = low + (high - low) * torch.rand(count, generator=generator)
        return values if owner is None else values[owner]

    def by_person(low: float, high: float) -> Tensor:
        return of(person, people, low, high)

    def by_take(low: float, high: float) -> Tensor:
        return of(take, takes, low, high)

    def by_image(low: float, high: float) -> Tensor:
        return of(None, total, low, high)

    zoom = by_person(*options.zoom) * by_take(1 - options.take_zoom, 1 + options.take_zoom)
    zoom = zoom * by_image(1 - options.image_zoom, 1 + options.image_zoom)
    aspect = by_person(0.9, 1.1)
    flip = torch.where(by_person(-1, 1) < 0, -1.0, 1.0)
    angle = (by_take(-1, 1) * options.rotation_degrees + by_image(-2, 2)) * (math.pi / 180)
    moved = [2 * (options.shift * (by_person(-1, 1) + 0.5 * by_take(-1, 1)) + by_image(-0.02, 0.02)) for _ in range(2)]
    wide, high = zoom * aspect, zoom / aspect
    cosine, sine = torch.cos(angle), torch.sin(angle)
    theta = torch.stack(
        [
            torch.stack([flip * wide * cosine, -high * sine, moved[0]], 1),
            torch.stack([flip * wide * sine, high * cosine, moved[1]], 1),
        ],
        dim=1,
    )
    x = images.reshape(total, 1, stored, stored)
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    x = x + by_person(-0.5, 1.0)[:, None, None, None] * (blurred - x)
    grid = F.affine_grid(theta, [total, 1, size, size], align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)[:, 0].clamp(0, 1)
    x = x ** torch.exp(by_person(-0.5, 0.5))[:, None, None]
    slope = torch.linspace(-0.5, 0.5, size)
    x = x * (
        1
        + by_person(-0.5, 0.5)[:, None, None] * slope[None, None, :]
        + by_person(-0.3, 0.3)[:, None, None] * slope[None, :, None]
    )
    x = x + torch.randn(x.shape, generator=generator) * by_person(0, 0.04)[:, None, None]
    covered = (by_take(0, 1) < options.erased)[:, None, None]
    for axis in (1, 2):
        width = by_take(0.05, 0.4) * size
        start = by_take(0, 1) * (size - width)
        place = torch.arange(size)[None].float()
        stripe = (place >= start[:, None]) & (place < (start + width)[:, None])
        covered = covered & stripe.unsqueeze(3 - axis)
    return torch.where(covered, x.mean(dim=(1, 2), keepdim=True), x)
