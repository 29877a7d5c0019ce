"""How far a run over many files is: a SQLite database beside the table that it becomes.

A file's steps and summary are written in one transaction, under its path as a unique key: after a crash of a process
or of the machine a file is there as a whole, once, or not at all.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mer_sdk.batch.clips import ClipFile
from mer_sdk.batch.estimating import BatchPlan, ClipResult, ClipSummary
from mer_sdk.contract.codec import from_json, to_json
from mer_sdk.errors import OptionError

# A transaction ends on the disk, which takes milliseconds: one for what comes within so many seconds.
COMMIT_SECONDS = 1.0
# What of a plan may be another when it is gone on with: bundle and profile are known by their content, wherever they
# lie and whoever signed them.
_MOVABLE = ("bundle", "trust", "baseline")
# Fields that a user knows by another name.
_CALLED = {"fingerprint": "bundle", "baseline_sha256": "baseline", "detector_sha256": "detector"}
_TABLES = """
CREATE TABLE IF NOT EXISTS plan (text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS clips (
    place BLOB NOT NULL UNIQUE, size INTEGER, modified INTEGER, name TEXT NOT NULL, failed INTEGER NOT NULL,
    summary TEXT NOT NULL, steps BLOB NOT NULL
);
"""


def journal_path(out: Path) -> Path:
    """Where the journal of a table lies until the table is whole."""
    return out.with_name(f"{out.name}.part")


class Journal:
    """The results so far; use it in a `with` statement. Nobody else can open it meanwhile.

    Args:
        path: of the database; it is made where there is none.
        plan: what is done with every file.
        anew: begin again where the journal is that of another plan, instead of refusing it.

    Raises:
        OptionError: it is another plan's, another run's that goes on now, or cannot be written.
    """

    def __init__(self, path: Path, plan: BatchPlan, anew: bool = False) -> None:
        self.path = path
        text = json.dumps({key: value for key, value in to_json(plan).items() if key not in _MOVABLE})
        with self._told():
            self._base = sqlite3.connect(path, timeout=1.0, isolation_level=None)
            try:
                self._begin(text, anew)
            except BaseException:
                self._base.close()
                raise
        self._committed = time.monotonic()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        # What is done is kept, whatever ended the run.
        try:
            with self._told():
                self._commit()
        finally:
            self._base.close()

    def done(self, clips: tuple[ClipFile, ...], failed_too: bool) -> set[str]:
        """Paths of those clips that are there, and unchanged since.

        Args:
            failed_too: whether a file that could not be read counts as done.
        """
        with self._told():
            there = {
                os.fsdecode(place): (size, modified)
                for place, size, modified in self._base.execute(
                    "SELECT place, size, modified FROM clips WHERE NOT failed OR ?", (failed_too,)
                )
            }
        # Where it cannot be looked at from here, it is taken as it was.
        return {
            clip.path
            for clip in clips
            if clip.path in there and (clip.size is None or there[clip.path] == (clip.size, clip.modified))
        }

    def add(self, clip: ClipFile, result: ClipResult) -> None:
        """Write a clip's result, in place of an earlier one; on the disk within a second, or at the end."""
        with self._told():
            if not self._base.in_transaction:
                self._base.execute("BEGIN")
            self._base.execute(
                "INSERT OR REPLACE INTO clips VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    os.fsencode(clip.path),
                    clip.size,
                    clip.modified,
                    clip.name,
                    result.summary.error is not None,
                    json.dumps(to_json(result.summary)),
                    result.steps,
                ),
            )
            if time.monotonic() - self._committed > COMMIT_SECONDS:
                self._commit()

    def results(self, clips: tuple[ClipFile, ...]) -> Iterator[tuple[str, ClipSummary, list[dict[str, Any]]]]:
        """(name, summary, steps) of every clip: those listed now, in their order, then those that no longer are.

        Raises:
            OptionError: it is damaged.
        """
        with self._told():
            self._commit()
            listed = {os.fsencode(clip.path): clip.name for clip in clips}
            earlier = [row for row in self._base.execute("SELECT place, name FROM clips") if row[0] not in listed]
            earlier.sort()
        for place, name in (*listed.items(), *earlier):
            with self._told():
                row = self._base.execute("SELECT summary, steps FROM clips WHERE place = ?", (place,)).fetchone()
                if row is None:
                    continue
                summary = from_json(ClipSummary, json.loads(row[0]))
                steps = [_object(line) for line in zlib.decompress(row[1]).splitlines()]
            yield name, summary, steps

    def _begin(self, text: str, anew: bool) -> None:
        # Held until it is closed, so that two runs cannot write the same table.
        self._base.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._base.execute("BEGIN EXCLUSIVE")
        for statement in _TABLES.split(";"):
            self._base.execute(statement)
        found = self._base.execute("SELECT text FROM plan").fetchone()
        differing = "" if found is None else _differing(found[0], text)
        if differing:
            if not anew:
                self._base.execute("ROLLBACK")
                raise OptionError(
                    f"{self.path} was begun with another bundle, other options, or another version "
                    f"({differing}); give the same, or --overwrite to begin anew"
                )
            self._base.execute("DELETE FROM clips")
            self._base.execute("DELETE FROM plan")
            found = None
        if found is None:
            self._base.execute("INSERT INTO plan VALUES (?)", (text,))
        self._base.execute("COMMIT")

    def _commit(self) -> None:
        if self._base.in_transaction:
            self._base.execute("COMMIT")
        self._committed = time.monotonic()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite says, and damage that it does not see, as a sentence."""
        try:
            yield
        except (sqlite3.Error, zlib.error, ValueError, TypeError, RecursionError) as error:
            said = str(error) if isinstance(error, sqlite3.Error) else "it is damaged"
            if "locked" in said:
                raise OptionError(
                    f"another run writes to {self.path} at this moment; wait for its end, or give another --out"
                ) from error
            raise OptionError(
                f"{self.path}, which holds what is done so far, cannot be used ({said}); make room, delete it to begin "
                "anew, or give another --out"
            ) from error


def _differing(before: str, now: str) -> str:
    """Names of what differs between two plans, "" where nothing does."""
    old, new = _object(before), _object(now)
    return ", ".join(sorted({_CALLED.get(name, name) for name in {**old, **new} if old.get(name) != new.get(name)}))


def _object(text: str | bytes) -> dict[str, Any]:
    """Raises ValueError where a text is no JSON object."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    return found
