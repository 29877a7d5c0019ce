"""`mer run` in processes of its own: signals end a pipe, a terminal's view and a file with what was estimated."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

LONG = 120
MER = (sys.executable, "-m", "mer_sdk.cli", "run")
PCM = np.random.default_rng(0).integers(-9000, 9000, 16000 * 30, np.int16).tobytes()


def start(*arguments, **given):
    return subprocess.Popen([*MER, *map(str, arguments)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, **given)


def default_interrupt():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def end(process, number):
    """Send a signal; the exit code and what came on stderr."""
    process.send_signal(number)
    process.stdin.close()
    code = process.wait(LONG)
    return code, process.stderr.read().decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_pipe_with_a_summary(tiny_onnx, tmp_path, number):
    record = tmp_path / "day.jsonl"
    options = ("--no-voice", "--record", record, "--smoothing", 0.5, "--margin", 0.1)
    process = start(tiny_onnx, "-", *options, stdout=subprocess.PIPE)
    process.stdin.write(PCM[: 2 * 16000 * 3])
    process.stdin.flush()
    lines = [process.stdout.readline().decode() for _ in range(11)]
    # Every line is in the file at once, so that nothing is lost where the power goes.
    assert len(record.read_text().splitlines()) >= 11
    code, errors = end(process, number)
    rest = process.stdout.read().decode()
    process.stdout.close()
    assert (code, errors) == (0, "")
    assert [float(line.split()[0]) for line in lines] == [0.25 * (i + 1) for i in range(11)]
    assert re.search(r"steps?: ", rest.splitlines()[-1])
    rows = [json.loads(line) for line in record.read_text().splitlines()]
    assert len(rows) == 11 + rest.count(" s  ")
    assert rows[-1]["raw_probabilities"] != rows[-1]["probabilities"]  # smoothed


def read_screen(file, until):
    """What a terminal was given up to some words."""
    shown, deadline = b"", time.monotonic() + LONG
    while until not in shown and time.monotonic() < deadline:
        if select.select([file], [], [], 1.0)[0]:
            shown += os.read(file, 65536)
    assert until in shown, shown.decode(errors="replace")
    return shown.decode(errors="replace")


def test_ctrl_c_ends_the_view_of_a_terminal(tiny_onnx, write_media, tmp_path):
    pytest.importorskip("av")
    clip = write_media(tmp_path / "clip.mp4", seconds=20.0)
    screen, inside = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    process = start(tiny_onnx, f"play:{clip}", stdout=inside, env=environment)
    os.close(inside)
    shown = read_screen(screen, b"timeline")
    assert "keeps up" in shown
    process.send_signal(signal.SIGINT)
    read_screen(screen, b" steps: ")
    assert process.wait(LONG) == 0
    assert process.stderr.read() == b""
    for file in (process.stdin, process.stderr):
        file.close()
    os.close(screen)


def test_ctrl_c_in_a_file_keeps_what_was_estimated(tiny_onnx, tmp_path):
    import wave

    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        # More lines than a pipe holds, so that the run cannot end before the signal.
        file.writeframes(PCM * 400)
    # A run in the background of a shell has SIGINT ignored, and so would its children.
    process = start(tiny_onnx, path, stdout=subprocess.PIPE, preexec_fn=default_interrupt)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.stdin.close()
    rest = process.stdout.read().decode()
    assert process.wait(LONG) == 130
    assert re.search(r"steps?: ", rest.splitlines()[-1])
    process.stdout.close()
    process.stderr.close()
