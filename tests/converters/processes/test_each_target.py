"""A process for each target: its steps are passed on, its errors are told, and none outlives the caller."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from mer_converters.processes.each_target import each_target
from mer_converters.processes.progress import Step
from mer_sdk.errors import ConversionError, MissingExtra

# A module that the processes can import.
WORK = """
import errno, os, subprocess, tempfile, time
from mer_converters.processes.progress import Step
from mer_sdk.errors import ConversionError, MissingExtra

def export(job, say):
    print("a tool prints")
    os.write(1, b"and a library of it\\n")
    say(Step(job, "exporting", 0.5))
    return os.getpid(), os.environ["PYTHONHASHSEED"]

def fail(job, say):
    if job == "words":
        raise ConversionError("words: no such operation")
    if job == "bare":
        raise ConversionError("no such operation")
    if job == "lacks":
        raise MissingExtra("target tflite", "litert-torch", "convert")
    if job == "foreign":
        raise ZeroDivisionError("by nothing")
    if job == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    if job == "dies":
        print("the last words", flush=True)
        os._exit(3)
    return job

# Leaves a file where tools leave theirs, starts a process of its own that holds the pipe, and would sleep for ever.
def hang(pipe, say):
    tempfile.mkdtemp(suffix=".mlpackage")
    subprocess.Popen(["sleep", "86400"], stdout=open(pipe, "w"))
    say(Step("long", "begun", 0.5))
    time.sleep(86400)
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "work_of_targets.py").write_text(WORK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    import work_of_targets  # type: ignore[import-not-found]

    yield work_of_targets
    del sys.modules["work_of_targets"]


def test_steps_are_passed_on_and_noise_is_not(work: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    told: list[Step] = []
    found = each_target(work.export, [("onnx", "onnx"), ("tflite", "tflite")], 1, told.append)
    processes, seeds = zip(*(future.result() for future in found.values()), strict=True)
    assert len({*processes, os.getpid()}) == 3
    assert seeds == ("0", "0")
    assert [step.doing for step in told if step.what == "onnx"] == ["starting its process", "exporting", "converted"]
    # One at a time: the second begins where the first has ended.
    assert [step.what for step in told].index("tflite") == 2
    assert capfd.readouterr() == ("", "")


def test_errors_name_their_target_and_harm_no_other(work: ModuleType) -> None:
    told: list[Step] = []
    names = ("words", "bare", "lacks", "foreign", "full", "dies", "well")
    found = each_target(work.fail, [(name, name) for name in names], 2, told.append)
    assert found["well"].result() == "well"
    errors = {name: found[name].exception() for name in names}
    assert str(errors["words"]) == "words: no such operation"
    assert str(errors["bare"]) == "bare: no such operation"
    assert isinstance(errors["lacks"], MissingExtra)
    assert all(isinstance(errors[name], ConversionError) for name in ("foreign", "dies"))
    assert str(errors["foreign"]).startswith("foreign: the converter process failed; its last lines:\n    Traceback")
    assert str(errors["foreign"]).endswith("ZeroDivisionError: by nothing")
    assert str(errors["full"]) == (
        "full: nothing can be written (No space left on device); make room, or give another --out"
    )
    assert str(errors["dies"]) == "dies: the converter process ended with code 3; its last lines:\n    the last words"
    assert {step.what for step in told if step.doing == "failed"} == {*names} - {"well"}


def test_where_the_caller_is_interrupted_all_end_with_what_they_started(
    work: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, temporary, begun = tmp_path / "pipe", tmp_path / "temporary", threading.Event()
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    def targets():
        yield "long", str(pipe)
        assert begun.wait(120)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each_target(work.hang, targets(), 2, lambda step: begun.set() if step.doing == "begun" else None)
    assert list(temporary.iterdir()) == []
    # The last writer is gone: reading gives the end at once, and not that there is nothing yet.
    assert os.read(held, 1) == b""
    os.close(held)
