"""CREMA-D as log-mel spectrograms (Cao and others 2014; ODbL 1.0 and DbCL 1.0), and the votes of its listeners.

One file an actor, ACTOR.npy.xz: uint8 [clips, 128 bands, columns], whole decibels above the clip's floor, its loudest
cell 80; the clip's absolute level is lost. Bands are those of librosa's default mel filters (Slaney's scale and area
normalisation, 0 to 8 kHz), columns are 16 ms apart, centred, each of 64 ms of sound at 16 kHz. labels.csv names file,
index, clip, speaker, emotion, frames (columns that hold the clip) and use.

Votes are those of `tabulatedVotes.csv` of the data set: rows numbered from 100,000 are of people who heard the voice
alone.
"""

from __future__ import annotations

import csv
import lzma
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mer_sdk.contract.npy import DAMAGED, read_npy
from mer_sdk.errors import DataError
from mer_sdk.evaluation.datasets.registry import register
from mer_sdk.evaluation.datasets.speech_corpora import TRAIN, check_row, read_table
from mer_sdk.evaluation.datasets.tables import opened_table

LABELS = ("neutral", "happy", "sad", "angry", "fearful", "disgust")
BANDS = 128
COLUMN_SAMPLES = 256
FRAME_SAMPLES = 1024
_VOTES = {"N": "neutral", "H": "happy", "S": "sad", "A": "angry", "F": "fearful", "D": "disgust"}
_VOICE_ROWS = range(100_000, 200_000)
# Of one actor's spectra; 91 actors have 3 MB each.
MOST_BYTES = 256 * 2**20
_REQUIRED = {"file", "index", "clip", "speaker", "emotion", "frames", "use"}


@dataclass(frozen=True)
class SpectrumClip:
    """One clip as a spectrum.

    Attributes:
        id, label, speaker: as in `Clip`; speakers are numbered from 1 in the order of their names.
        decibels: float32 [columns, 128], 0-80.
    """

    id: str
    label: str
    speaker: int
    decibels: np.ndarray


@register("cremad_logmel")
class CremadLogMel:
    """The spectra below a folder.

    Args:
        folder: with labels.csv and the files that it names.

    Raises:
        DataError: labels.csv is missing, empty or has other columns, or a row has an unknown emotion or another use.
    """

    name = "cremad_logmel"
    title = "CREMA-D as log-mel spectrograms (Cao and others 2014)"
    labels = LABELS
    licence = "ODbL 1.0 and DbCL 1.0"
    use = TRAIN

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        table = self.folder / "labels.csv"
        self._rows = read_table(table, _REQUIRED)
        for line, row in enumerate(self._rows, start=2):
            check_row(table, line, row, LABELS, TRAIN)

    def clips(self) -> tuple[SpectrumClip, ...]:
        """All clips, in the order of labels.csv.

        Raises:
            DataError: a file is missing, cut off or of another layout, or a row points outside its file.
        """
        names = sorted({row["speaker"] for row in self._rows})
        files = {name: _spectra(self.folder / name) for name in sorted({row["file"] for row in self._rows})}
        found = []
        for line, row in enumerate(self._rows, start=2):
            whole = files[row["file"]]
            try:
                index, frames = int(row["index"]), int(row["frames"])
                inside = 0 <= index < len(whole) and 1 <= frames <= whole.shape[2]
            except ValueError:
                inside = False
            if not inside:
                raise DataError(
                    f"{self.folder / 'labels.csv'}:{line} points outside {row['file']} "
                    f"(index {row['index']}, {row['frames']} frames); fetch both files again"
                )
            decibels = np.ascontiguousarray(whole[index, :, :frames].T).astype(np.float32)
            found.append(SpectrumClip(row["clip"], row["emotion"], names.index(row["speaker"]) + 1, decibels))
        return tuple(found)


@register("cremad_votes")
class CremadVotes:
    """What people heard in CREMA-D's voices.

    Args:
        folder: holds tabulatedVotes.csv, itself or in a subfolder.

    Attributes:
        shares: clip -> share of the votes for each of `LABELS`, float32 [6], of those who heard the voice alone.

    Raises:
        DataError: the file is missing, has other columns or a row without whole numbers, or no votes on voices.
    """

    name = "cremad_votes"
    title = "CREMA-D, votes of those who heard the voices (Cao and others 2014)"
    licence = "ODbL 1.0 and DbCL 1.0"

    def __init__(self, folder: str | Path) -> None:
        path = next(iter(sorted(Path(folder).rglob("tabulatedVotes.csv"))), None)
        if path is None:
            raise DataError(f"tabulatedVotes.csv is missing below {folder}; get it from the CREMA-D repository")
        self.shares = _voice_votes(path)
        if not self.shares:
            raise DataError(f"{path} has no votes on voices alone (rows numbered from 100000); fetch it again")


def _voice_votes(path: Path) -> dict[str, np.ndarray]:
    letters = {label: letter for letter, label in _VOTES.items()}
    votes: dict[str, np.ndarray] = {}
    with opened_table(path) as file:
        reader = csv.DictReader(file)
        number = (reader.fieldnames or [""])[0]
        if not {*_VOTES, "fileName"} <= set(reader.fieldnames or ()):
            raise DataError(f"{path} has other columns than A, D, F, H, N, S and fileName; fetch it again")
        for row in reader:
            try:
                counts = np.array([int(row[letters[label]]) for label in LABELS], np.float32)
                kind = int(row[number])
            except (TypeError, ValueError) as error:
                raise DataError(f"{path}:{reader.line_num} is cut off or no number ({error})") from error
            if kind in _VOICE_ROWS and counts.sum() > 0:
                votes[row["fileName"]] = counts / counts.sum()
    return votes


def _spectra(path: Path) -> np.ndarray:
    if not path.is_file():
        raise DataError(f"{path} is missing; fetch the data set again or correct the path")
    try:
        with lzma.open(path) as file:
            spectra = read_npy(file, path.name, MOST_BYTES, "u")
    except DAMAGED as error:
        raise DataError(f"{path} cannot be read ({error}); fetch it again") from error
    if spectra.dtype != np.uint8 or spectra.ndim != 3 or spectra.shape[1] != BANDS:
        raise DataError(f"{path} holds {spectra.dtype} {spectra.shape}; expected is uint8 [clips, {BANDS}, columns]")
    return spectra
