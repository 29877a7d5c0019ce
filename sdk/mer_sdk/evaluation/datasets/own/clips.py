"""Clips of one's own: `clips:PATH`, a table (file, label and more) or folders named by label.

A table is csv (comma, semicolon, tab; UTF-8, UTF-16, Windows-1252) or parquet. Needed are the columns file and label;
read where they are there: speaker, start and end (seconds, of a part of the file), split, text and dialogue. Paths are
relative to the table. In place of the table its folder may be given, where it is named clips.csv or labels.csv (or
.parquet).

Without a table files lie as LABEL/FILE, SPEAKER/LABEL/FILE, SPLIT/LABEL/FILE or SPLIT/SPEAKER/LABEL/FILE; SPLIT is one
of train, dev and test.

Whatever a row lacks, it is left out with a reason, and the rest goes on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mer_sdk.contract.affect import SYNONYMS
from mer_sdk.dialogue.dialogue_file import Dialogue, Utterance
from mer_sdk.dialogue.text_file import is_unicode
from mer_sdk.errors import DataError, OptionError, did_you_mean, reason_of
from mer_sdk.evaluation.datasets.clip import Clip, LeftOut
from mer_sdk.evaluation.datasets.own.folders import SPLIT_NAMES, TEST, folder_rows
from mer_sdk.evaluation.datasets.own.table import Row, media_path, read_rows
from mer_sdk.evaluation.datasets.registry import register
from mer_sdk.media.names import LIST_SUFFIXES, shown

TABLE_NAMES = tuple(f"{stem}{suffix}" for stem in ("clips", "labels") for suffix in (".csv", ".tsv", ".parquet"))
# Of a table that is no Unicode: its letters may be others.
GUESSED = ", or save the table as UTF-8 if these letters look wrong"
# Reasons of one kind that a message quotes.
SHOWN = 3


@dataclass(frozen=True)
class SelectedClips:
    """What of a data set a bundle can be scored on, or learn from.

    Attributes:
        clips: in the order of the table, with the bundle's labels.
        labels: label of the table, and of the clips -> label of the bundle, for those labels that the clips have.
        left_out: the others, and why.
    """

    clips: tuple[Clip, ...]
    labels: dict[str, str]
    left_out: tuple[LeftOut, ...]


@register("clips")
class OwnClips:
    """The clips of a table or of folders; see the module docstring for the layouts. No media file is opened.

    Args:
        path: a table, or a folder.
        names: label of the table -> what it is called instead, such as {"joy": "happy"}.

    Attributes:
        clips_all: every usable row.
        labels: of the clips, after `names`, sorted.
        left_out: rows that cannot be used whatever the bundle.

    Raises:
        DataError: the table cannot be read, or no row can be used.
        OptionError: `names` has a label that no row has.
    """

    name = "clips"
    title = "clips of one's own"
    licence = "the owner's"

    def __init__(self, path: str | Path, names: Mapping[str, str] | None = None) -> None:
        self.path = Path(path)
        self._table = _table_of(self.path)
        self.folder = self._table.parent if self._table else self.path
        self._unicode = self._table is None or self._table.suffix.lower() == ".parquet" or is_unicode(self._table)
        rows = read_rows(self._table) if self._table else list(folder_rows(self.path))
        clips, left = _checked(rows, self.folder, self._table)
        renamed = {_label(old): _label(new) for old, new in (names or {}).items()}
        there = {clip.label for clip in clips}
        unknown = sorted(set(renamed) - there)
        if unknown and there:
            pair, near = f"{unknown[0]}={renamed[unknown[0]]}", did_you_mean(unknown[0], there)
            raise OptionError(
                f"--labels {pair}: no clip is labelled {unknown[0]!r}{near}{' Labels' if near else '; labels'} of the "
                f"clips: {', '.join(sorted(there))}"
            )
        self.clips_all = tuple(replace(clip, label=renamed.get(clip.label, clip.label)) for clip in clips)
        self.renamed = renamed
        self.labels = tuple(sorted({clip.label for clip in self.clips_all}))
        self.left_out = tuple(left)
        if not self.clips_all:
            raise DataError(f"{self.path} has no clip that can be used: {reasons(self.left_out)}")

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the clips name; empty where they name none."""
        return tuple(sorted({clip.split for clip in self.clips_all} - {""}))

    def select(self, classes: Sequence[str], split: str | None = None) -> SelectedClips:
        """The clips whose label the bundle knows.

        Args:
            classes: labels of the bundle; common words for them, such as joy for happy, are understood.
            split: only clips of it, as it is called in the table or in `SPLIT_NAMES`; "" or None for all.

        Raises:
            OptionError: there is no such split, or a label of `names` that the bundle does not have.
            DataError: no clip is left.
        """
        wrong = [(old, new) for old, new in self.renamed.items() if _meaning(new, classes) is None]
        if wrong:
            given, meant = wrong[0]
            near = did_you_mean(meant, classes)
            these = f"{near} These" if near else "; these"
            raise OptionError(
                f"--labels {given}={meant}: {meant!r} is none of the bundle's labels{these} are {', '.join(classes)}"
            )
        wanted = _split(split or "")
        if wanted and wanted not in self.splits:
            listed = ", ".join(self.splits) or "none: the table has no column split"
            raise OptionError(f"--split {split}: {self.path} has no clip of it; splits there: {listed}")
        clips, old, left = [], [], list(self.left_out)
        for clip in self.clips_all:
            if wanted and clip.split != wanted:
                continue
            meaning = _meaning(clip.label, classes)
            if meaning is None:
                reason = f"label {shown(clip.label)!r} is none of the bundle's: map it with --labels"
                guessed = "" if self._unicode or clip.label.isascii() else GUESSED
                left.append(LeftOut(clip.id, reason + guessed))
            else:
                clips.append(replace(clip, label=meaning))
                old.append(clip.label)
        if not clips:
            raise DataError(
                f"{self.path} has no clip to use: {reasons(left)}; the bundle's labels are {', '.join(classes)}, and "
                f"--labels {self.labels[0]}={classes[0]}, for example, maps one of yours to one of them"
            )
        return SelectedClips(tuple(clips), _merged(old, clips), tuple(left))

    def to_test(self, classes: Sequence[str], split: str | None = None) -> SelectedClips:
        """The clips to score on: those of `split`; where it is not given those of "test", else all. See `select`."""
        return self.select(classes, split or (TEST if TEST in self.splits else None))

    def to_learn_from(self, classes: Sequence[str]) -> SelectedClips:
        """The clips to train, tune or calibrate on: all but those of "test". See `select`.

        Raises:
            DataError: every clip is of "test".
        """
        found = self.select(classes)
        kept = [clip for clip in found.clips if clip.split != TEST]
        if not kept:
            raise DataError(
                f"every clip of {self.path} is of the split test, which nothing is trained, tuned or calibrated on; "
                "add clips of another split"
            )
        there = {clip.label for clip in kept}
        return SelectedClips(
            tuple(kept), {old: new for old, new in found.labels.items() if new in there}, found.left_out
        )

    def dialogues(self, classes: Sequence[str], split: str | None = None) -> tuple[tuple[Dialogue, ...], SelectedClips]:
        """The texts of the clips as dialogues, for dialogue bundles: rows of one `dialogue`, else each by itself.

        Raises:
            DataError: no row has a text. Others as `select`.
        """
        return self._talks(self.to_test(classes, split))

    def dialogues_to_learn_from(self, classes: Sequence[str]) -> tuple[Dialogue, ...]:
        """As `dialogues`, of the clips of `to_learn_from`."""
        return self._talks(self.to_learn_from(classes))[0]

    def _talks(self, found: SelectedClips) -> tuple[tuple[Dialogue, ...], SelectedClips]:
        spoken = [clip for clip in found.clips if clip.text]
        mute = tuple(
            LeftOut(clip.id, "it has no text, which the bundle reads") for clip in found.clips if not clip.text
        )
        if not spoken:
            raise DataError(
                f"{self.path} has no column text, which a dialogue bundle reads: add what is said in each clip"
            )
        talks: dict[str, list[Utterance]] = {}
        for clip in spoken:
            line = Utterance(clip.text, clip.person or None, clip.start or None, found.labels[clip.label])
            talks.setdefault(clip.dialogue or f"clip {clip.id}", []).append(line)
        made = tuple(Dialogue(name, tuple(lines)) for name, lines in talks.items())
        return made, replace(found, clips=tuple(spoken), left_out=(*found.left_out, *mute))


def reasons(left_out: Sequence[LeftOut]) -> str:
    """Why clips were left out, each reason once with how many, the most frequent first."""
    counts: dict[str, list[LeftOut]] = {}
    for item in left_out:
        counts.setdefault(item.reason, []).append(item)
    ranked = sorted(counts.items(), key=lambda item: -len(item[1]))
    said = [
        f"{len(items)} x {reason} ({items[0].clip})" if len(items) > 1 else f"{items[0].clip}: {reason}"
        for reason, items in ranked[:SHOWN]
    ]
    more = sum(len(items) for _, items in ranked[SHOWN:])
    return "; ".join([*said, f"{more} more for other reasons"] if more else said) or "there is none"


def _table_of(path: Path) -> Path | None:
    """The table that a path names, None for folders without one.

    Raises:
        DataError: it is neither a table nor a folder.
    """
    if path.is_dir():
        return next((path / name for name in TABLE_NAMES if (path / name).is_file()), None)
    if path.suffix.lower() not in LIST_SUFFIXES:
        raise DataError(f"{path} is no table of clips; give a {', '.join(LIST_SUFFIXES)} file, or a folder")
    return path


def _checked(rows: Sequence[Row], folder: Path, table: Path | None) -> tuple[list[Clip], list[LeftOut]]:
    """Clips of the rows that can be used, and why the others cannot."""
    people = sorted({row.cells.get("speaker", "") for row in rows} - {""})
    numbers = {name: number for number, name in enumerate(people, start=1)}
    clips: dict[str, Clip] = {}
    left: list[LeftOut] = []
    places: dict[str, int] = {}
    for row in rows:
        name = shown(row.cells["file"]) or "no file"
        where = f"{name} (line {row.line})" if table else name
        try:
            clip = _clip(row, folder, numbers, len(people) + row.line)
        except DataError as error:
            left.append(LeftOut(where, str(error)))
            continue
        other = clips.get(clip.id)
        if other is None:
            clips[clip.id], places[clip.id] = clip, row.line
            continue
        said = f"line {places[clip.id]} has it already"
        if other.label != clip.label:
            said += f", with the label {other.label!r} in place of {clip.label!r}"
        if other.split != clip.split:
            said += f", in the split {other.split or 'of no name'}"
        left.append(LeftOut(where, said))
    return list(clips.values()), left


def _clip(row: Row, folder: Path, numbers: Mapping[str, int], stranger: int) -> Clip:
    """The clip of a row; DataError with the reason where there is none."""
    cells = row.cells
    if row.fault:
        raise DataError(row.fault)
    if not cells["file"]:
        raise DataError("it names no file")
    if not cells["label"]:
        raise DataError("it has no label")
    path = media_path(folder, cells["file"])
    try:
        if not path.is_file():
            raise DataError("the file is missing" if not path.is_dir() else "it is a folder")
        if path.stat().st_size == 0:
            raise DataError("the file is empty (0 bytes)")
    except (OSError, ValueError) as error:
        raise DataError(f"the file cannot be opened ({reason_of(error)})") from error
    start, end = _seconds(cells.get("start", ""), "start") or 0.0, _seconds(cells.get("end", ""), "end")
    if end is not None and end <= start:
        raise DataError(f"it ends at {end:g} s, and begins at {start:g} s")
    person = cells.get("speaker", "")
    part = f"#{start:g}-{'' if end is None else f'{end:g}'}" if start or end is not None else ""
    return Clip(
        id=cells["file"] + part,
        label=_label(cells["label"]),
        speaker=numbers.get(person, stranger),
        media=path,
        start=start,
        end=end,
        split=_split(cells.get("split", "")),
        text=cells.get("text", ""),
        dialogue=cells.get("dialogue", ""),
        person=person,
    )


def _seconds(text: str, column: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError as error:
        raise DataError(f"its {column} {shown(text)!r} is no number of seconds") from error
    if not (math.isfinite(value) and value >= 0):
        raise DataError(f"its {column} is {shown(text)}; seconds of 0 or more are allowed")
    return value


def _merged(old: Sequence[str], clips: Sequence[Clip]) -> dict[str, str]:
    return dict(zip(old, (clip.label for clip in clips), strict=True)) | {clip.label: clip.label for clip in clips}


def _label(text: str) -> str:
    return " ".join(text.split()).lower()


def _split(text: str) -> str:
    return SPLIT_NAMES.get(text.strip().lower(), text.strip().lower())


def _meaning(label: str, classes: Sequence[str]) -> str | None:
    """The class of a bundle that a label means: itself, or what it is another word for; None where there is none."""
    by_name = {name.lower(): name for name in classes}
    found = by_name.get(label) or by_name.get(SYNONYMS.get(label, ""))
    if found is None:
        # The bundle itself may use another word of the same meaning.
        root = SYNONYMS.get(label, label)
        found = next((name for name in classes if SYNONYMS.get(name.lower(), name.lower()) == root), None)
    return found
