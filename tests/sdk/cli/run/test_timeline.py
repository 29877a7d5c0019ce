"""The last line of a run: what it counts adds up."""

from mer_sdk.cli.run.timeline import RunSummary
from mer_sdk.contract.estimate import EmotionEstimate


def test_the_last_line_counts_every_step():
    summary = RunSummary()
    for emotion, count in (("happy", 5), ("disgust", 4), ("unknown", 3), ("fearful", 2), ("neutral", 1)):
        for _ in range(count):
            summary.add(EmotionEstimate(0.25, emotion, 0.8, {}, 0.0, 0.0, "circumplex", "audio"))
    assert summary.line().startswith("15 steps: happy 5, disgust 4, unknown 3, fearful 2, neutral 1; a face in 0;")
