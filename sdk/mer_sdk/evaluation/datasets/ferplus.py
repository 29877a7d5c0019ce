"""FER+: crowd votes (Barsoum and others 2016, MIT) for the 48x48 grey faces of FER2013 (web images, research only).

Two layouts are read, anywhere below the folder:

- `ferplus_train.npz`, `ferplus_valid.npz`, `ferplus_test.npz`: `images` uint8 [N, 48, 48], `votes` uint8 [N, 10],
  `names` [N], `columns` [10], no pickles. Where `fer2013new.csv` lies there too, its votes are taken, by the image's
  name: they are the official ones, and copies of them differ (in one such archive for 4 % of the images);
- the official pair `fer2013.csv` (emotion, pixels, Usage) and `fer2013new.csv` (Usage, Image name, votes), whose rows
  belong together in order.

About ten people voted on each image. Votes become a distribution over a bundle's labels: votes for emotions that the
bundle does not have (such as contempt), for "unknown" and for "NF" (not a face) are dropped and the rest is scaled to
sum to 1. Images of which less than half of the votes remain are left out: the crowd saw something else there.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mer_sdk.contract.npy import DAMAGED, read_npy
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets.registry import register
from mer_sdk.evaluation.datasets.tables import opened_table

SIZE = 48
COLUMNS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
# FER+ column -> the label that bundles use for it.
COLUMN_LABELS = {
    "neutral": "neutral",
    "happiness": "happy",
    "surprise": "surprised",
    "sadness": "sad",
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "contempt": "contempt",
}
USAGES = {"train": "Training", "valid": "PublicTest", "test": "PrivateTest"}
SMALLEST_SHARE = 0.5
# One array of a split; the largest split has 28,709 images, 66 MB.
MOST_BYTES = 256 * 2**20


@dataclass(frozen=True)
class _Raw:
    images: np.ndarray
    votes: np.ndarray
    names: tuple[str, ...]


class LabelledImages:
    """The kept images of one split; the file is read at the first look at any of the attributes.

    Attributes:
        images: uint8 [N, 48, 48], grey 0-255.
        targets: float32 [N, K], each row a distribution over `labels`.
        names: N image names.
        labels: the K labels, as asked for.
    """

    def __init__(self, source: FerPlus, split: str, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._source = source
        self._split = split

    def __len__(self) -> int:
        return len(self.images)

    @property
    def images(self) -> np.ndarray:
        return self._kept[0]

    @property
    def targets(self) -> np.ndarray:
        return self._kept[1]

    @property
    def names(self) -> tuple[str, ...]:
        return self._kept[2]

    @cached_property
    def _kept(self) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        raw = self._source.read(self._split)
        targets, keep = vote_distribution(raw.votes, self.labels)
        if not keep.any():
            raise DataError(
                f"{self._source.folder}: no image of split {self._split!r} has votes for the labels {self.labels}"
            )
        return raw.images[keep], targets[keep], tuple(np.asarray(raw.names)[keep].tolist())


def vote_distribution(votes: np.ndarray, labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Votes [N, 10] in the order of `COLUMNS` -> (float32 [N, K] distributions over `labels`, bool [N] which to keep).

    Rows that are not kept are all 0. See the module docstring for the rule.

    Raises:
        DataError: no label is one that FER+ has.
    """
    known = [index for index, column in enumerate(COLUMNS) if COLUMN_LABELS.get(column) in labels]
    if not known:
        raise DataError(f"FER+ has none of the labels {', '.join(labels)}; it has {', '.join(COLUMN_LABELS.values())}")
    counts = np.asarray(votes, np.float64)
    chosen = np.zeros((len(counts), len(labels)))
    for index in known:
        chosen[:, list(labels).index(COLUMN_LABELS[COLUMNS[index]])] = counts[:, index]
    kept, total = chosen.sum(axis=1), counts.sum(axis=1)
    keep = (total > 0) & (kept >= SMALLEST_SHARE * total)
    targets = np.zeros_like(chosen)
    targets[keep] = chosen[keep] / kept[keep, None]
    return targets.astype(np.float32), keep


@register("ferplus")
class FerPlus:
    """The FER+ files below a folder; see the module docstring for the layouts.

    Raises:
        DataError: neither layout is there, or one file of the official pair is missing.
    """

    name = "ferplus"
    labels = tuple(COLUMN_LABELS.values())
    licence = "labels MIT; pixels of FER2013: collected from the web, research only"

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        root = self.folder.parent if self.folder.is_file() else self.folder
        self._npz = {split: path for split in USAGES if (path := _find(root, f"ferplus_{split}.npz"))}
        self._pixels, self._votes = _find(root, "fer2013.csv"), _find(root, "fer2013new.csv")
        if self._npz:
            return
        if self._pixels is None or self._votes is None:
            have = self._pixels or self._votes
            if have is not None:
                lacking = "fer2013.csv" if self._pixels is None else "fer2013new.csv"
                raise DataError(f"{lacking} is missing beside {have}: images and votes are both needed")
            raise DataError(
                f"no FER+ data below {self.folder}: expected is ferplus_train.npz, or fer2013.csv with fer2013new.csv"
            )

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that can be read: some of "train", "valid", "test"."""
        return tuple(self._npz) if self._npz else tuple(USAGES)

    def split(self, split: str, labels: Sequence[str]) -> LabelledImages:
        """The images of a split with distributions over `labels`, read when first used.

        Raises:
            OptionError: no such split.
            DataError: the split's file is not there; later, at first use, an empty, truncated or unlabelled file.
        """
        if split not in USAGES:
            raise OptionError(f"split {split!r} is unknown; allowed are {', '.join(USAGES)}")
        if split not in self.splits:
            raise DataError(f"ferplus_{split}.npz is missing below {self.folder}; there are the splits {self.splits}")
        return LabelledImages(self, split, labels)

    def read(self, split: str) -> _Raw:
        """Every image of a split with its votes in the order of `COLUMNS`, none left out."""
        if self._npz:
            raw = _read_npz(self._npz[split])
            return raw if self._votes is None else _with_votes(raw, self._votes, self._npz[split])
        assert self._pixels is not None
        assert self._votes is not None
        return _read_csv(self._pixels, self._votes, USAGES[split])


def _find(root: Path, name: str) -> Path | None:
    return next(iter(sorted(root.rglob(name))), None) if root.is_dir() else None


def _read_npz(path: Path) -> _Raw:
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes); fetch it again")
    try:
        with zipfile.ZipFile(path) as archive:
            held = {name.removesuffix(".npy"): name for name in archive.namelist()}
            lacking = {"images", "votes", "columns"} - set(held)
            if lacking:
                raise DataError(f"{path} has no {', '.join(sorted(lacking))}; it holds {', '.join(held)}")
            data = {
                name: _array(archive, held[name]) for name in ("images", "votes", "columns", "names") if name in held
            }
    except DAMAGED as error:
        raise DataError(f"{path} cannot be read ({error}); it may be truncated: fetch it again") from error
    images, votes, columns = data["images"], data["votes"], [str(name) for name in data["columns"].ravel()]
    names = tuple(map(str, data["names"].ravel() if "names" in data else range(len(np.atleast_1d(images)))))
    if sorted(columns) != sorted(COLUMNS):
        raise DataError(f"{path} has the vote columns {columns}; expected are {list(COLUMNS)}")
    if images.dtype != np.uint8 or images.shape[1:] != (SIZE, SIZE) or votes.shape != (len(images), len(COLUMNS)):
        raise DataError(
            f"{path} has images {images.shape} and votes {votes.shape}; expected are [N, 48, 48] and [N, 10]"
        )
    if len(images) == 0 or len(names) != len(images):
        raise DataError(
            f"{path} has {len(images)} images and {len(names)} names; there must be one name for each image"
        )
    return _Raw(images, votes[:, [columns.index(name) for name in COLUMNS]], names)


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as file:
        return read_npy(file, name, MOST_BYTES, "uiUS")


def _with_votes(raw: _Raw, votes: Path, images: Path) -> _Raw:
    """The images with the votes that the official table gives to their names."""
    official = {row["Image name"]: row for _, row in _rows(votes, ("Image name", *COLUMNS)) if row["Image name"]}
    missing = [name for name in raw.names if name not in official]
    if missing:
        raise DataError(
            f"{votes} has no row for {len(missing)} images of {images.name} (such as {missing[0]}), so they have no "
            "official label; fetch both files again, or remove the table to take the archive's own votes"
        )
    try:
        counts = [[int(official[name][column]) for column in COLUMNS] for name in raw.names]
    except ValueError as error:
        raise DataError(f"{votes} holds a vote that is no number ({error}); fetch it again") from error
    return _Raw(raw.images, np.array(counts, np.uint8), raw.names)


def _read_csv(pixels: Path, votes: Path, usage: str) -> _Raw:
    images, counts, names = [], [], []
    vote_rows = _rows(votes, ("Usage", *COLUMNS))
    for line, row in _rows(pixels, ("pixels", "Usage")):
        vote_line, vote = next(vote_rows, (0, {}))
        if not vote:
            raise DataError(
                f"{votes} is truncated: it has no row for line {line} of {pixels.name}, so that image has no label"
            )
        if vote["Usage"] != row["Usage"]:
            raise DataError(
                f"{votes}:{vote_line} says {vote['Usage']}, {pixels.name}:{line} says {row['Usage']}: not aligned"
            )
        if row["Usage"] != usage:
            continue
        try:
            image = np.array(row["pixels"].split(), np.uint8)
            count = np.array([vote[name] for name in COLUMNS], np.uint8)
        except (ValueError, OverflowError, TypeError) as error:
            raise DataError(
                f"{pixels}:{line} or {votes}:{vote_line} holds a value that is no number ({error})"
            ) from error
        if image.size != SIZE * SIZE:
            raise DataError(f"{pixels}:{line} is truncated: {image.size} pixels, expected are {SIZE * SIZE}")
        images.append(image.reshape(SIZE, SIZE))
        counts.append(count)
        names.append(vote.get("Image name") or f"line{line}")
    if next(vote_rows, None) is not None:
        raise DataError(f"{pixels} is truncated: {votes.name} has more rows")
    if not images:
        raise DataError(f"{pixels} has no image with Usage {usage}")
    return _Raw(np.stack(images), np.stack(counts), tuple(names))


def _rows(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes); fetch it again")
    with opened_table(path) as file:
        reader = csv.DictReader(file)
        lacking = [name for name in needed if name not in (reader.fieldnames or ())]
        if lacking:
            raise DataError(f"{path} has no column {', '.join(lacking)}; its header is {reader.fieldnames}")
        for row in reader:
            if any(row[name] is None for name in needed):
                raise DataError(
                    f"{path}:{reader.line_num} is truncated: a value for one of {', '.join(needed)} is missing"
                )
            yield reader.line_num, row
