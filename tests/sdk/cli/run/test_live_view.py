"""What a run shows in the terminal: its lines, the live view, and what is told beside it."""

import os
from dataclasses import replace

import pytest
from rich.console import Console

from mer_sdk.cli.run.live_view import LiveView
from mer_sdk.cli.run.timeline import RunOptions, Timeline, step_line
from mer_sdk.contract.estimate import EmotionEstimate, FaceView, LiveState
from mer_sdk.live.sources import SourceState

BOX = (10.0, 20.0, 30.0, 40.0)
ESTIMATE = EmotionEstimate(
    time=4.0,
    emotion="happy",
    confidence=0.8,
    probabilities={"happy": 0.8, "sad": 0.2},
    valence=0.5,
    arousal=-0.25,
    va_source="circumplex",
    state="audio+face",
    reliance={"audio": 0.25, "face": 0.75},
    face=FaceView(3, BOX),
    latency_ms=1.5,
    live=LiveState(),
)


def screen(view, width):
    console = Console(record=True, width=width, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(view)
    return console.export_text().splitlines()


def test_the_view_shows_what_is_and_what_is_lost():
    view = LiveView("tiny", ("happy", "sad"))
    assert "waiting for the first step" in screen(view, 80)[1]
    for number in range(8):
        view.add(replace(ESTIMATE, time=number / 4, emotion="sad", confidence=0.3))
    for number in range(8, 16):
        view.add(replace(ESTIMATE, time=number / 4))
    lines = screen(view, 80)
    assert lines[1].split() == ["happy", "80", "%", "█" * 32]
    assert lines[2].split() == ["sad", "20", "%", "█" * 8]
    text = "\n".join(lines)
    assert "person 3, 30 x 40 pixels at 10, 20" in text
    assert "audio 25 %  face 75 %" in text
    assert "1.5 ms a step, at most 1.5  0 dropped, 0 late" in text
    assert "timeline    ▃▃▃▃▃▃▃▃▇▇▇▇▇▇▇▇" in text
    assert "          sad     happy" in text
    other = replace(ESTIMATE, emotion="sad", confidence=0.6, face=FaceView(4, (1.0, 2.0, 9.0, 8.0)))
    view.add(replace(ESTIMATE, others=(other,), speech=False, enrolling=1.25))
    text = "\n".join(screen(view, 80))
    assert "         person 4 sad 60 %, 9 x 8 pixels at 1, 2" in text
    assert "voice    no speech, sound does not count" in text
    assert "enrol    1.2 s to go, at rest" in text
    view.add(replace(ESTIMATE, time=4.25, live=LiveState(3, 2, ("video",)), speech=True))
    assert "voice    speech" in "\n".join(screen(view, 80))
    sources = (
        SourceState("camera 0", ("video",), "away", 2.0, "it was unplugged", 1),
        SourceState("microphone", ("audio",), lost=4, refused=1, clipped=9),
    )
    view.tell(sources, ("video",), 7.0)
    text = "\n".join(screen(view, 100))
    assert "7.0 s" in text
    assert "audio+face  video gives nothing" in text
    assert "3 dropped, 2 late" in text
    assert "camera 0  away for 5 s, tried again: it was unplugged  1 times away" in text
    assert "microphone  4 pieces lost  1 pieces refused  9 pieces too loud" in text


@pytest.mark.parametrize("width", [24, 40, 200])
def test_the_view_fits_any_terminal(width):
    view = LiveView("a bundle with a name that is long", ("happy", "sad"))
    for number in range(100):
        view.add(replace(ESTIMATE, time=number / 4, emotion="happy" if number % 7 else "unknown"))
    view.tell((SourceState("camera 0", ("video",), "away", 2.0, "it was unplugged " * 8),), (), 99.0)
    assert max(len(line) for line in screen(view, width)) <= width


def test_an_enrolment_that_somebody_else_ends_is_told(capsys):
    with Timeline(("happy", "sad"), RunOptions(), quiet=True) as timeline:
        for face, left in ((3, 0.5), (3, 0.25), (3, 0.0), (4, 0.0)):
            timeline.add(replace(ESTIMATE, face=FaceView(face, (0, 0, 9, 9)), enrolling=left))
        assert capsys.readouterr().err == ""
        for face, left in ((4, 1.5), (5, 0.0)):
            timeline.add(replace(ESTIMATE, face=FaceView(face, (0, 0, 9, 9)), enrolling=left))
    assert capsys.readouterr().err == "mer: the enrolment ended 1.5 s early, as another person came to the fore\n"


def test_a_line_names_the_person_once_there_is_another_one():
    alone = replace(ESTIMATE, face=FaceView(0, BOX))
    assert "person" not in step_line(alone)
    assert step_line(replace(alone, face=FaceView(2, BOX))).endswith("person 2")
    other = replace(alone, face=FaceView(1, BOX), emotion="sad", confidence=0.6)
    assert step_line(replace(alone, others=(other,))).endswith("person 0  person 1 sad 60 %")


def test_a_line_says_what_a_live_stream_lost():
    live = LiveState(dropped=3, late=1, stale=("video",))
    line = step_line(replace(ESTIMATE, live=live, speech=False, enrolling=1.5))
    for said in (
        "4.00 s",
        "V +0.50",
        "A -0.25",
        "face  75 %",
        "no speech",
        "1.5 s to go",
        "no video",
        "3 dropped",
        "1 late",
    ):
        assert said in line
    assert "dropped" not in step_line(ESTIMATE)
