"""The web demo in a headless Chromium: built-in fake devices, refused devices, no network, a drawn face, real clips."""

import functools
import http.server
import itertools
import json
import shutil
import threading
from pathlib import Path

import pytest

from mer_sdk.contract.bundle import Bundle
from mer_sdk.frontends.face_crop import overlap
from mer_sdk.frontends.face_detection import open_detector

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
# Of probabilities: the browser's runtime rounds in another order.
AWAY = 1e-4
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


def assert_steps(times):
    """Each is the end of a step, later than the one before it."""
    assert all(time > before for before, time in itertools.pairwise([0.0, *times]))
    assert all(time % 0.25 == 0.0 for time in times)


def test_from_the_button_to_estimates_with_switches_and_without_a_network(drive, build, serve, tiny_onnx):
    steps = [
        *OFFLINE,
        ("until", "got.length >= 6 && got.at(-1).state === 'audio+face'"),
        ("evaluate", "shift"),
        ("text", "#notice"),
        ("click", "#camera"),
        ("until", "got.at(-1).state === 'audio'"),
        ("click", "#camera"),
        ("until", "got.at(-1).state === 'audio+face'"),
        ("evaluate", "got.map(({ time }) => time)"),
    ]
    address = serve(build(tiny_onnx))
    shift, notice, times = drive(address, steps, flags=[*FAKE, *ALLOWED], init=COLLECT)
    # A step that would be late is left out, on a machine that is busy.
    assert_steps(times)
    print(f"layout shift {shift:.4f}")
    assert shift < 0.02
    assert "square" in notice


def test_the_built_page_may_do_nothing_but_what_it_needs(drive, build, serve, tiny_onnx, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.js").write_text("window.reached = true")
    elsewhere = serve(other)
    load = """(kind, name, value) => new Promise((ended) => {
      const one = document.createElement(kind);
      [one.onload, one.onerror] = [() => ended("loaded"), () => ended("refused")];
      one[name] = value;
      document.head.append(one);
    })"""
    attempts = (
        f"fetch('{elsewhere}x.js', {{ mode: 'no-cors' }}).then(() => 'sent', () => 'refused')",
        f"({load})('script', 'src', '{elsewhere}x.js')",
        f"({load})('img', 'src', '{elsewhere}x.png')",
        "(() => { try { return new Function('return 1')(); } catch { return 'refused'; } })()",
        "(() => { const one = document.createElement('script'); one.textContent = 'window.inline = true'; "
        "document.head.append(one); return window.inline ? 'ran' : 'refused'; })()",
        "(() => { document.body.setAttribute('onclick', 'window.inline = true'); document.body.click(); "
        "return window.inline ? 'ran' : 'refused'; })()",
        f"(() => {{ const one = new WebSocket('{elsewhere.replace('http', 'ws')}'); return new Promise((ended) => {{ "
        "one.onopen = () => ended('sent'); one.onerror = () => ended('refused'); }); })()",
    )
    watch = """
window.broken = [];
addEventListener("securitypolicyviolation", (event) => broken.push(event.violatedDirective));
"""
    steps = [("wait", READY), ("click", "#start"), ("until", "got.length >= 2"), ("evaluate", "[...broken]")]
    asked = [("evaluate", attempt) for attempt in attempts]
    after = [("evaluate", "[[...new Set(broken)].sort(), window.reached ?? null]")]
    address = serve(build(tiny_onnx))
    own, *found, (broken, reached) = drive(
        address, [*steps, *asked, *after], flags=[*FAKE, *ALLOWED], init=COLLECT + watch
    )
    assert own == []
    assert found == ["refused"] * len(attempts)
    assert reached is None
    assert broken == ["connect-src", "img-src", "script-src", "script-src-attr", "script-src-elem"]


def test_a_tflite_bundle_runs_too_without_a_network(drive, build, serve, real):
    steps = [
        *OFFLINE,
        ("until", "got.length >= 6 && got.at(-1).state === 'audio+face'"),
        ("evaluate", "got.map(({ time }) => time)"),
        ("text", "#model"),
    ]
    folder = build(real("grjca-tflite-fp32"))
    times, model = drive(serve(folder), steps, flags=[*FAKE, *ALLOWED], init=COLLECT)
    assert_steps(times)
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


def test_of_real_clips_the_page_says_what_python_says_of_the_same_sound_and_pictures(
    drive, build, serve, helper, shared_data, face_finder, tmp_path
):
    path = ROOT / "bundles" / "grjca-onnx-fp32.mer"
    if not path.is_dir():
        pytest.skip("needs bundles/grjca-onnx-fp32.mer: make convert")
    clips = sorted((shared_data / "ravdess_av" / "mp4").glob("*-05.mp4"))[:2]
    if not clips:
        pytest.skip("needs clips of RAVDESS actor 05")
    recording, address = helper("web/recording.py"), serve(build(path, face_finder))
    for clip in clips:
        y4m, wav = helper("web/clips.py").write_streams(tmp_path, clip)
        flags = [f"--use-file-for-fake-video-capture={y4m}", f"--use-file-for-fake-audio-capture={wav}%noloop"]
        until = "got.length && got.at(-1).time >= 2.5"
        tasks = [("wait", READY), ("click", "#start"), ("until", until), ("evaluate", "recording()")]
        (found,) = drive(address, tasks, flags=[*FAKE, *ALLOWED, *flags], init=COLLECT + recording.RECORD)
        steps = recording.replayed(found, Bundle.open(path), face_finder)
        assert len(steps) == len(found["estimates"]) > 0
        away = max(float(abs(step.page - step.python).max()) for step in steps)
        print(f"{clip.name}: {len(steps)} steps, probabilities at most {away:.1e} apart")
        assert all(page == python for page, python in (step.states for step in steps))
        assert away < AWAY
