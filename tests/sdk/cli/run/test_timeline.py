"""What a run says at its end: what is counted adds up, and what a single picture cannot give is told."""

import numpy as np
import pytest

from mer_sdk.cli.run.command import run_steps
from mer_sdk.cli.run.timeline import RunOptions, RunSummary
from mer_sdk.contract.estimate import EmotionEstimate
from mer_sdk.frontends.face_tracks import FaceOptions
from mer_sdk.window.sensor import EmotionSensor


class TwoFaces:
    """A detector that finds two faces in every picture."""

    def detect(self, rgb):
        return np.array([(10, 10, 60, 60, 0.9), (100, 20, 50, 50, 0.9)])


def test_the_last_line_counts_every_step():
    summary = RunSummary()
    for emotion, count in (("happy", 5), ("disgust", 4), ("unknown", 3), ("fearful", 2), ("neutral", 1)):
        for _ in range(count):
            summary.add(EmotionEstimate(0.25, emotion, 0.8, {}, 0.0, 0.0, "circumplex", "audio"))
    assert summary.line().startswith("15 steps: happy 5, disgust 4, unknown 3, fearful 2, neutral 1; a face in 0;")


@pytest.mark.parametrize(("pictures", "told"), [(1, True), (4, False)])
def test_why_a_picture_gives_one_person_is_told(tiny_onnx, capsys, pictures, told):
    picture = np.random.default_rng(0).integers(0, 255, (120, 200, 3), np.uint8)
    options = FaceOptions(faces=4, detect_seconds=0)
    with EmotionSensor.open(tiny_onnx, detector=TwoFaces(), faces=options) as sensor:
        estimates = [one for index in range(pictures) for one in sensor.push_frame(picture, 0.25 * index + 0.1)]
        run_steps(sensor, RunOptions(faces=options), [*estimates, *sensor.flush()], "picture")
    assert ("a single picture gives one person" in capsys.readouterr().err) == told
