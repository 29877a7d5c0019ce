"""Steps of a conversion: their shares, and how they are shown without a terminal."""

from __future__ import annotations

import sys
import threading

import pytest

from mer_converters import progress_display
from mer_converters.processes.progress import Step, Steps
from mer_converters.progress_display import shown_steps


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
