"""What is refused changes nothing; a file that is being read, and a sensor that was closed, say so."""

import json

import container_files as files
import numpy as np
import pytest

from mer_sdk import EmotionSensor, FaceOptions, LiveSensor
from mer_sdk.errors import OptionError, SignalError

RATE = 16000


class Boxes:
    """Finds what it is told."""

    def __init__(self, *boxes):
        self.boxes = boxes

    def detect(self, rgb):
        return [(*box, 1.0) for box in self.boxes]


@pytest.fixture
def sensor(tiny_onnx):
    with EmotionSensor.open(tiny_onnx, detector=Boxes()) as opened:
        yield opened


@pytest.fixture
def clips(tmp_path):
    return [files.write(tmp_path / f"{seconds}.mp4", [files.voice(seconds)]) for seconds in (3.0, 2.0)]


def said(estimates):
    return [(one.time, *one.probabilities.values()) for one in estimates]


NAN = np.full(1600, np.nan, np.float32)
GOOD = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE).astype(np.float32)


@pytest.mark.parametrize(
    ("pcm", "rate", "time"),
    [
        (NAN, RATE, 30.0),
        (NAN, 8000, None),
        (GOOD, 0, 1.1),
        (GOOD, float("nan"), None),
        (GOOD, "16000", None),
        (GOOD, None, None),
        (GOOD, np.array([RATE]), None),
        (np.array(["a", "b"]), RATE, None),
        ([[1], [1, 2]], RATE, None),
        ([0.1, [0.1]], RATE, None),
        (GOOD, RATE, 1e308),
        (GOOD, RATE, "1"),
        (GOOD, RATE, 1.7e18),
    ],
)
def test_sound_that_is_refused_changes_nothing(sensor, pcm, rate, time):
    wanted = said(sensor.push_audio(GOOD, RATE, 0.0) + sensor.flush())
    sensor.reset()
    found = []
    for piece in np.split(GOOD, 3):
        with pytest.raises(SignalError):
            sensor.push_audio(pcm, rate, time)
        found += sensor.push_audio(piece, RATE)
    assert said(found + sensor.flush()) == wanted


@pytest.mark.parametrize("time", [float("inf"), 1e308, 1.7e18, None, "1"])
def test_pictures_of_no_time_are_refused(sensor, time):
    with pytest.raises(SignalError, match="a frame at "):
        sensor.push_frame(np.zeros((8, 8, 3), np.uint8), time)
    assert said(sensor.push_audio(GOOD, RATE) + sensor.flush())


@pytest.mark.parametrize("rgb", [[[1], [1, 2]], [[[1, 2, 3]], [[1, 2, 3], [1, 2, 3]]], None, "frame"])
def test_pictures_that_are_no_arrays_are_refused(sensor, rgb):
    with LiveSensor(EmotionSensor.open(sensor.bundle, detector=Boxes())) as live:
        for push in (sensor.push_frame, live.push_frame):
            with pytest.raises(SignalError, match=r"a frame (is no array|has shape)"):
                push(rgb, 0.0)


def test_a_file_is_not_mixed_with_anything_else(sensor, clips):
    whole = said(sensor.stream(clips[0]))
    running = sensor.stream(clips[0])
    begun = [next(running) for _ in range(3)]
    for rest in ([], list(running)):  # in the middle, and once it was read
        for push in (lambda: sensor.push_audio(GOOD, RATE), lambda: sensor.flush()):
            with pytest.raises(OptionError, match=r"this stream is that of a file: reset\(\) begins another"):
                push()
        begun += rest
    assert said(begun) == whole
    del running
    sensor.reset()
    assert len(sensor.push_audio(GOOD, RATE)) == 12


def test_a_file_that_was_left_for_another_says_so(sensor, clips):
    for change in (lambda: list(sensor.stream(clips[1])), sensor.reset, sensor.close):
        running = sensor.stream(clips[0])
        next(running)
        change()
        with pytest.raises(OptionError, match="closed, reset or given another file before all estimates"):
            next(running)


@pytest.mark.parametrize(
    "box",
    [
        (float("nan"), 4, 20, 20),
        (float("inf"), 4, 20, 20),
        (4, 4, 0, 20),
        (100, 4, 20, 20),
        (-30, 4, 20, 20),
        (-4000, -4000, 9000, 9000),
        (0, 0, 1e9, 1e9),
    ],
)
def test_a_box_that_is_no_face_of_the_frame_is_none(tiny_onnx, box):
    frame = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    with EmotionSensor.open(tiny_onnx, detector=Boxes(box)) as sensor:
        for index in range(9):
            sensor.push_frame(frame, index / 8)
        assert {one.face for one in sensor.flush()} == {None}
    with EmotionSensor.open(tiny_onnx, detector=Boxes(box, (-4, 4, 30, 30))) as sensor:
        estimates = [one for index in range(9) for one in sensor.push_frame(frame, index / 8)] + sensor.flush()
        assert all(one.face.box[0] < 1 for one in estimates if one.face is not None)
        assert any(one.face is not None for one in estimates)


class Gives:
    """A detector that gives this, whatever it sees."""

    def __init__(self, found):
        self.found = found

    def detect(self, rgb):
        return self.found


FACE = (4.0, 4.0, 30.0, 30.0, 1.0)
FRAME = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)


@pytest.mark.parametrize(
    "rows", [np.array([FACE], np.float32), [np.array(FACE, np.float16)], [[np.int64(n) for n in FACE]], [FACE[:4]]]
)
def test_numbers_of_numpy_are_faces_that_json_takes(tiny_onnx, rows):
    with EmotionSensor.open(tiny_onnx, detector=Gives(rows)) as sensor:
        (estimate,) = sensor.push_frame(FRAME, 0.0) + sensor.flush()
    assert json.loads(json.dumps(estimate.to_json()))["face"]["box"] == list(FACE[:4])


@pytest.mark.parametrize(
    "found",
    [None, 5, "faces", FACE, [None], [5], ["face"], [FACE[:3]], [("4", "4", "30", "30")], [(None,) * 5], [{0: 4}], {1}],
)
def test_a_detector_that_gives_no_faces_is_told_what_to_give(tiny_onnx, found):
    with EmotionSensor.open(tiny_onnx, detector=Gives(found)) as sensor:
        sensor.push_frame(FRAME, 0.0)
        with pytest.raises(OptionError, match=r"something else than faces; .* of \(x, y, width, height, score\) each"):
            sensor.flush()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"faces": 2}, r"faces is 2; give a FaceOptions, such as FaceOptions\(faces=2\)"),
        ({"smoothing": 1.0}, "smoothing is 1.0; give a Smoothing"),
        ({"voice": True}, "voice is true; give a VoiceOptions"),
        ({"baseline": {}}, "baseline is an object; give a saved profile's path"),
        ({"runtime": 3}, "runtime is 3; give a runtime's name"),
        ({"detector": 3}, "the detector has no method detect"),
        ({"threads": "2"}, "threads is '2'; allowed are whole numbers from 1 to 1024"),
        ({"threads": 10**20}, "allowed are whole numbers from 1 to 1024"),
    ],
)
def test_an_option_of_another_kind_is_named(tiny_onnx, given, message):
    with pytest.raises(OptionError, match=message):
        EmotionSensor.open(tiny_onnx, **given)


def test_what_methods_are_given_is_named_too(sensor):
    assert FaceOptions().faces == 1
    with pytest.raises(OptionError, match="the time of an enrolment is '4'; give a positive number"):
        sensor.enrol("4")
    for path, said_of in ((b"x.wav", "a bytes"), (3, "3")):
        with pytest.raises(OptionError, match=f"the file to stream is {said_of}; give its path"):
            list(sensor.stream(path))


@pytest.mark.parametrize("seconds", [0, -1, 3601, 1e300, float("inf"), float("nan"), None, [4]])
def test_an_enrolment_ends(sensor, seconds):
    with pytest.raises(OptionError, match="give a positive number, such as 4, of at most 3600"):
        sensor.enrol(seconds)
    assert sensor.enrolling == 0
    sensor.enrol(3600)


@pytest.mark.parametrize(("track", "named"), [("1", "'1'"), (True, "true"), (1.0, "1.0")])
def test_a_sound_track_is_a_number(sensor, clips, track, named):
    with pytest.raises(OptionError, match=f"the sound track is {named}; give its number, from 1"):
        next(sensor.stream(clips[0], audio_track=track))


@pytest.mark.parametrize("person", [[], {}, "0", 0.5])
def test_a_person_is_a_number(sensor, person):
    for ask in (sensor.baseline_of, sensor.forget):
        with pytest.raises(OptionError, match=r"the person is .*; give the id of a person|is not known here"):
            ask(person)


def test_sound_whose_stamp_is_refused_changes_nothing(sensor):
    wanted = said(sensor.push_audio(GOOD, RATE, 20.0) + sensor.flush())
    sensor.reset()
    with pytest.raises(SignalError, match=r"the stream began at 0\.000 s"):
        sensor.push_audio(GOOD, RATE, -100.0)
    with pytest.raises(SignalError, match=r"a frame at -1.0 s came after one at 0.000 s"):
        sensor.push_frame(np.zeros((8, 8, 3), np.uint8), -1)
    found = sensor.push_audio(GOOD, RATE, 20.0)
    for rate, time in ((8000, 5.0), (RATE, 21.0)):
        with pytest.raises(SignalError):
            sensor.push_audio(GOOD, rate, time)
    assert said(found + sensor.flush()) == wanted
