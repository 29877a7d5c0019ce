"""The faces that scenes are made of, with the boxes that they should get: FER+ crops, RAVDESS face crops, portraits.

Who is learned from, who tunes the threshold and who is kept for the benchmark is fixed here, by person:

- portraits (figshare 5047666, CC BY 4.0; a folder with `labels.csv`: file, person): of five persons in order of their
  names one is kept for the benchmark, one tunes, three are learned from;
- RAVDESS pairs: folds 1 and 2 are learned from, fold 0 tunes, without actor 05, whose videos are the benchmark's;
  fold 3 is never read here;
- FER+: its own splits train and valid.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mer_fusion.training.finder.teachers import MediaPipe, UltraFace, cascade_squares, label_faces
from mer_sdk.contract.output_files import atomic_output
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import load_faces, open_dataset
from mer_sdk.evaluation.datasets.clip import Clip
from mer_sdk.evaluation.datasets.tables import opened_table

BENCHMARK_ACTOR = 5
PAIRS_FOLDS = {"train": (1, 2), "valid": (0,)}
PORTRAIT_TURNS = {"train": (0, 1, 2), "valid": (3,), "benchmark": (4,)}
EVERY = {"train": 2, "valid": 4}  # of FER+'s crops one in so many is taken: finding their boxes takes minutes
SHARES = {"ferplus": 0.5, "ravdess_pairs": 0.15, "portraits": 0.35}  # of the people in scenes
PICTURES_OF_A_CLIP = 3
PORTRAIT_SIZE = 256


@dataclass(frozen=True, eq=False)
class FaceBank:
    """Patches to paste.

    Attributes:
        faces: uint8 [N, S, S] grey, or [N, S, S, 3] RGB.
        squares: float32 [N, 3], centre x, centre y and side of each one's box, in shares of the patch.
        masks: uint8 [N, S, S], 255 where a portrait shows the person and not what is behind; None where the patch is a
            tight crop.
        share: how often this bank is taken, beside the others' shares.
    """

    faces: np.ndarray
    squares: np.ndarray
    masks: np.ndarray | None = None
    share: float = 1.0


def ferplus_bank(source: str, split: str, teachers: tuple[UltraFace, MediaPipe], every: int, share: float) -> FaceBank:
    """Every so many of a split's crops, those in which a face was found. `source` is `ferplus:PATH`."""
    crops = open_dataset(source).read(split).images[::every]
    return labelled_bank(crops, teachers, share)


def pairs_bank(source: str, split: str, teachers: tuple[UltraFace, MediaPipe], share: float) -> FaceBank:
    """Some crops of every clip of the split's folds; `source` is `ravdess_pairs:PATH`."""
    clips = open_dataset(source).clips_to_learn_from(PAIRS_FOLDS[split])
    return labelled_bank(clip_crops([clip for clip in clips if clip.speaker != BENCHMARK_ACTOR]), teachers, share)


def clip_crops(clips: Sequence[Clip]) -> np.ndarray:
    """`PICTURES_OF_A_CLIP` pictures of each clip, spread over it: uint8 [N, S, S, 3]."""
    crops = []
    for clip in clips:
        faces = [image for _, image in load_faces(clip)]
        if faces:
            wanted = np.linspace(0, len(faces) - 1, PICTURES_OF_A_CLIP).round().astype(int)
            crops += [faces[index] for index in wanted]
    return np.stack(crops)


def labelled_bank(crops: np.ndarray, teachers: tuple[UltraFace, MediaPipe], share: float) -> FaceBank:
    """The bank of those tight crops in which a face was found, see `label_faces`."""
    squares = label_faces(crops, *teachers)
    known = np.isfinite(squares[:, 0]) & (squares[:, 2] > 0.5) & (squares[:, 2] < 1.5)
    return FaceBank(crops[known], squares[known], None, share)


def portrait_bank(folder: str | Path, split: str, share: float) -> FaceBank:
    """Portraits before a plain wall, cut out; `split` is train, valid or benchmark.

    Raises:
        DataError: labels.csv or a picture is missing.
    """
    folder = Path(folder)
    with opened_table(folder / "labels.csv") as file:
        rows = [(row["file"], row["person"]) for row in csv.DictReader(file)]
    persons = {person: number for number, person in enumerate(sorted({person for _, person in rows}))}
    faces, squares, masks = [], [], []
    for name, person in rows:
        if persons[person] % 5 not in PORTRAIT_TURNS[split]:
            continue
        picture = cv2.imread(str(folder / name))
        if picture is None:
            raise DataError(f"{folder / name} is missing or no picture; fetch the portraits again")
        picture = np.ascontiguousarray(picture[:, :, ::-1])
        square = cascade_squares(picture, 0.0, (240, 264, 290, 320, 352))
        if square is None:
            continue
        picture = cv2.resize(picture, (PORTRAIT_SIZE, PORTRAIT_SIZE), interpolation=cv2.INTER_AREA)
        faces.append(picture)
        squares.append(square)
        masks.append(cut_out(picture, square))
    return FaceBank(np.stack(faces), np.array(squares, np.float32), np.stack(masks), share)


def cut_out(picture: np.ndarray, square: Sequence[float]) -> np.ndarray:
    """Where a portrait shows the person: uint8 [S, S], 0 or 255, softened. GrabCut (Rother et al. 2004)."""
    size = picture.shape[0]
    x, y, side = (float(value) * size for value in square)
    marks = np.full((size, size), cv2.GC_PR_BGD, np.uint8)

    def ellipse(dy: float, across: float, down: float, mark: int) -> None:
        axes = (round(across * side), round(down * side))
        cv2.ellipse(marks, (round(x), round(y + dy * side)), axes, 0, 0, 360, mark, -1)

    ellipse(0.0, 0.75, 0.9, cv2.GC_PR_FGD)
    ellipse(2.0, 1.5, 1.2, cv2.GC_PR_FGD)
    ellipse(0.0, 0.38, 0.5, cv2.GC_FGD)
    ellipse(1.9, 0.8, 0.85, cv2.GC_FGD)
    marks[: max(2, int(y - 1.15 * side))] = cv2.GC_BGD
    for columns in (np.s_[: max(2, int(x - 1.0 * side))], np.s_[min(size - 2, int(x + 1.0 * side)) :]):
        marks[: max(2, int(y + 0.4 * side)), columns] = cv2.GC_BGD
    cv2.setRNGSeed(0)
    room = (np.zeros((1, 65), np.float64), np.zeros((1, 65), np.float64))
    cv2.grabCut(np.ascontiguousarray(picture[:, :, ::-1]), marks, None, *room, 3, cv2.GC_INIT_WITH_MASK)
    person = np.where((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD), 255, 0).astype(np.uint8)
    person = cv2.erode(person, np.ones((3, 3), np.uint8))
    return np.asarray(cv2.GaussianBlur(person, (0, 0), 1.0))


def kept(path: Path, make: Callable[[], FaceBank]) -> FaceBank:
    """A bank that is made once and kept in an `.npz` file, as its labels take minutes."""
    if not path.exists():
        bank = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        none = np.zeros((0,), np.uint8)
        masks = none if bank.masks is None else bank.masks
        with atomic_output(path) as aside, aside.open("wb") as content:
            np.savez(content, faces=bank.faces, squares=bank.squares, masks=masks, share=bank.share)
    with np.load(path) as file:
        masks = file["masks"]
        return FaceBank(file["faces"], file["squares"], masks if len(masks) else None, float(file["share"]))


def named_sources(data: Sequence[str]) -> tuple[str, str]:
    """FER+ and RAVDESS pairs of what --data names; the second is empty where it is not named.

    Raises:
        OptionError: FER+ is missing, or something else is named.
    """
    given = {item.partition(":")[0]: item for item in data}
    if "ferplus" not in given or set(given) - {"ferplus", "ravdess_pairs"} or len(given) != len(data):
        raise OptionError(
            f"the face finder reads --data ferplus:PATH and, if wanted, --data ravdess_pairs:PATH; {', '.join(data)} "
            "was given"
        )
    return given["ferplus"], given.get("ravdess_pairs", "")


def read_banks(
    split: str, ferplus: str, pairs: str, portraits: Path | None, teachers: tuple[UltraFace, MediaPipe], kept_in: Path
) -> list[FaceBank]:
    """The banks of a split, their labels kept in a folder; `pairs` may be empty and `portraits` None."""
    makers: dict[str, Callable[[], FaceBank]] = {
        "ferplus": lambda: ferplus_bank(ferplus, split, teachers, EVERY[split], SHARES["ferplus"])
    }
    if pairs:
        makers["ravdess_pairs"] = lambda: pairs_bank(pairs, split, teachers, SHARES["ravdess_pairs"])
    if portraits is not None:
        makers["portraits"] = lambda: portrait_bank(portraits, split, SHARES["portraits"])
    return [kept(kept_in / f"{name}_{split}.npz", make) for name, make in makers.items()]
