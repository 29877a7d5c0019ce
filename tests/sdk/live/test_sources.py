"""Sources by themselves: camera, microphone, pipe, file, and their names."""

import subprocess
import sys
import time

import numpy as np
import pytest
from fake_devices import FakeSound, Time

from mer_sdk.errors import MediaError, MissingExtra, OptionError
from mer_sdk.live.names import is_live
from mer_sdk.live.sources import (
    BackOff,
    Camera,
    Capture,
    Microphone,
    PcmPipe,
    Picture,
    Playback,
    camera,
    microphone,
    named_sources,
)
from mer_sdk.live.sources.source import SampleClock, Thinning


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
    with pytest.raises(MissingExtra, match=r"mer-edge\[opencv\]"):
        Camera(0).open()


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
from mer_sdk.live.sources import named_sources
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


def test_sources_of_other_kinds_are_refused():
    for make, said in (
        (lambda: Capture(None, [Camera(0)]), "live is None; give a LiveSensor or a LiveConversation"),
        (lambda: Capture(None, [5]), r"a source is 5; give sources in a list, such as \[Camera\(0\), Microphone"),
        (lambda: Capture(None, 5), "a source is 5; give sources in a list"),
        (lambda: named_sources(None), "the input is None; give names of sources"),
        (lambda: Camera(None), "device is None; give the camera's number, from 0, or its name"),
        (lambda: Camera(float("nan")), "device is nan; give the camera's number"),
        (lambda: Camera(-1), "device is -1; give the camera's number"),
        (lambda: Microphone(1.5), "device is 1.5; give the microphone's number"),
        (lambda: Camera(0, rate=0), "the rate is 0; give frames a second, above 0"),
        (lambda: Camera(0, rate=float("nan")), "the rate is nan; give frames a second"),
        (lambda: Playback("absent.mp4", rate=-1), "the rate is -1; give frames a second"),
        (lambda: PcmPipe("x"), "the sample rate is 'x'; allowed are 1000 to 768000, whole"),
        (lambda: PcmPipe(16000.5), "the sample rate is 16000.5 Hz; allowed are"),
        (lambda: PcmPipe(channels=1.5), "the number of channels is 1.5; allowed are 1 to 64"),
        (lambda: BackOff("x"), "the first wait is 'x'; allowed is above 0"),
        (lambda: BackOff(0.0), "the first wait is 0.0 s; allowed is above 0"),
        (lambda: BackOff(1.0, 0.5), "the longest wait is 0.5 s; allowed is the first wait, 1.0 s, or more"),
    ):
        with pytest.raises(OptionError, match=said):
            make()
    assert Camera(np.int64(2)).device == 2
    assert Thinning(float("inf")).keeps(0.0)  # all of them
