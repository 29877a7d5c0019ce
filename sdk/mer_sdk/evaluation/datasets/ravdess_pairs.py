"""Real audio-visual pairs of RAVDESS: face crops in one zip file per actor, and the sound of the same takes.

RAVDESS: Livingstone and Russo 2018, zenodo 1188976, CC BY-NC-SA 4.0. The layout:

- `labels.csv`: clip, archive, flac, actor, fold, emotion, intensity (normal or strong), frames and others;
- `actor_NN.zip`: `CLIP/NNN.jpg`, NNN the number (from 1) of a frame of the 29.97 fps video, cut out around the face;
- the sound, `FLAC.flac` or `FLAC.wav`: anywhere below the folder, else below a folder `ravdess` beside it.

Folds are speaker-disjoint. The speakers of `TEST_FOLD` score what was learned from the others: `clips` gives them,
`clips_to_learn_from` refuses them.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mer_sdk.contract.npy import DAMAGED
from mer_sdk.errors import DataError
from mer_sdk.evaluation.datasets.clip import ArchivedImage, Clip
from mer_sdk.evaluation.datasets.ravdess import LABELS, SPEAKER_FOLDS, TEST_FOLD, Selection
from mer_sdk.evaluation.datasets.registry import register
from mer_sdk.evaluation.datasets.tables import opened_table

FRAMES_PER_SECOND = 30000 / 1001
_COLUMNS = ("clip", "archive", "flac", "actor", "fold", "emotion", "intensity", "frames")
_INTENSITIES = {"normal": 1, "strong": 2}
_NAME = re.compile(r"^01-01-(\d\d)-\d\d-(\d\d)-(\d\d)-(\d\d)$")
_FRAME = re.compile(r"^([^/]+)/(\d+)\.jpe?g$")


@dataclass(frozen=True)
class _Row:
    """One line of labels.csv, checked."""

    clip: str
    archive: str
    flac: str
    actor: int
    fold: int
    emotion: str
    intensity: int
    frames: int


@register("ravdess_pairs")
class RavdessPairs:
    """The pairs below a folder; see the module docstring for the layout. Archives are listed, no image is read.

    Args:
        folder: holds labels.csv and the archives.

    Raises:
        DataError: labels.csv or an archive is missing, truncated or of another layout, or the sound of a take is
            nowhere.
    """

    name = "ravdess_pairs"
    labels = LABELS
    licence = "CC BY-NC-SA 4.0"
    # Folds that are scored where nobody says which.
    tested_folds: tuple[int, ...] | None = (TEST_FOLD,)

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        rows = _rows(self.folder / "labels.csv")
        tracks: dict[str, dict[int, str]] = {}
        for name in sorted({row.archive for row in rows}):
            tracks |= _tracks(self.folder / name)
        sounds = _sounds(self.folder, {row.flac for row in rows})
        self._clips = tuple(
            _clip(row, self.folder / row.archive, tracks.get(row.clip, {}), sounds[row.flac])
            for row in sorted(rows, key=lambda row: (row.actor, row.clip))
        )

    def clips(self, selection: Selection | None = None) -> tuple[Clip, ...]:
        """The selected clips, ordered by actor and then by name; all of them are paired speech.

        Raises:
            DataError: no clip is left; the message says what was asked and what is there.
        """
        chosen = selection or Selection()
        found = tuple(clip for clip in self._clips if chosen.takes(clip))
        if not found:
            there = ", ".join(f"{fold}: {sorted(actors)}" for fold, actors in sorted(self._folds().items()))
            raise DataError(f"{self.folder} has no clip {chosen.words()}; folds and actors there are {there}")
        return found

    def clips_to_learn_from(self, folds: Iterable[int]) -> tuple[Clip, ...]:
        """Every clip of the given folds, for training, tuning or calibration.

        Raises:
            DataError: `TEST_FOLD` is among them, or a fold that is not there.
        """
        chosen = tuple(folds)
        if TEST_FOLD in chosen:
            others = sorted(set(self._folds()) - {TEST_FOLD})
            raise DataError(
                f"fold {TEST_FOLD} (actors {', '.join(map(str, SPEAKER_FOLDS[TEST_FOLD]))}) is the test fold: nothing "
                f"is trained, tuned or calibrated on it; learn from folds {', '.join(map(str, others))}"
            )
        missing = [fold for fold in chosen if fold not in self._folds()]
        if missing or not chosen:
            given = f"fold {missing[0]} is not there" if missing else "no fold was given"
            raise DataError(f"{self.folder}: {given}; there are folds {', '.join(map(str, sorted(self._folds())))}")
        return self.clips(Selection(folds=chosen))

    def _folds(self) -> dict[int, set[int]]:
        folds: dict[int, set[int]] = {}
        for clip in self._clips:
            assert clip.fold is not None
            folds.setdefault(clip.fold, set()).add(clip.speaker)
        return folds


def _rows(path: Path) -> list[_Row]:
    if not path.is_file():
        raise DataError(f"{path} is missing; give the folder that holds labels.csv and actor_NN.zip")
    with opened_table(path) as file:
        reader = csv.DictReader(file)
        lacking = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if lacking:
            raise DataError(f"{path} has no column {', '.join(lacking)}; fetch the data set again")
        rows = [_row(path, reader.line_num, values) for values in reader]
    if not rows:
        raise DataError(f"{path} has no rows; fetch it again")
    return rows


def _row(path: Path, line: int, values: dict[str, str | None]) -> _Row:
    given = {name: values[name] for name in _COLUMNS}
    if any(value is None for value in given.values()):
        raise DataError(f"{path}:{line} is cut off; fetch the file again")
    text = {name: str(value) for name, value in given.items()}
    numbers = (text["actor"], text["fold"], text["frames"])
    fine = all(value.isdecimal() for value in numbers) and _NAME.match(text["clip"]) is not None
    if not fine or text["emotion"] not in LABELS or text["intensity"] not in _INTENSITIES:
        raise DataError(
            f"{path}:{line} is no clip of RAVDESS: {', '.join(text.values())}; needed are a name like "
            f"01-01-05-02-01-01-16, whole numbers, one of {', '.join(LABELS)}, and normal or strong"
        )
    return _Row(
        text["clip"],
        text["archive"],
        text["flac"],
        int(text["actor"]),
        int(text["fold"]),
        text["emotion"],
        _INTENSITIES[text["intensity"]],
        int(text["frames"]),
    )


def _tracks(archive: Path) -> dict[str, dict[int, str]]:
    """Clip -> frame number -> name in the archive."""
    if not archive.is_file():
        raise DataError(f"{archive} is missing, labels.csv has clips in it; fetch it again")
    try:
        with zipfile.ZipFile(archive) as opened:
            names = opened.namelist()
    except DAMAGED as error:
        raise DataError(f"{archive} is not a zip file ({error}); it may be truncated: fetch it again") from error
    tracks: dict[str, dict[int, str]] = {}
    for name in names:
        match = _FRAME.match(name)
        if match:
            tracks.setdefault(match.group(1), {})[int(match.group(2))] = name
    return tracks


def _sounds(folder: Path, wanted: set[str]) -> dict[str, Path]:
    """The file of each take's sound."""
    looked = []
    for place in (folder, folder.resolve().parent / "ravdess"):
        found = {path.stem: path for suffix in ("flac", "wav") for path in sorted(place.rglob(f"03-01-*.{suffix}"))}
        if wanted <= set(found):
            return found
        missing = sorted(wanted - set(found))
        looked.append(f"{place} lacks {len(missing)} of {len(wanted)} (such as {missing[0]}.flac)")
    raise DataError(f"the sound of the pairs is missing: {'; '.join(looked)}; put the FLAC files of RAVDESS there")


def _clip(row: _Row, archive: Path, frames: dict[int, str], sound: Path) -> Clip:
    if len(frames) != row.frames:
        raise DataError(
            f"{archive} holds {len(frames)} images of clip {row.clip}, labels.csv says {row.frames}; fetch it again"
        )
    numbers = sorted(frames)
    match = _NAME.match(row.clip)
    assert match is not None, "rows are checked"
    return Clip(
        id=row.clip.removeprefix("01-"),
        label=row.emotion,
        speaker=row.actor,
        fold=row.fold,
        intensity=row.intensity,
        statement=int(match.group(2)),
        repetition=int(match.group(3)),
        audio=sound,
        faces=tuple(ArchivedImage(archive, frames[number]) for number in numbers),
        face_times=tuple((number - 1) / FRAMES_PER_SECOND for number in numbers),
    )
