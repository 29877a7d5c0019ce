"""Speech corpora of one layout: a folder of sound files and a labels.csv with file, speaker, emotion and use.

    nemo              Polish, acted, 9 speakers (Christop 2024), CC BY-NC-SA 4.0
    indian_emospeech  Hindi and English keywords recorded in houses, streets and cars, CC BY-NC-SA 4.0
    urdu              Urdu talk shows (Latif and others 2018), research only
    ased              Amharic (Retta and others 2023), no licence stated
    turev             Turkish words (Canpolat and others 2020), CC BY-NC-ND 4.0
    tess              English (Pichora-Fuller and Dupuis 2020), CC BY-NC-ND 4.0
    emovo             Italian (Costantini and others 2014), research only

Columns: file, speaker, gender, emotion, language, text, seconds, use. The first two corpora may be trained on; the
others are there to be tested on, and training refuses them.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets.clip import Clip
from mer_sdk.evaluation.datasets.registry import register
from mer_sdk.evaluation.datasets.tables import opened_table

TRAIN, TEST = "train", "test"
_REQUIRED = {"file", "speaker", "emotion", "use"}


@dataclass(frozen=True)
class CorpusFacts:
    """What is known of a corpus before its files are seen.

    Attributes:
        name: as in NAME:PATH.
        title: for cards.
        language: of the speech, in English.
        labels: in the corpus's own words.
        licence: as stated by its authors.
        use: "train", or "test" where it is there for evaluation alone.
    """

    name: str
    title: str
    language: str
    labels: tuple[str, ...]
    licence: str
    use: str


_SIX = ("neutral", "happy", "sad", "angry", "fearful", "disgust")
CORPORA = {
    facts.name: facts
    for facts in (
        CorpusFacts(
            "nemo",
            "nEMO (Christop 2024)",
            "Polish",
            ("neutral", "happy", "sad", "angry", "fearful", "surprised"),
            "CC BY-NC-SA 4.0",
            TRAIN,
        ),
        CorpusFacts(
            "indian_emospeech",
            "Indian EmoSpeech Command Dataset",
            "Hindi and English",
            ("calm", "happy", "angry", "fearful"),
            "CC BY-NC-SA 4.0",
            TRAIN,
        ),
        CorpusFacts(
            "urdu",
            "URDU (Latif and others 2018)",
            "Urdu",
            ("neutral", "happy", "sad", "angry"),
            "research only",
            TEST,
        ),
        CorpusFacts(
            "ased",
            "ASED (Retta and others 2023)",
            "Amharic",
            ("neutral", "happy", "sad", "angry", "fearful"),
            "none stated",
            TEST,
        ),
        CorpusFacts(
            "turev",
            "TurEV-DB (Canpolat and others 2020)",
            "Turkish",
            ("calm", "happy", "sad", "angry"),
            "CC BY-NC-ND 4.0",
            TEST,
        ),
        CorpusFacts(
            "tess",
            "TESS (Pichora-Fuller and Dupuis 2020)",
            "English",
            (*_SIX, "surprised"),
            "CC BY-NC-ND 4.0",
            TEST,
        ),
        CorpusFacts(
            "emovo",
            "EMOVO (Costantini and others 2014)",
            "Italian",
            (*_SIX, "surprised"),
            "research only",
            TEST,
        ),
    )
}


class SpeechCorpus:
    """The clips of one corpus; speakers are numbered from 1 in the order of their names.

    Args:
        facts: which corpus.
        folder: with labels.csv and the files that it names.

    Raises:
        DataError: labels.csv is missing, empty or has other columns, or a row has an unknown emotion or another use.
    """

    def __init__(self, facts: CorpusFacts, folder: str | Path) -> None:
        self.facts = facts
        self.name, self.title, self.labels = facts.name, facts.title, facts.labels
        self.licence, self.use = facts.licence, facts.use
        self.folder = Path(folder)
        rows = read_table(self.folder / "labels.csv", _REQUIRED)
        speakers = {name: number for number, name in enumerate(sorted({row["speaker"] for row in rows}), start=1)}
        for line, row in enumerate(rows, start=2):
            check_row(self.folder / "labels.csv", line, row, facts.labels, facts.use)
        self._clips = tuple(
            Clip(
                id=Path(row["file"]).stem,
                label=row["emotion"],
                speaker=speakers[row["speaker"]],
                audio=self.folder / row["file"],
            )
            for row in rows
        )

    def clips(self) -> tuple[Clip, ...]:
        """All clips, in the order of labels.csv."""
        return self._clips


def refuse_test_corpora(name: str, use: str) -> None:
    """Refuse to learn from a corpus that is there to be tested on.

    Raises:
        OptionError: its use is "test".
    """
    if use == TEST:
        allowed = [facts.name for facts in CORPORA.values() if facts.use == TRAIN]
        raise OptionError(
            f"--data {name}: this corpus is for evaluation alone, nothing may be trained, tuned or calibrated on it; "
            f"of these corpora training takes cremad_logmel, {', '.join(allowed)}"
        )


def read_table(path: Path, required: set[str]) -> list[dict[str, str]]:
    """The rows of a labels.csv.

    Raises:
        DataError: it is missing, has other columns, or no rows; or a row is cut off.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing; give the folder that holds labels.csv and the files that it names")
    with opened_table(path) as file:
        reader = csv.DictReader(file)
        if not required <= set(reader.fieldnames or ()):
            raise DataError(
                f"{path} has the columns {', '.join(reader.fieldnames or ()) or 'none'}; "
                f"needed are {', '.join(sorted(required))}"
            )
        rows = []
        for row in reader:
            if any(row[column] is None for column in required):
                raise DataError(f"{path}:{reader.line_num} is cut off; fetch the file again")
            rows.append({column: value or "" for column, value in row.items() if column is not None})
    if not rows:
        raise DataError(f"{path} has a header and no rows; fetch it again")
    return rows


def check_row(path: Path, line: int, row: dict[str, str], labels: tuple[str, ...], use: str) -> None:
    """Refuse a row whose emotion or use is not the corpus's (DataError)."""
    if row["emotion"] not in labels:
        raise DataError(
            f"{path}:{line} has the emotion {row['emotion']!r}; this corpus has {', '.join(labels)}: correct the line"
        )
    if row["use"] != use:
        raise DataError(
            f"{path}:{line} says use {row['use']!r}, and this corpus is for {use!r}: is it the folder of another one?"
        )


def _opener(facts: CorpusFacts) -> Callable[[Path], SpeechCorpus]:
    return lambda folder: SpeechCorpus(facts, folder)


for _facts in CORPORA.values():
    register(_facts.name)(_opener(_facts))
