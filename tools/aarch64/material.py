"""What both machines read: bundles, a few clips and dialogues, and the SDK of the wheel."""

from __future__ import annotations

import csv
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

from place import HERE, ROOT, Place

from mer_sdk.evaluation.datasets import Clip, Selection, open_dataset


def few_clips(data: str, folder: Path, count: int) -> int:
    """Copy `count` paired clips, one a label in turn, into a folder; how many."""
    by_label: dict[str, list[Clip]] = {}
    for clip in open_dataset(data).clips(Selection(paired_only=True)):
        by_label.setdefault(clip.label, []).append(clip)
    ordered = [group[turn] for turn in range(count) for group in by_label.values() if turn < len(group)]
    for clip in ordered[:count]:
        for path in (clip.audio, *(clip.faces or (clip.video,))):
            assert path is not None  # paired
            shutil.copy(path, folder)
    return len(ordered[:count])


def few_dialogues(data: str, folder: Path, count: int) -> int:
    """Write the first `count` dialogues of MELD's dev split into a folder, in MELD's columns; how many."""
    dialogues = open_dataset(data).dialogues("dev")[:count]
    with (folder / "dev_sent_emo.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("Dialogue_ID", "Speaker", "Utterance", "Emotion"))
        for dialogue in dialogues:
            lines.writerows((dialogue.id, line.speaker, line.text, line.label) for line in dialogue.utterances)
    return len(dialogues)


def prepare(
    place: Place, wheel: Path, bundles: Sequence[Path], data: Sequence[str], clips: int, dialogues: int
) -> dict[str, int]:
    """Put bundles, data and the wheel's SDK where both machines read them.

    Args:
        place: the check's folders.
        wheel: of this checkout.
        bundles: folders.
        data: "ravdess:PATH" and "meld:PATH", one, both or neither.
        clips, dialogues: how many are wanted.

    Returns:
        How many clips and dialogues there are, by "clips" and "dialogues".
    """
    folders = {name: place.work / name for name in ("bundles", "clips", "dialogues", "sdk")}
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    zipfile.ZipFile(wheel).extractall(folders["sdk"])
    shutil.copy(HERE / "answers.py", place.work)
    for path in bundles:
        shutil.copytree(path, folders["bundles"] / path.name)
    sets = {item.partition(":")[0]: item for item in data}
    return {
        "clips": few_clips(sets["ravdess"], folders["clips"], clips) if "ravdess" in sets else 0,
        "dialogues": few_dialogues(sets["meld"], folders["dialogues"], dialogues) if "meld" in sets else 0,
    }


def key_of(place: Place) -> str:
    """A checksum of what answers depend on beside the bundle: SDK, data, answers.py and the packages' versions."""
    files = [place.work / "answers.py", ROOT / "constraints.txt", ROOT / "pyproject.toml"]
    for folder in ("sdk/mer_sdk", "clips", "dialogues"):
        files += sorted(path for path in (place.work / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")
    found = 0
    for path in files:
        found = crc32(path.name.encode() + path.read_bytes(), found)
    return f"{found:08x}"
