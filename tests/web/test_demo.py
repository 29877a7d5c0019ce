"""The web demo in a headless Chromium: built-in fake devices, refused devices, no network, and a real clip."""

import functools
import http.server
import importlib.util
import sys
import threading
from pathlib import Path

import pytest

from mer_sdk import EmotionSensor

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


def test_real_clips_give_the_emotions_of_mer_run(drive, site, shared_data, tmp_path):
    """The page begins to listen and look some hundredths of a second into a clip, so that its steps lie a little later:
    each is compared with the step of the clip that ends with it or with the next one, the same way for a whole clip."""
    bundle = ROOT / "bundles" / "grjca-onnx-fp32.mer"
    if not bundle.is_dir():
        pytest.skip("needs bundles/grjca-onnx-fp32.mer: make convert")
    clips = sorted((shared_data / "ravdess_av" / "mp4").glob("*-05.mp4"))[1:4]
    if not clips:
        pytest.skip("needs clips of RAVDESS actor 05")
    address, same, steps = site(bundle), 0, 0
    for clip in clips:
        with EmotionSensor.open(bundle) as sensor:
            wanted = [estimate.emotion for estimate in sensor.stream(clip)]
        y4m, wav = _helper("clips").write_streams(tmp_path, clip)
        flags = [f"--use-file-for-fake-video-capture={y4m}", f"--use-file-for-fake-audio-capture={wav}%noloop"]
        until = f"got.length && got.at(-1).time >= {len(wanted) / 4 - 0.5}"
        tasks = [("wait", READY), ("click", "#start"), ("until", until), ("evaluate", "got.map((one) => one.emotion)")]
        (got,) = drive(address, tasks, flags=[*FAKE, *ALLOWED, *flags], init=COLLECT)
        same += max(_same(got, wanted), _same(got, wanted[1:]))
        steps += min(len(got), len(wanted) - 1)
    assert steps > 25
    assert same >= 0.9 * steps


def _same(got, wanted):
    return sum(one == other for one, other in zip(got, wanted, strict=False))


def _helper(name):
    spec = importlib.util.spec_from_file_location(f"web_{name}", Path(__file__).with_name(f"{name}.py"))
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
