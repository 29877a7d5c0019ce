"""The web demo in a headless Chromium: built-in fake devices, refused devices, no network, a drawn face."""

import functools
import itertools
import json
import shutil
from pathlib import Path

import pytest

from mer_sdk.frontends.face_crop import overlap
from mer_sdk.frontends.face_detection import open_detector

# Starts a browser.
pytestmark = pytest.mark.slow

FAKE = ["--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required"]
ALLOWED = ["--use-fake-ui-for-media-stream"]
DEMO = Path(__file__).resolve().parents[2] / "demos" / "web"
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
COLLECT = """
window.got = [];
window.shift = 0;
addEventListener("mer:estimate", (event) => got.push(event.detail));
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def build(npm, tmp_path_factory):
    """`build(bundle, finder="")`: the folder of the demo with these bundles, built once. Copy it before changing it."""

    @functools.cache
    def run(bundle, finder=""):
        folder = tmp_path_factory.mktemp("demo") / "dist"
        npm("run", "demo", "--", "--outDir", str(folder), MER_BUNDLE=str(bundle), MER_FINDER=str(finder))
        return folder

    return run


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
    assert model.startswith("Model: grjca-tflite-fp32, in a worker.")
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
    look = [("evaluate", "got.find((one) => one.face).face.box"), ("text", "#model")]
    flags = [*FAKE, *ALLOWED]
    # What a test puts into a page does not reach its worker.
    box, model = drive(serve(build(tiny_onnx)) + "?page", [*steps, *look], flags=flags, init=COLLECT + browsers)
    assert box == [10, 20, 200, 210]
    assert ", on the page. " in model
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


def test_the_minimal_page_is_the_element_and_one_line(drive, build, serve, tiny_onnx):
    page = "document.querySelector('mer-camera')"
    steps = [
        ("until", f"{page}.shadowRoot?.querySelector('button:not([hidden])')"),
        ("click", "mer-camera button"),
        ("until", f"/valence/.test(said.textContent) && {page}.shadowRoot.querySelector('rect')"),
        ("evaluate", f"[{page}.sensor.inWorker, {page}.shadowRoot.querySelectorAll('rect').length]"),
        ("evaluate", f"{page}.stop(), [{page}.sensor, {page}.shadowRoot.querySelectorAll('rect').length]"),
    ]
    found = drive(serve(build(tiny_onnx)) + "minimal.html", steps, flags=[*FAKE, *ALLOWED])
    assert found == [[True, 1], [None, 0]]
    assert len(list((DEMO / "minimal.html").open())) + len(list((DEMO / "src" / "minimal.ts").open())) <= 30


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
    assert notice.startswith("Camera and microphone were not allowed: allow it")
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
