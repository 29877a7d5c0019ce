"""Sources and what pumps them: fake devices that go away, come back, change, and give nonsense."""

import subprocess
import sys
import threading
import time
import types

import numpy as np
import pytest

from mer_sdk import EmotionSensor, LiveOptions, LiveSensor
from mer_sdk.errors import MediaError, MissingExtra, OptionError, StreamError
from mer_sdk.media import AudioPiece
from mer_sdk.sources import (
    BackOff,
    Camera,
    Capture,
    Microphone,
    PcmPipe,
    Picture,
    Playback,
    camera,
    is_live,
    microphone,
    named_sources,
)
from mer_sdk.sources.source import SampleClock, Thinning

LONG = 20  # seconds after which a test that hangs fails
QUICK = BackOff(0.005, 0.01)


class MiddleFace:
    """A face in the middle of every picture, whatever its size."""

    def detect(self, rgb):
        height, width = rgb.shape[:2]
        return [(width / 4, height / 4, width / 2, height / 2, 1.0)]


class Scripted:
    """A source that gives what a list says; an exception in it is raised."""

    name, returns, lost = "script", False, 0

    def __init__(self, items, streams=("audio",), returns=False):
        self.items, self.streams, self.returns = iter(items), streams, returns
        self.opened = self.closed = 0

    def open(self):
        self.opened += 1

    def read(self):
        item = next(self.items, None)
        if isinstance(item, Exception):
            raise item
        return item

    def close(self):
        self.closed += 1


def noise(seconds, rate=16000, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, int(seconds * rate)).astype(np.float32)


def pieces(count, begin=0.0, rate=16000, length=0.25):
    return [AudioPiece(noise(length, rate, i), rate, begin + length * i) for i in range(count)]


def open_live(bundle, on_estimate=None, now=time.monotonic, **options):
    options = LiveOptions(**{"queue_seconds": 60.0, "tolerance": 0.0, **options})
    return LiveSensor(EmotionSensor.open(bundle, detector=MiddleFace()), options, on_estimate, now=now)


def test_a_capture_ends_when_its_sources_have(tiny_onnx):
    source = Scripted(pieces(8))
    with open_live(tiny_onnx) as live, Capture(live, [source], now=lambda: 0.0) as capture:
        assert [estimate.time for estimate in live] == [0.25 * (i + 1) for i in range(8)]
        (state,) = capture.states()
    assert (state.state, state.reason, source.opened) == ("ended", "", 1)
    assert source.closed == 1


class Time:
    """A clock that a fake microphone moves on, and two devices that go by it."""

    def __init__(self, gone):
        self.at, self.gone = 0.0, gone

    def now(self):
        return self.at

    @property
    def camera_is_there(self):
        return not self.gone[0] <= self.at < self.gone[1]


class Clockwork:
    """A microphone that gives a piece and moves the time on, until an end."""

    name, streams, returns, lost = "microphone", ("audio",), True, 0

    def __init__(self, time, end):
        self.time, self.end = time, end

    def open(self):
        pass

    def read(self):
        if self.time.at >= self.end:
            return None
        time.sleep(0.004)  # the other threads' turn
        begin, self.time.at = self.time.at, self.time.at + 0.25
        return AudioPiece(noise(0.25), 16000, begin)

    def close(self):
        pass


class FakeVideo:
    """In place of cv2.VideoCapture: a frame per move of the time; larger after the camera was away."""

    time = None

    def __init__(self, number):
        self.number, self.seen = number, -1.0

    def isOpened(self):  # noqa: N802
        return self.time.camera_is_there

    def grab(self):
        end = time.monotonic() + 1.0
        while self.time.at == self.seen and time.monotonic() < end:
            time.sleep(0.001)
        self.seen = self.time.at
        return self.time.camera_is_there

    def retrieve(self):
        size = (60, 80, 3) if self.seen < self.time.gone[0] else (120, 200, 3)
        return True, np.full(size, (30, 20, 10), np.uint8)

    def release(self):
        pass


@pytest.fixture
def fake_camera(monkeypatch):
    cv2 = pytest.importorskip("cv2")
    monkeypatch.setattr(cv2, "VideoCapture", FakeVideo)
    monkeypatch.setattr(camera, "LINUX", False)
    return FakeVideo


def test_a_camera_that_goes_away_is_opened_again_and_sound_goes_on(tiny_onnx, fake_camera):
    clock = fake_camera.time = Time(gone=(5.0, 13.0))
    sources = [Camera(0, now=clock.now), Clockwork(clock, 20.0)]
    live = open_live(tiny_onnx, now=clock.now, streams=("audio", "video"), stale_seconds=1.0)
    with live, Capture(live, sources, QUICK, now=clock.now) as capture:
        estimates, away = [], None
        while clock.at < 20.0:
            estimate = live.get(LONG)
            estimates.append(estimate)
            if 9.0 < estimate.time < 11.0:
                away = capture.states()[0]
        back = capture.states()[0]
    assert [estimate.time for estimate in estimates] == [0.25 * (i + 1) for i in range(len(estimates))]
    assert len(estimates) >= 76
    by_time = {estimate.time: estimate for estimate in estimates}
    assert (by_time[4.0].state, by_time[4.0].live.stale) == ("audio+face", ())
    # Stale a second after it has gone; out of the window, 4 s long, after that.
    assert {by_time[time / 4].live.stale for time in range(28, 50)} == {("video",)}
    assert {by_time[time / 4].state for time in range(44, 50)} == {"audio"}
    assert (by_time[18.0].state, by_time[18.0].live.stale) == ("audio+face", ())
    assert (by_time[4.0].face.box, by_time[18.0].face.box) == ((20, 15, 40, 30), (50, 30, 100, 60))
    assert (away.state, away.times_away) == ("away", 1)
    assert "camera 0 gives no more pictures" in away.reason
    assert (back.state, back.reason, back.times_away) == ("open", "", 1)


def test_a_camera_gives_few_frames_in_rgb(fake_camera, monkeypatch):
    clock = fake_camera.time = Time(gone=(99.0, 99.0))

    def grab(self):
        clock.at += 1 / 30
        return True

    monkeypatch.setattr(fake_camera, "grab", grab)
    source = Camera("0", now=clock.now)
    source.open()
    pictures = [source.read() for _ in range(60)]
    source.close()
    source.close()
    assert clock.at == pytest.approx(60 / 12, abs=0.15)
    assert pictures[0].rgb[0, 0].tolist() == [10, 20, 30]


def test_cameras_that_are_not_there(monkeypatch, tmp_path):
    pytest.importorskip("cv2")
    monkeypatch.setattr(camera, "LINUX", True)
    for number, (name, index) in enumerate([("USB Camera", "0"), ("USB Camera", "1"), ("Other", "0")]):
        folder = tmp_path / f"video{number}"
        folder.mkdir()
        (folder / "name").write_text(f"{name}\n")
        (folder / "index").write_text(f"{index}\n")
    monkeypatch.setattr(camera, "CAMERAS", tmp_path)
    with pytest.raises(MediaError, match=r"there is no camera 77; there are: 0 \(USB Camera\), 2 \(Other\)"):
        Camera(77).open()
    # Addresses of networks are never opened.
    for device in ("http://example.org/stream", "rtsp://10.0.0.1", "/etc/hostname"):
        with pytest.raises(MediaError, match="is no camera: give a number"):
            Camera(device).open()
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtra, match=r"mer-edge\[media\]"):
        Camera(0).open()


class FakeSound(types.ModuleType):
    """In place of sounddevice: each opening plays a number of blocks at once and then stops."""

    class PortAudioError(Exception):
        pass

    def __init__(self, rates, blocks=30):
        super().__init__("sounddevice")
        self.rates, self.blocks, self.at, self.streams = list(rates), blocks, 100.0, []
        self.InputStream = lambda **given: FakeStream(self, **given)

    def now(self):
        return self.at

    def query_devices(self, device=None, kind=None):
        facts = {"name": "Headset", "max_input_channels": 2, "default_samplerate": 48000.0}
        if kind is None:
            return [{"name": "Speaker", "max_input_channels": 0}, facts]
        if device not in (None, "Headset"):
            raise ValueError(f"No input device matching {device!r}")
        if not self.rates:
            raise self.PortAudioError("Device unavailable")
        return {**facts, "default_samplerate": float(self.rates[0])}


class FakeStream:
    def __init__(self, sound, samplerate, blocksize, channels, callback, **_):
        self.sound, self.rate, self.size, self.channels, self.callback = (
            sound,
            samplerate,
            blocksize,
            channels,
            callback,
        )
        self.active = True
        sound.rates.pop(0)

    def start(self):
        for number in range(self.sound.blocks):
            self.sound.at += self.size / self.rate
            times = types.SimpleNamespace(currentTime=0.0, inputBufferAdcTime=0.0)
            status = types.SimpleNamespace(input_overflow=number == 0)
            pcm = noise(1.0, self.size * self.channels, number).reshape(-1, self.channels)
            self.callback(pcm, self.size, times, status)
        self.active = False

    def abort(self):
        self.active = False

    def close(self):
        self.active = False


def test_a_microphone_that_comes_back_at_another_rate(tiny_onnx, monkeypatch):
    sound = FakeSound([44100, 16000])
    monkeypatch.setitem(sys.modules, "sounddevice", sound)
    with open_live(tiny_onnx) as live, Capture(live, [Microphone(now=sound.now)], QUICK, now=sound.now) as capture:
        estimates = [live.get(LONG) for _ in range(11)]
        end = time.monotonic() + LONG
        while capture.states()[0].times_away < 2 and time.monotonic() < end:
            time.sleep(0.01)
        (state,) = capture.states()
        capture.close()
        live.finish()
        estimates += list(live)
    assert [estimate.time for estimate in estimates] == [0.25 * (i + 1) for i in range(12)]
    assert {estimate.state for estimate in estimates} == {"audio"}
    assert (state.state, state.times_away, state.lost) == ("away", 2, 2)
    assert "microphone has stopped" in state.reason
    assert live.baseline.steps["audio"] >= 10  # the step in which it changed may lack sound


def test_sound_that_finds_no_room_is_counted_and_leaves_a_gap(monkeypatch):
    sound = FakeSound([16000], blocks=60)
    monkeypatch.setitem(sys.modules, "sounddevice", sound)
    source = Microphone(now=sound.now)
    source.open()
    assert source.lost == 20 + 1  # and one that the device lost itself
    times = [source.read().time for _ in range(40)]
    np.testing.assert_allclose(np.diff(times), 0.05)


def test_microphones_that_are_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSound([48000]))
    with pytest.raises(MediaError, match=r"there is no microphone Studio; there are: 1 \(Headset\)"):
        Microphone("Studio").open()
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSound([]))
    with pytest.raises(MediaError, match="there is no microphone; there are"):
        Microphone().open()
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtra, match=r"mer-edge\[live\]"):
        Microphone().open()
    monkeypatch.setattr(microphone, "SILENT_SECONDS", 0.1)
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSound([48000], blocks=0))
    silent = Microphone()
    silent.open()
    silent._stream.active = True
    with pytest.raises(MediaError, match=r"has given nothing for 0\.1 s"):
        silent.read()


def test_sound_stamps_count_samples_and_follow_the_clock():
    stamps = SampleClock()
    jitter = [0.0, 0.03, -0.02, 0.05]
    found = [stamps.stamp(800, 16000, 5.0 + 0.05 * i + late) for i, late in enumerate(jitter)]
    np.testing.assert_allclose(found, [5.0, 5.05, 5.1, 5.15])
    assert stamps.stamp(800, 16000, 3605.2) == 3605.2  # a clock that jumped, or a computer that slept
    assert stamps.stamp(800, 16000, 3605.26) == pytest.approx(3605.25)
    assert stamps.stamp(400, 8000, 3605.31) == 3605.31


def test_thinning_is_even():
    thinning = Thinning(12.0)
    kept = [i for i in range(300) if thinning.keeps(i / 30)]
    assert len(kept) == pytest.approx(120, abs=1)
    assert max(np.diff(kept)) <= 3


def test_a_clock_that_jumps_ahead(tiny_onnx):
    items = pieces(4) + pieces(4, begin=3600.0)
    with open_live(tiny_onnx) as live, Capture(live, [Scripted(items)], now=lambda: 0.0):
        times = [estimate.time for estimate in live]
    assert times[:4] == [0.25, 0.5, 0.75, 1.0]
    assert times[-4:] == [3600.25, 3600.5, 3600.75, 3601.0]
    assert len(times) <= 10


def test_nan_is_left_out_and_clipped_sound_is_told(tiny_onnx):
    items = pieces(12)
    items[4] = AudioPiece(np.full(4000, np.nan, np.float32), 16000, 1.0)
    items[5] = AudioPiece(np.sign(noise(0.25)), 16000, 1.25)
    items[6] = AudioPiece(np.full((4000, 2), -32768, np.int16), 16000, 1.5)
    items.insert(7, Picture(np.zeros((4, 4), np.uint8), 1.6))
    with open_live(tiny_onnx) as live, Capture(live, [Scripted(items)], now=lambda: 0.0) as capture:
        estimates = list(live)
        (state,) = capture.states()
    assert (state.refused, state.clipped) == (2, 2)
    assert [estimate.time for estimate in estimates] == [0.25 * (i + 1) for i in range(12)]
    assert np.isfinite([list(estimate.probabilities.values()) for estimate in estimates]).all()
    assert live.baseline.steps["audio"] == 11  # all but the step of NaN


def test_a_callback_that_raises_ends_the_capture(tiny_onnx):
    def raises(estimate):
        raise ValueError("no screen")

    endless = Scripted(piece for i in range(10**6) for piece in pieces(1, begin=0.25 * i))
    live = open_live(tiny_onnx, raises)
    with Capture(live, [endless], now=lambda: 0.0) as capture:
        capture._threads[0].join(LONG)
        (state,) = capture.states()
    assert (state.state, endless.closed) == ("ended", 1)
    assert "no screen" in state.reason
    with pytest.raises(StreamError, match="no screen"):
        live.finish()
    assert live.close(LONG)


def test_an_error_of_the_apps_own_function_is_not_swallowed(tiny_onnx):
    def raises(rgb, time):
        raise ZeroDivisionError("in the app")

    source = Scripted([Picture(np.zeros((8, 8, 3), np.uint8), 0.0)], ("video",))
    live = open_live(tiny_onnx)
    with pytest.raises(ZeroDivisionError, match="in the app"), live, Capture(live, [source], None, raises, lambda: 0.0):
        assert list(live) != []  # the frame was pushed before


def test_a_source_that_cannot_come_back_gives_its_error_after_its_estimates(tiny_onnx):
    source = Scripted([*pieces(4), MediaError("the pipe is damaged")])
    live = open_live(tiny_onnx)
    with pytest.raises(MediaError, match="damaged"), live, Capture(live, [source], now=lambda: 0.0):
        assert len(list(live)) == 4


def test_sources_that_were_opened_are_closed_where_another_cannot_be(tiny_onnx):
    class Absent(Scripted):
        def open(self):
            raise MediaError("there is none")

    first = Scripted([])
    with open_live(tiny_onnx) as live, pytest.raises(MediaError, match="there is none"):
        Capture(live, [first, Absent([], ("video",))])
    assert first.closed == 1


def test_close_returns_while_a_device_hangs(tiny_onnx):
    go = threading.Event()

    class Hangs(Scripted):
        def read(self):
            go.wait(LONG)

    with open_live(tiny_onnx) as live:
        capture = Capture(live, [Hangs([])])
        assert not capture.close(0.05)
        assert live.push_audio(noise(0.1), 16000)  # closing a capture does not end the sensor
        go.set()
        assert capture.close(LONG)


def test_a_pipe_in_pieces_of_any_size():
    pcm = np.random.default_rng(0).integers(-32768, 32768, (3001, 2)).astype("<i2")
    data = pcm.tobytes()
    for size in (1, 3, 997, 10**6):
        parts = iter([data[i : i + size] for i in range(0, len(data), size)])
        pipe = PcmPipe(8000, 2, read=lambda count, parts=parts: next(parts, b""))
        pipe.open()
        found = []
        while (piece := pipe.read()) is not None:
            assert piece.sample_rate == 8000
            found.append(piece.pcm)
        np.testing.assert_array_equal(np.concatenate(found), pcm)


def test_sound_of_a_pipe_that_comes_in_a_burst_is_kept_and_a_pause_is_a_gap():
    at = [100.0]
    pipe = PcmPipe(16000, read=lambda count: bytes(count), now=lambda: at[0])
    pipe.open()
    times = [pipe.read().time for _ in range(40)]
    np.testing.assert_allclose(np.diff(times), 0.05)
    at[0] += 5.0
    assert pipe.read().time == pytest.approx(104.95)


def test_what_waited_in_a_pipe_is_left_out_beside_a_camera():
    code = """
import sys
from mer_sdk.sources import named_sources
sys.stdin.buffer.raw.read(1)
pipe = named_sources(sys.argv[1], 16000, 2)[-1]
pipe.open()
print(pipe.lost, flush=True)
print(len(pipe.read().pcm), flush=True)
"""
    half_a_second = np.arange(2 * 8000, dtype="<i2").tobytes()
    for name, lost, first in (("camera+-", b"10\n", b"4\n"), ("-", b"0\n", b"800\n")):
        with subprocess.Popen(
            [sys.executable, "-c", code, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child:
            child.stdin.write(b"!" + half_a_second[:-1])
            child.stdin.flush()
            assert child.stdout.readline() == lost
            child.stdin.write(bytes(1 + 4 * 3))
            child.stdin.flush()
            assert child.stdout.readline() == first


def test_pipes_that_hold_no_pcm(monkeypatch):
    for data, words in ((b"", "no sample"), (b"abc", "1 bytes of a sample")):
        parts = iter([data])
        pipe = PcmPipe(read=lambda count, parts=parts: next(parts, b""))
        pipe.open()
        with pytest.raises(MediaError, match=words):
            list(iter(pipe.read, None))
    for given in ({"rate": 10}, {"channels": 0}):
        with pytest.raises(OptionError, match="allowed are"):
            PcmPipe(**given)
    monkeypatch.setattr("os.isatty", lambda number: True)
    with pytest.raises(MediaError, match="standard input is a terminal"):
        PcmPipe().open()


def test_a_file_plays_as_fast_as_it_was_recorded(write_media, tmp_path):
    pytest.importorskip("av")
    source = Playback(write_media(tmp_path / "clip.mp4", 1.0))
    assert source.streams == ("audio", "video")
    source.open()
    begin = time.monotonic()
    items = list(iter(source.read, None))
    assert all(item.time <= time.monotonic() for item in items)
    assert items[-1].time - begin > 0.8
    pictures = [item for item in items if isinstance(item, Picture)]
    assert len(pictures) == pytest.approx(12, abs=1)
    assert pictures[0].rgb.shape == (120, 160, 3)
    source.close()
    with pytest.raises(MediaError, match="does not exist"):
        Playback(tmp_path / "absent.mp4")


def test_names_of_sources():
    def kinds(text):
        return [(type(source).__name__, getattr(source, "device", None)) for source in named_sources(text)]

    assert kinds("camera") == [("Camera", 0)]
    assert kinds("camera:/dev/v4l/a+b") == [("Camera", "/dev/v4l/a+b")]
    assert kinds("camera:2+microphone:USB Mic") == [("Camera", 2), ("Microphone", "USB Mic")]
    assert kinds("microphone:3+camera") == [("Microphone", 3), ("Camera", 0)]
    assert kinds("camera+-") == [("Camera", 0), ("PcmPipe", None)]
    assert is_live("camera")
    assert not any(is_live(text) for text in ("./camera", "cameras.mp4", "clip.mp4", "-x.wav", "microphone.wav"))
    for text, words in (("camera+camera:1", "the same stream"), ("camera+speaker", "is no source")):
        with pytest.raises(OptionError, match=words):
            named_sources(text)
    with pytest.raises(OptionError, match="there is no source"):
        Capture(None, [])
    with pytest.raises(OptionError, match="0 < first <= longest"):
        BackOff(0.0)
