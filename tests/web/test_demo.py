"""The web demo in a headless Chromium: built-in fake devices, refused devices, no network, a drawn face, real clips."""

import functools
import http.server
import json
import shutil
import threading
from pathlib import Path

import pytest

from mer_sdk import EmotionSensor
from mer_sdk.frontends.face_crop import overlap
from mer_sdk.frontends.face_detection import open_detector
from mer_sdk.frontends.face_tracks import FaceOptions

# Starts a browser.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
FAKE = ["--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required"]
ALLOWED = ["--use-fake-ui-for-media-stream"]
READY = "#start:not([hidden])"
# Once the service worker has everything, the page is loaded again without a network, and started.
OFFLINE = (
    ("wait", READY),
    ("until", "navigator.serviceWorker.controller !== null"),
    ("offline", True),
    ("reload",),
    ("wait", READY),
    ("click", "#start"),
)
# The page asks for 3 s; a machine that is busy with other things gets more.
FIRST_SECONDS = 10
COLLECT = """
window.got = [];
window.shift = 0;
let clicked = 0;
addEventListener("click", ({ target }) => target.id === "start" && (clicked = performance.now()), true);
addEventListener("mer:estimate", (event) => {
  window.first ??= (performance.now() - clicked) / 1000;
  got.push(event.detail);
});
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; says nothing."""

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Says nothing of a browser that was closed while it loaded."""

    def handle_error(self, *_):
        pass


@pytest.fixture(scope="module")
def build(npm, tmp_path_factory):
    """`build(bundle, finder="")`: the folder of the demo with these bundles, built once. Copy it before changing it."""

    @functools.cache
    def run(bundle, finder=""):
        folder = tmp_path_factory.mktemp("demo") / "dist"
        npm("run", "demo", "--", "--outDir", str(folder), MER_BUNDLE=str(bundle), MER_FINDER=str(finder))
        return folder

    return run


@pytest.fixture(scope="module")
def serve():
    """`serve(folder)`: its address."""
    servers = []

    def start(folder):
        handler = functools.partial(Quiet, directory=str(folder))
        server = Server(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_from_the_button_to_estimates_with_switches_and_without_a_network(drive, build, serve, tiny_onnx):
    steps = [
        *OFFLINE,
        ("until", "got.length >= 6"),
        ("evaluate", "got.map(({ time, state }) => [time, state])"),
        ("evaluate", "[shift, first]"),
        ("text", "#notice"),
        ("click", "#camera"),
        ("until", "got.at(-1).state === 'audio'"),
        ("click", "#camera"),
        ("until", "got.at(-1).state === 'audio+face'"),
        ("evaluate", "got.map(({ time }) => time)"),
    ]
    address = serve(build(tiny_onnx))
    early, (shift, first), notice, times = drive(address, steps, flags=[*FAKE, *ALLOWED], init=COLLECT)
    assert [time for time, _ in early[:6]] == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5]
    assert early[5][1] == "audio+face"
    print(f"first estimate {first:.2f} s after the click, layout shift {shift:.4f}")
    assert first < FIRST_SECONDS
    assert shift < 0.02
    assert "square" in notice
    assert times == sorted(times)


def test_a_tflite_bundle_runs_too_without_a_network(drive, build, serve, real):
    steps = [
        *OFFLINE,
        ("until", "got.length >= 6"),
        ("evaluate", "got.map(({ time, state }) => [time, state])"),
        ("text", "#model"),
    ]
    folder = build(real("grjca-tflite-fp32"))
    found, model = drive(serve(folder), steps, flags=[*FAKE, *ALLOWED], init=COLLECT)
    assert [time for time, _ in found[:6]] == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5]
    assert found[5][1] == "audio+face"
    assert model.startswith("Model: grjca-tflite-fp32.")
    assert not (folder / "ort").exists()


def test_the_finder_that_the_page_carries_finds_a_face_without_a_network(
    drive, build, serve, helper, tiny_onnx, face_finder, tmp_path
):
    face = pytest.importorskip("mer_converters.face_finder").drawn_face(1)
    camera = helper("web/clips.py").write_still(tmp_path, face)
    steps = [
        *OFFLINE,
        ("until", "got.length >= 4 && got.at(-1).face"),
        ("evaluate", "[got.at(-1).face.box, video.videoWidth]"),
        ("text", "#model"),
        ("text", "#notice"),
    ]
    flags = [*FAKE, *ALLOWED, f"--use-file-for-fake-video-capture={camera}"]
    found = drive(serve(build(tiny_onnx, face_finder)), steps, flags=flags, init=COLLECT)
    (box, width), model, notice = found
    ((*wanted, _),) = open_detector(str(face_finder)).detect(face)
    scale = face.shape[1] / width
    assert overlap([value * scale for value in box], wanted) > 0.8
    assert model.endswith("Faces: the page's own finder.")
    assert notice == ""


def test_without_a_finder_the_page_takes_the_browsers(drive, build, serve, tiny_onnx):
    browsers = """window.FaceDetector = class {
      async detect() { return [{ boundingBox: new DOMRect(10, 20, 200, 210) }]; }
    };"""
    steps = [("wait", READY), ("click", "#start"), ("until", "got.length >= 2 && got.at(-1).face")]
    look = [("evaluate", "got.at(-1).face.box"), ("text", "#model")]
    flags = [*FAKE, *ALLOWED]
    box, model = drive(serve(build(tiny_onnx)), [*steps, *look], flags=flags, init=COLLECT + browsers)
    assert box == [10, 20, 200, 210]
    assert model.endswith("Faces: the browser's finder.")


def test_what_the_page_cannot_run_is_told_in_a_sentence(drive, build, serve, tiny_onnx, tmp_path):
    folder = shutil.copytree(build(tiny_onnx), tmp_path / "dist")
    told = [("until", "!/^$|^Loading/.test(notice.textContent)"), ("text", "#notice")]
    (without,) = drive(serve(folder), told, init="WebAssembly.validate = () => false")
    assert without.startswith("This browser has no WebAssembly SIMD, which the graphs need: use Chrome 91")
    path = folder / "bundle" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "target": "executorch"}))
    (other,) = drive(serve(folder), told)
    assert "is made for executorch, and a browser runs onnx and tflite bundles: mer-convert --model" in other
    path.unlink()
    (missing,) = drive(serve(folder), told)
    assert missing == "manifest.json could not be fetched: the server answered 404"


def test_a_page_is_not_built_with_the_wrong_bundle(build, tiny_onnx, face_finder):
    with pytest.raises(AssertionError, match="is an emotion model: name it in MER_BUNDLE, not in MER_FINDER"):
        build(tiny_onnx, tiny_onnx)
    with pytest.raises(AssertionError, match="is a face finder: name it in MER_FINDER, not in MER_BUNDLE"):
        build(face_finder)


def test_refused_devices_are_told_in_a_sentence(drive, build, serve, tiny_onnx):
    address = serve(build(tiny_onnx))
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


def test_real_clips_give_the_emotions_of_mer_run(drive, build, serve, helper, shared_data, face_finder, tmp_path):
    """The page begins to listen and look some hundredths of a second into a clip, and so does the sensor here. It
    searches for the face in every step, as the page does."""
    bundle = ROOT / "bundles" / "grjca-onnx-fp32.mer"
    if not bundle.is_dir():
        pytest.skip("needs bundles/grjca-onnx-fp32.mer: make convert")
    clips = sorted((shared_data / "ravdess_av" / "mp4").glob("*-05.mp4"))
    if not clips:
        pytest.skip("needs clips of RAVDESS actor 05")
    alignment, address, same, steps = helper("web/alignment.py"), serve(build(bundle, face_finder)), 0, 0
    every_step = FaceOptions(detect_seconds=0)
    for clip in clips:
        y4m, wav = helper("web/clips.py").write_streams(tmp_path, clip)
        flags = [f"--use-file-for-fake-video-capture={y4m}", f"--use-file-for-fake-audio-capture={wav}%noloop"]
        with EmotionSensor.open(bundle, detector=str(face_finder)) as sensor:
            whole = [estimate.emotion for estimate in sensor.stream(clip)]
        until = f"got.length && got.at(-1).time >= {len(whole) / 4 - 0.5}"
        look = [("evaluate", "got.map((one) => one.emotion)"), ("evaluate", "[shift, first]"), ("evaluate", "begun")]
        tasks = [("wait", READY), ("click", "#start"), ("until", until), *look]
        found = drive(address, tasks, flags=[*FAKE, *ALLOWED, *flags], init=COLLECT + alignment.RECORD)
        got, (shift, first), begun = found
        begin = alignment.begin_of(begun, clip, wav)
        with EmotionSensor.open(bundle, detector=str(face_finder), faces=every_step) as sensor:
            wanted = [estimate.emotion for estimate in alignment.estimates_from(sensor, clip, begin)]
        agree = _same(got, wanted)
        print(
            f"{clip.name}: sound from {begin.sound:.3f} s, pictures from {begin.pictures:.3f} s: {agree} of {len(got)} "
            f"steps; {max(_same(got, whole), _same(got, whole[1:]))} as the whole clip; first after {first:.2f} s"
        )
        assert first < FIRST_SECONDS
        assert shift < 0.02
        same, steps = same + agree, steps + len(got)
    print(f"{same} of {steps} steps")
    assert steps > 40
    assert same >= 0.9 * steps


def _same(got, wanted):
    return sum(one == other for one, other in zip(got, wanted, strict=False))
