"""The web demo in a headless Chromium: built-in fake devices, refused devices, no network, and a real clip."""

import functools
import http.server
import importlib.util
import sys
import threading
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from mer_sdk import EmotionSensor
from mer_sdk.frontends.audio import Resampler
from mer_sdk.looks import FaceOptions

# Starts a browser.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
FAKE = ["--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required"]
ALLOWED = ["--use-fake-ui-for-media-stream"]
READY = "#start:not([hidden])"
COLLECT = """
window.got = [];
window.shift = 0;
addEventListener("mer:estimate", (event) => got.push(event.detail));
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
# The sound as the worklet hands it over, beside the page's own use of it.
LISTEN = """
window.heard = [];
const Node = AudioWorkletNode;
window.AudioWorkletNode = class extends Node {
  constructor(...given) {
    super(...given);
    this.port.addEventListener("message", ({ data }) => heard.length < 80000 && heard.push(...data.samples));
  }
};
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; says nothing."""

    def log_message(self, *_):
        pass


@pytest.fixture
def site(npm, tmp_path):
    """`site(bundle)`: the address of the demo with that bundle."""
    servers = []

    def build(bundle):
        npm("run", "demo", "--", "--outDir", str(tmp_path / "dist"), MER_BUNDLE=str(bundle))
        handler = functools.partial(Quiet, directory=str(tmp_path / "dist"))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield build
    for server in servers:
        server.shutdown()
        server.server_close()


def test_from_the_button_to_estimates_with_switches_and_without_a_network(drive, site, tiny_onnx):
    steps = [
        ("wait", READY),
        # Once the service worker has everything, the page is loaded again without a network.
        ("until", "navigator.serviceWorker.controller !== null"),
        ("offline", True),
        ("reload",),
        ("wait", READY),
        ("click", "#start"),
        ("until", "got.length >= 6"),
        ("evaluate", "got.map(({ time, state }) => [time, state])"),
        ("evaluate", "shift"),
        ("text", "#notice"),
        ("click", "#camera"),
        ("until", "got.at(-1).state === 'audio'"),
        ("click", "#camera"),
        ("until", "got.at(-1).state === 'audio+face'"),
        ("evaluate", "got.map(({ time }) => time)"),
    ]
    first, shift, notice, times = drive(site(tiny_onnx), steps, flags=[*FAKE, *ALLOWED], init=COLLECT)
    assert [time for time, _ in first[:6]] == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5]
    assert first[5][1] == "audio+face"
    assert shift < 0.02
    assert "square" in notice
    assert times == sorted(times)


def test_refused_devices_are_told_in_a_sentence(drive, site, tiny_onnx):
    address = site(tiny_onnx)
    steps = [("wait", READY), ("click", "#start"), ("wait", READY), ("text", "#notice"), ("text", "#start")]
    denied = [*FAKE, "--deny-permission-prompts"]
    notice, button = drive(address, steps, flags=denied)
    assert notice.startswith("Camera and microphone were not allowed: allow them")
    assert button == "Try again"
    steps = [
        ("wait", READY),
        ("click", "#start"),
        ("until", "got.length >= 3"),
        ("text", "#notice"),
        ("text", "#state"),
    ]
    notice, state = drive(address, steps, flags=denied, permissions=["microphone"], init=COLLECT)
    assert notice.startswith("No camera")
    assert state == "voice"


def test_a_real_clip_gives_the_emotions_of_the_sensor_in_python(drive, site, shared_data, tmp_path):
    """Where a step begins matters by itself: the same clip, begun 30 ms later, gives other labels in Python too. So the
    moment at which the page began to listen is found in the sound that it heard, and Python begins there as well."""
    bundle = ROOT / "bundles" / "grjca-onnx-fp32.mer"
    if not bundle.is_dir():
        pytest.skip("needs bundles/grjca-onnx-fp32.mer: make convert")
    clips = sorted((shared_data / "ravdess_av" / "mp4").glob("*-05.mp4"))[:4]
    if not clips:
        pytest.skip("needs clips of RAVDESS actor 05")
    y4m, wav, mp4 = _helper("clips").write_streams(tmp_path, clips)
    flags = [f"--use-file-for-fake-video-capture={y4m}", f"--use-file-for-fake-audio-capture={wav}%noloop"]
    pcm, rate = soundfile.read(wav, dtype="float32")
    steps = [
        ("wait", READY),
        ("click", "#start"),
        ("until", f"got.length && got.at(-1).time >= {len(pcm) / rate - 0.5}"),
        ("evaluate", "got.map(({ time, emotion }) => [time, emotion])"),
        ("evaluate", "heard"),
    ]
    got, heard = drive(site(bundle), steps, flags=[*FAKE, *ALLOWED, *flags], init=COLLECT + LISTEN, timeout=60000)
    begun = _moment(np.array(heard, np.float32), Resampler(rate, 16000).whole(pcm)) / 16000
    assert 0 <= begun < 1
    with EmotionSensor.open(bundle, detector=Middle(), faces=FaceOptions(detect_seconds=0)) as sensor:
        wanted = _estimates(sensor, mp4, pcm, rate, begun)
    same = [emotion == wanted[round(4 * time) - 1] for time, emotion in got if round(4 * time) <= len(wanted)]
    assert len(same) > 40
    assert np.mean(same) >= 0.9


class Middle:
    """The page's finder where the browser has none: a square in the middle of the picture."""

    def detect(self, rgb):
        height, width = rgb.shape[:2]
        side = 0.6 * min(height, width)
        return [((width - side) / 2, (height - side) / 2, side, side, 1.0)]


def _moment(heard, pcm):
    """The sample of `pcm` with which `heard` begins, from the cross-correlation of its first seconds."""
    piece = heard[: 5 * 16000]
    size = len(pcm) + len(piece)
    product = np.fft.rfft(pcm, size) * np.conj(np.fft.rfft(piece, size))
    return int(np.fft.irfft(product, size)[: len(pcm)].argmax())


def _estimates(sensor, mp4, pcm, rate, begun):
    """The emotions of a clip from `begun` seconds on."""
    with av.open(str(mp4)) as container:
        frames = [(frame.time - begun, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    waiting = [(time, rgb) for time, rgb in frames if time >= 0]
    found, piece = [], rate // 10
    for index, start in enumerate(range(round(begun * rate), len(pcm), piece)):
        found += sensor.push_audio(pcm[start : start + piece], rate)
        while waiting and waiting[0][0] < (index + 1) / 10:
            time, rgb = waiting.pop(0)
            found += sensor.push_frame(rgb, time)
    return [estimate.emotion for estimate in found + sensor.flush()]


def _helper(name):
    spec = importlib.util.spec_from_file_location(f"web_{name}", Path(__file__).with_name(f"{name}.py"))
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
