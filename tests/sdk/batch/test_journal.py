"""The journal of a run over many files: one run at a time, and damage is a sentence."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

import numpy as np
import pytest

from mer_sdk.batch.clips import ClipFile
from mer_sdk.batch.estimating import BatchPlan, ClipResult, ClipSummary
from mer_sdk.batch.journal import Journal
from mer_sdk.errors import OptionError


def test_two_runs_cannot_write_one_table(plan, tmp_path) -> None:
    path = tmp_path / "t.csv.part"
    with Journal(path, plan), pytest.raises(OptionError, match="another run writes to"):
        Journal(path, plan)
    path.write_bytes(b"something else " * 100)
    with pytest.raises(OptionError, match="cannot be used"):
        Journal(path, plan)


STEP = b'{"time": 0.25}\n'
CLIPS = (ClipFile("one.wav", "/clips/one.wav", 1, 1), ClipFile("two.wav", "/clips/two.wav", 1, 1))


def journal_with(plan: BatchPlan, path: Path, steps: bytes) -> None:
    with Journal(path, plan) as journal:
        for clip in CLIPS:
            journal.add(clip, ClipResult(ClipSummary(steps=1), zlib.compress(steps)))


def read_again(plan: BatchPlan, path: Path) -> None:
    with Journal(path, plan) as journal:
        journal.done(CLIPS, failed_too=True)
        assert [name for name, _, _ in journal.results(CLIPS)] == ["one.wav", "two.wav"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE clips SET steps = 'none'",
        "UPDATE clips SET steps = substr(steps, 1, length(steps) - 1)",
        "UPDATE clips SET steps = NULL",
        f"UPDATE clips SET steps = X'{zlib.compress(b'5').hex()}'",
        "UPDATE clips SET summary = '{'",
        "UPDATE clips SET summary = '{\"foreign\": 1}'",
        "UPDATE clips SET place = NULL",
        "UPDATE plan SET text = '{'",
        "UPDATE plan SET text = '5'",
        "UPDATE plan SET text = replace(hex(zeroblob(50000)), '0', '[')",
    ],
)
def test_a_damaged_journal_is_one_sentence(change, plan, tmp_path) -> None:
    path = tmp_path / "t.csv.part"
    journal_with(plan, path, STEP)
    base = sqlite3.connect(path)
    # Damage keeps to no constraint.
    base.executescript("CREATE TABLE other AS SELECT * FROM clips; DROP TABLE clips; ALTER TABLE other RENAME TO clips")
    read_again(plan, path)
    base.execute(change)
    base.commit()
    base.close()
    with pytest.raises(
        OptionError, match=r"t\.csv\.part, .* \(it is damaged\); make room, delete it to begin anew, or"
    ):
        read_again(plan, path)


def test_a_journal_that_was_cut_is_one_sentence(plan, tmp_path) -> None:
    path = tmp_path / "t.csv.part"
    numbers = np.random.default_rng(0).random(1000)
    journal_with(plan, path, b"".join(b'{"time": %.17f}\n' % number for number in numbers))
    read_again(plan, path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(OptionError, match="cannot be used"):
        read_again(plan, path)
