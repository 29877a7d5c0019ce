"""MOSI features: layout, agreement of the three files, blocks that hold both labels."""

from __future__ import annotations

import numpy as np
import pytest

from mer_sdk.errors import DataError
from mer_sdk.evaluation.datasets import Mosi, open_dataset
from mer_sdk.evaluation.datasets.published.mosi import FEATURES

LABELS = (1, 1, 1, 0, 0)


def write(folder, labels=LABELS, **changed):
    """The three quoted files; `changed` maps a file's name to its text."""
    rng = np.random.default_rng(0)
    for name, width in FEATURES.items():
        rows = [[f'"{v:.4f}"' for v in rng.normal(size=width)] + [f'"{label:.1f}"'] for label in labels]
        (folder / f"{name}.csv").write_text(changed.get(name, "\n".join(",".join(row) for row in rows) + "\n"))
    return folder


def test_rows_of_three_files_belong_together(tmp_path):
    data = open_dataset(f"mosi:{write(tmp_path)}").utterances()
    assert (data.text.shape, data.audio.shape, data.video.shape) == ((5, 100), (5, 73), (5, 100))
    assert data.labels.tolist() == list(LABELS)
    first = (tmp_path / "audio.csv").read_text().split(",")[0].strip('"')
    assert data.audio[0, 0] == pytest.approx(float(first))


def test_files_that_do_not_fit_are_refused(tmp_path):
    write(tmp_path)
    audio = (tmp_path / "audio.csv").read_text()
    lines = audio.splitlines()
    for text, message in (
        ("", r"audio\.csv is empty"),
        ("\n".join(lines[:4]) + "\n", "5 rows and audio.csv 4"),
        (audio[:-30], r"audio\.csv:5 has \d+ columns, expected are 73"),
        ("\n".join([*lines[:4], lines[0]]), "row 5 has another label in audio.csv"),
        (audio.replace('"1.0"', '"0.5"', 1), "audio.csv:1 has .* a label other than 0 and 1"),
        ("x" + audio[1:], "no number"),
        (audio.replace(lines[0].split(",")[0], '"inf"', 1), "not finite"),
    ):
        write(tmp_path, audio=text)
        with pytest.raises(DataError, match=message):
            Mosi(tmp_path).utterances()
    (tmp_path / "video.csv").unlink()
    write_only = Mosi(tmp_path)
    with pytest.raises(DataError):
        write_only.utterances()
    with pytest.raises(DataError, match="not a folder"):
        Mosi(tmp_path / "text.csv")


def test_published_rows_are_ordered_by_label(shared_data):
    folder = shared_data / "mosi"
    if not folder.is_dir():
        pytest.skip("needs the folder mosi among the data sets, which is not there")
    labels = Mosi(folder).utterances().labels
    assert len(labels) == 1447
    # Why neighbours must not be read: the label changes once in the whole file.
    assert (np.diff(labels) != 0).sum() == 1
