"""The lines that `mer run` prints."""

from dataclasses import replace

from mer_sdk.cli.course import step_line
from mer_sdk.estimate import EmotionEstimate, FaceView, LiveState

BOX = (1.0, 2.0, 30.0, 40.0)
ALONE = EmotionEstimate(
    time=2.5,
    emotion="happy",
    confidence=0.8,
    probabilities={"happy": 0.8, "sad": 0.2},
    valence=0.5,
    arousal=-0.25,
    va_source="circumplex",
    state="audio+face",
    reliance={"audio": 0.25, "face": 0.75},
    face=FaceView(0, BOX),
)


def test_a_line_names_the_person_once_there_is_another_one():
    assert "person" not in step_line(ALONE)
    assert step_line(replace(ALONE, face=FaceView(2, BOX))).endswith("person 2")
    other = replace(ALONE, face=FaceView(1, BOX), emotion="sad", confidence=0.6)
    assert step_line(replace(ALONE, others=(other,))).endswith("person 0  person 1 sad 60 %")


def test_a_line_says_what_a_live_stream_lost():
    live = LiveState(dropped=3, late=1, stale=("video",))
    line = step_line(replace(ALONE, live=live, speech=False, enrolling=1.5))
    for said in (
        "2.50 s",
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
    assert "dropped" not in step_line(replace(ALONE, live=LiveState()))
