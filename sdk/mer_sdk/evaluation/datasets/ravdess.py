"""RAVDESS: acted speech and song of 24 actors (Livingstone and Russo 2018, zenodo 1188976, CC BY-NC-SA 4.0).

Files are found anywhere below a folder by the official seven-part name,
modality-channel-emotion-intensity-statement-repetition-actor:

- `03-...wav` or `.flac`: audio; `01-...mp4`: picture and sound; `02-...mp4`: picture alone;
- `01-..._NN.jpg`: a face track, images of the face numbered from 00 (or 01).

Files of one take are put together. Where a take has several files for one purpose the choice is fixed: wav before
flac before the sound of an mp4, 01 before 02, and among equals the first in the order of the paths.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mer_sdk.errors import DataError
from mer_sdk.evaluation.datasets.classes import merge_table
from mer_sdk.evaluation.datasets.clip import Clip
from mer_sdk.evaluation.datasets.registry import register
from mer_sdk.evaluation.datasets.tables import opened_table

LABELS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")

# The speaker-disjoint five folds that published work on RAVDESS shares.
SPEAKER_FOLDS: dict[int, tuple[int, ...]] = {
    0: (2, 5, 14, 15, 16),
    1: (3, 6, 7, 13, 18),
    2: (10, 11, 12, 19, 20),
    3: (8, 17, 21, 23, 24),
    4: (1, 4, 9, 22),
}
# Its speakers score what was learned from the others: they are in no training, tuning or calibration set.
TEST_FOLD = 3
# Whose speakers the shipped models learned from; those of fold 4 were in no data.
TAUGHT_FOLDS = (0, 1, 2)

_NAME = re.compile(r"^(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)(?:_(\d+))?\.(\w+)$")
_PARTS = ("modality", "channel", "emotion", "intensity", "statement", "repetition", "actor")
_LARGEST = (3, 2, 8, 2, 2, 2, 24)
_SPEECH = "01"
# Lower is preferred: (modality, suffix) -> rank.
_AUDIO = {("03", "wav"): 0, ("03", "flac"): 1, ("03", "mp4"): 2, ("01", "wav"): 3, ("01", "flac"): 4, ("01", "mp4"): 5}
_VIDEO = {("01", "mp4"): 0, ("02", "mp4"): 1}
_IMAGES = ("jpg", "jpeg")


@dataclass(frozen=True)
class Selection:
    """Which clips to take. None means "all"; the conditions hold together.

    Attributes:
        actors: only these actors (1-24).
        exclude_actors: never these, whatever else is asked for.
        folds: only actors of these folds (0-4).
        exclude_folds: never actors of these folds.
        paired_only: only clips with both sound and face.
        song: the sung channel (02) too, which has no disgust and no surprise.
    """

    actors: tuple[int, ...] | None = None
    exclude_actors: tuple[int, ...] = ()
    folds: tuple[int, ...] | None = None
    exclude_folds: tuple[int, ...] = ()
    paired_only: bool = False
    song: bool = False

    def takes(self, clip: Clip) -> bool:
        """Whether a clip is wanted."""
        return (
            (self.actors is None or clip.speaker in self.actors)
            and clip.speaker not in self.exclude_actors
            and (self.folds is None or clip.fold in self.folds)
            and clip.fold not in self.exclude_folds
            and (clip.paired or not self.paired_only)
            and (self.song or clip.id.startswith(_SPEECH))
        )

    def words(self) -> str:
        """What was asked for, for people."""

        def numbers(of: Sequence[int]) -> str:
            return ", ".join(map(str, of))

        parts = [f"of actors {numbers(self.actors)}"] if self.actors is not None else []
        parts += [f"not of actors {numbers(self.exclude_actors)}"] if self.exclude_actors else []
        parts += [f"of folds {numbers(self.folds)}"] if self.folds is not None else []
        parts += [f"not of folds {numbers(self.exclude_folds)}"] if self.exclude_folds else []
        parts += ["with both sound and face"] if self.paired_only else []
        return ", ".join(parts) or "of any kind"


@dataclass
class _Take:
    audio: tuple[int, Path] | None = None
    video: tuple[int, Path] | None = None
    tracks: dict[Path, dict[int, Path]] = field(default_factory=dict)


def fold_of(actor: int) -> int:
    """The fold (0-4) of an actor (1-24).

    Raises:
        DataError: no such actor.
    """
    for fold, actors in SPEAKER_FOLDS.items():
        if actor in actors:
            return fold
    raise DataError(f"RAVDESS has no actor {actor}; actors are 1 to 24")


def merge_labels(bundle_labels: Sequence[str]) -> dict[str, str]:
    """RAVDESS label -> label of a bundle. "calm" becomes "neutral" where the bundle has no "calm".

    Labels of the bundle that RAVDESS lacks are no error: no clip has them.

    Raises:
        DataError: RAVDESS has a label that the bundle cannot say.
    """
    return merge_table(LABELS, bundle_labels)


@register("ravdess")
class Ravdess:
    """The RAVDESS files below a folder.

    Args:
        folder: searched with all its subfolders, links not followed.

    Raises:
        DataError: the folder is missing, or holds no file with a RAVDESS name; or a file whose name has the right form
            but a code that does not exist.
    """

    name = "ravdess"
    labels = LABELS
    licence = "CC BY-NC-SA 4.0"
    # Folds that are scored where nobody says which; None for all.
    tested_folds: tuple[int, ...] | None = None

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise DataError(f"{self.folder} is not a folder; give the folder that holds the RAVDESS files")
        takes, others, tables = _scan(self.folder)
        folds = _folds(tables)
        self._clips = tuple(_clip(code, take, folds) for code, take in sorted(takes.items(), key=_speaker_order))
        if not self._clips:
            raise DataError(
                f"no RAVDESS file below {self.folder} ({_seen(others)}): names are like 03-01-05-02-01-01-16.wav, "
                "and without them there are no labels; get the data from zenodo.org/records/1188976"
            )

    def clips(self, selection: Selection | None = None) -> tuple[Clip, ...]:
        """The selected clips, ordered by actor and then by name.

        Raises:
            DataError: no clip is left; the message says what was asked and what is there.
        """
        chosen = selection or Selection()
        found = tuple(clip for clip in self._clips if chosen.takes(clip))
        if not found:
            actors = sorted({clip.speaker for clip in self._clips})
            paired = sorted({clip.speaker for clip in self._clips if clip.paired})
            raise DataError(
                f"there is no clip below {self.folder} {chosen.words()}; there are actors "
                f"{', '.join(map(str, actors))}, with sound and face {', '.join(map(str, paired)) or 'none'}"
            )
        return found


def _scan(folder: Path) -> tuple[dict[str, _Take], list[Path], list[Path]]:
    """(takes by code without the modality, files with other names, paths of labels.csv)."""
    takes: dict[str, _Take] = {}
    others: list[Path] = []
    tables: list[Path] = []
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(parent, name)
            if name == "labels.csv":
                tables.append(path)
                continue
            match = _NAME.match(name)
            if match is None:
                others.append(path)
                continue
            _add(takes, path, match)
    return takes, others, tables


def _add(takes: dict[str, _Take], path: Path, match: re.Match[str]) -> None:
    codes, number, suffix = match.groups()[:7], match.group(8), match.group(9).lower()
    kind = (codes[0], suffix)
    is_image = suffix in _IMAGES and number is not None
    if not is_image and (number is not None or (kind not in _AUDIO and kind not in _VIDEO)):
        return
    for part, code, largest in zip(_PARTS, codes, _LARGEST, strict=True):
        if not 1 <= int(code) <= largest:
            raise DataError(
                f"{path} has {part} code {code}, allowed are 01 to {largest:02d}; rename or remove the file"
            )
    take = takes.setdefault("-".join(codes[1:]), _Take())
    if is_image:
        take.tracks.setdefault(path.parent, {})[int(number)] = path
        return
    take.audio = _better(take.audio, _AUDIO.get(kind), path)
    take.video = _better(take.video, _VIDEO.get(kind), path)


def _better(have: tuple[int, Path] | None, rank: int | None, path: Path) -> tuple[int, Path] | None:
    if rank is None or (have is not None and have[0] <= rank):
        return have
    return rank, path


def _clip(code: str, take: _Take, folds: dict[int, int]) -> Clip:
    _, emotion, intensity, statement, repetition, actor = (int(part) for part in code.split("-"))
    return Clip(
        id=code,
        label=LABELS[emotion - 1],
        speaker=actor,
        fold=folds.get(actor, fold_of(actor)),
        intensity=intensity,
        statement=statement,
        repetition=repetition,
        audio=take.audio[1] if take.audio else None,
        video=take.video[1] if take.video else None,
        faces=_track(take.tracks),
    )


def _track(tracks: dict[Path, dict[int, Path]]) -> tuple[Path, ...]:
    if not tracks:
        return ()
    images = tracks[min(tracks)]
    first = 1 if 0 not in images else 0
    for number in range(first, first + len(images)):
        if number not in images:
            known = images[max(images)]
            raise DataError(f"image {number:02d} of the face track of {known} is missing; fetch the track again")
    return tuple(images[number] for number in sorted(images))


def _speaker_order(item: tuple[str, _Take]) -> tuple[str, str]:
    return item[0][-2:], item[0]


def _folds(tables: Iterable[Path]) -> dict[int, int]:
    """Actor -> fold from every labels.csv that has both columns."""
    folds: dict[int, int] = {}
    for path in tables:
        try:
            with opened_table(path) as file:
                reader = csv.DictReader(file)
                if not {"clip", "actor", "fold"} <= set(reader.fieldnames or ()):
                    continue
                for row in reader:
                    actor, fold = int(row["actor"]), int(row["fold"])
                    if folds.setdefault(actor, fold) != fold:
                        raise DataError(
                            f"{path}:{reader.line_num} puts actor {actor} into fold {folds[actor]} and {fold}"
                        )
        except (ValueError, TypeError) as error:
            raise DataError(f"{path} has a row without a whole number for actor and fold ({error})") from error
    return folds


def _seen(others: list[Path]) -> str:
    return f"{len(others)} files with other names, such as {others[0].name}" if others else "it is empty"
