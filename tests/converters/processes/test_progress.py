"""Steps of a conversion: told by the process of a target, passed on, and shown without a terminal."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from mer_converters import progress_display
from mer_converters.processes.parallel import Processes, ended
from mer_converters.processes.progress import Step, Steps
from mer_converters.progress_display import shown_steps

TELLING = """
import os
from mer_converters.processes.progress import Step, telling
with telling() as say:
    say(Step("onnx", "loading onnx", 0.0))
    print("a tool prints")
    os.write(1, b"and a library of it\\n")
    say(Step("onnx", "exporting", 0.5))
raise SystemExit(3)
"""


def test_shares_follow_the_weights_and_end_below_1() -> None:
    told: list[Step] = []
    step = Steps("onnx", 4.0, told.append)
    for doing, weight in (("load", 1.0), ("export", 3.0), ("once more", 2.0), ("and again", 2.0)):
        step(doing, weight)
    assert told == [
        Step("onnx", "load", 0.0),
        Step("onnx", "export", 0.25),
        Step("onnx", "once more", 0.98),
        Step("onnx", "and again", 0.98),
    ]


def test_a_process_tells_its_steps_and_keeps_its_noise_apart(tmp_path: Path) -> None:
    told: list[Step] = []
    noise = tmp_path / "noise.txt"
    code = Processes().run([sys.executable, "-c", TELLING], noise, tmp_path, told.append)
    assert code == 3
    assert told == [Step("onnx", "loading onnx", 0.0), Step("onnx", "exporting", 0.5)]
    assert sorted(noise.read_text().splitlines()) == ["a tool prints", "and a library of it"]
    assert ended(code, noise).startswith("the converter process ended with code 3; its last lines:\n    a")


def test_without_a_terminal_a_long_step_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_display, "BEAT", 0.0)
    heard, lines = threading.Event(), []

    class Stream:
        def write(self, text: str) -> None:
            lines.append(text.rstrip())
            if "exporting audio, " in text:
                heard.set()

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sys, "stderr", Stream())
    with shown_steps(as_json=True) as say:
        say(Step("tflite", "exporting audio", 0.5))
        assert heard.wait(60)
        say(Step("tflite", "converted", 1.0))
    assert lines[0] == "tflite: exporting audio"
    assert "tflite: converted" in lines
    # Nothing is told of what has ended.
    assert not any("converted, " in line for line in lines)


def test_time_left_goes_by_the_pace_so_far() -> None:
    part = progress_display._Part(began=100.0, at=110.0, doing="exporting", share=0.25)
    assert part.left(110.0) == pytest.approx(30.0)
    assert part.left(115.0) == pytest.approx(25.0)
    assert part.left(900.0) == 0.0
    assert progress_display._Part(100.0, 100.0, "starting", 0.0).left(105.0) is None
