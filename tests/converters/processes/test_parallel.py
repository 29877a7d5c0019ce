"""Processes side by side: their results in order, and none that outlives a failure."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from mer_converters.processes.parallel import Processes, in_parallel
from mer_converters.processes.progress import Step
from mer_converters.processes.temporary import temporary_folder
from mer_sdk.errors import ConversionError

# Leaves a file where tools leave theirs, starts a process of its own that holds the pipe, and would sleep for ever.
LONG = """
import subprocess, sys, tempfile, time
from mer_converters.processes.progress import Step, telling
tempfile.mkdtemp(suffix=".mlpackage")
with telling() as say:
    subprocess.Popen(["sleep", "86400"], stdout=open(sys.argv[1], "w"))
    say(Step("long", "begun", 0.0))
    time.sleep(86400)
"""


def test_results_come_in_order() -> None:
    assert in_parallel(lambda item, _: item * item, (3, 1, 2), jobs=2) == [9, 1, 4]
    assert in_parallel(lambda item, _: item, (), jobs=4) == []


def test_where_one_fails_the_others_end_with_all_that_they_started(tmp_path: Path) -> None:
    pipe, begun = tmp_path / "pipe", threading.Event()
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    def work(item: str, processes: Processes) -> None:
        if item == "fails":
            assert begun.wait(120)
            raise ConversionError("it failed")
        with temporary_folder("mer-convert-", tmp_path) as aside:
            command = [sys.executable, "-c", LONG, str(pipe)]
            processes.run(command, aside / "noise.txt", aside, lambda step: begun.set())

    with pytest.raises(ConversionError, match="it failed"):
        in_parallel(work, ("long", "fails"), jobs=2)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    # The last writer is gone: reading gives the end at once, and not that there is nothing yet.
    assert os.read(held, 1) == b""
    os.close(held)


def test_nothing_begins_after_the_stop(tmp_path: Path) -> None:
    processes, told = Processes(), list[Step]()
    processes.stop()
    with pytest.raises(ConversionError, match="stopped before it began"):
        processes.run([sys.executable, "-c", "raise SystemExit"], tmp_path / "noise.txt", tmp_path, told.append)


def test_a_temporary_folder_is_gone_whatever_ends_the_block(tmp_path: Path) -> None:
    def interrupted() -> None:
        with temporary_folder("mer-", tmp_path) as folder:
            (folder / "deep").mkdir()
            (folder / "deep" / "file").write_text("")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
