"""`mer-convert` that a signal ends: no folder for a while is left, in the output folder or in that of the system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest


def _start(student: Path, tmp_path: Path) -> subprocess.Popen[str]:
    (tmp_path / "temporary").mkdir()
    options = ("--target", "onnx,tflite", "--jobs", "2", "--out", str(tmp_path / "out"))
    command = [sys.executable, "-m", "mer_converters.cli", "--checkpoint", str(student), *options]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}

    def default_signals() -> None:
        # A run in the background of a shell has SIGINT ignored, and so would its children.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)

    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=default_signals,
    )


@pytest.mark.parametrize(
    ("number", "step"),
    [(signal.SIGINT, "golden inputs: running the network"), (signal.SIGTERM, "onnx: loading onnx")],
)
def test_a_signal_leaves_nothing(student: Path, tmp_path: Path, number: int, step: str) -> None:
    process = _start(student, tmp_path)
    assert process.stderr is not None
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if line.startswith(step):
            break
    else:
        pytest.fail(f"it ended before the step: {''.join(said)}")
    during = [path.name[:13] for path in (tmp_path / "out").iterdir()]
    process.send_signal(number)
    rest, shown = process.stderr.read(), process.stdout.read()
    assert process.wait() == 130
    assert during == [".mer-convert-"]
    assert rest.splitlines()[-1] == "mer-convert: interrupted"
    assert shown == ""
    assert list((tmp_path / "out").iterdir()) == []
    assert list((tmp_path / "temporary").iterdir()) == []
    process.stdout.close()
    process.stderr.close()
