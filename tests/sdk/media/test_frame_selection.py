"""Pictures that nobody looks at are not decoded, where no other one depends on them; all else stays as it is."""

from fractions import Fraction

import av
import numpy as np
import pytest

from mer_sdk import EmotionSensor
from mer_sdk.frontends.face_tracks import searched
from mer_sdk.media.decode import MediaFile, VideoFrame
from mer_sdk.media.frame_selection import FrameSelection, step_number

STEP = 0.25


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """2 s of a moving square, 25 frames a second, two of three of them pictures that no other one depends on."""
    path = tmp_path_factory.mktemp("looked") / "between.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.options = {"bf": "2", "b_strategy": "0"}
        for index in range(50):
            image = np.full((120, 160, 3), 90, np.uint8)
            image[40:80, 10 + 2 * index : 50 + 2 * index] = 200
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def frames(path, looked=None):
    with MediaFile(path) as media:
        return [(one.time, one.duration, one.rgb()) for one in media.read(looked=looked) if isinstance(one, VideoFrame)]


def test_what_is_looked_at_is_as_without_leaving_out(clip):
    whole, chosen = frames(clip), frames(clip, FrameSelection(STEP, searched))
    assert [one[:2] for one in chosen] == [one[:2] for one in whole]
    steps = [step_number(time, STEP) for time, _, _ in whole]
    left_out = 0
    for index, step in enumerate(steps):
        place = index - steps.index(step)
        same = np.array_equal(whole[index][2], chosen[index][2])
        if place in searched(steps.count(step)):
            assert same, f"frame {index}"
        elif not same:
            left_out += 1
            assert np.array_equal(chosen[index][2], chosen[index - 1][2]), f"frame {index} shows the one before"
    assert left_out > 10


def test_all_are_decoded_where_all_are_looked_at(clip):
    whole, chosen = frames(clip), frames(clip, FrameSelection(STEP, range))
    assert all(np.array_equal(one[2], other[2]) for one, other in zip(whole, chosen, strict=True))


def test_a_stream_says_what_the_frames_say(clip, tiny_onnx):
    with EmotionSensor.open(tiny_onnx) as sensor:
        streamed = [(one.time, one.probabilities, one.face) for one in sensor.stream(clip)]
        sensor.reset()
        pushed = [one for time, _, rgb in frames(clip) for one in sensor.push_frame(rgb, time)] + sensor.flush()
    assert streamed == [(one.time, one.probabilities, one.face) for one in pushed]
    assert len(streamed) == 8
