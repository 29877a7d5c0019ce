"""The phone check from the command to the browser and back, in a headless Chromium on loopback."""

import json
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from mer_sdk.phone.session import page_folder

# Starts a browser.
pytestmark = pytest.mark.slow

COMMAND = "import typer; from mer_sdk.cli.phone_check import phone_check; typer.run(phone_check)"
QUICK = ("--host", "127.0.0.1", "--minutes", "0", "--rounds", "10", "--warm-up", "1", "--wait", "0.5")
READY, ENDED = "#start:not([hidden])", "#status.good, #status.bad"


class Command:
    """`mer phone-check` in a process of its own."""

    def __init__(self, bundle, *options):
        given = [sys.executable, "-c", COMMAND, str(bundle), *QUICK, *options]
        self._process = subprocess.Popen(given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.told = ""
        while not (found := re.search(r"http://\S+", self.told)):
            line = self._process.stdout.readline()
            assert line, self.told
            self.told += line
        self.address = found[0]

    def end(self):
        """What it printed and its exit code, once it has ended by itself."""
        self.told += self._process.communicate(timeout=60)[0]
        return self._process.returncode

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
            self._process.communicate()


@pytest.fixture
def check(drive):
    """`check(bundle, *options)`: a command that is serving; skips where the page was not built."""
    if not (page_folder() / "index.html").is_file():
        pytest.skip("needs the built page: make web")
    commands = []

    def start(bundle, *options):
        commands.append(Command(bundle, *options))
        return commands[-1]

    yield start
    for command in commands:
        command.stop()


@pytest.fixture
def copied(tiny_onnx, tmp_path):
    return shutil.copytree(tiny_onnx, tmp_path / "tiny.mer")


def verified(bundle):
    return json.loads((bundle / "manifest.json").read_text())["device_verified"]


def test_golden_cases_pass_and_the_report_is_merged(check, drive, copied, tmp_path):
    command = check(copied, "--minutes", "0.02", "--plot", str(tmp_path / "timeline.svg"))
    steps = [("wait", READY), ("click", "#start"), ("wait", ENDED), ("text", "#status"), ("text", "#cases")]
    status, cases = drive(command.address, steps)
    assert status.startswith("Done")
    assert cases.count("ok") >= 4
    assert "differs" not in cases
    assert command.end() == 0, command.told
    assert "passed on" in command.told
    (entry,) = verified(copied)
    assert entry["device"]["isolated"] is True
    # A browser without a screen, driven by a program, on this computer: no device.
    assert (entry["evidence"], entry["device"]["webdriver"]) == ("loopback", True)
    assert "counts as no device" in command.told
    run = entry["runs"][0]
    assert (run["provider"], run["threads"], run["golden"]["cases"]) == ("wasm", 1, 4)
    assert run["golden"]["max_abs_error"] < 1e-4
    assert set(run["latency_ms"]) == {"audio", "face", "fusion", "step"}
    assert run["sustained"]["steps"] > 10
    assert "<svg" in (tmp_path / "timeline.svg").read_text()


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("grjca-onnx-fp32", 1e-3),
        ("quantized/grjca-onnx-int8", None),
        ("grjca-tflite-fp32", 1e-3),
        ("quantized/grjca-tflite-int8", 1e-3),
    ],
)
def test_real_bundles_pass(check, drive, real, name, near):
    """An int8 bundle may differ where a value lies between two integers; `mer verify` has the same rule."""
    bundle = real(name)
    command = check(bundle)
    (status,) = drive(command.address, [("wait", READY), ("click", "#start"), ("wait", ENDED), ("text", "#status")])
    assert status.startswith("Done")
    assert command.end() == 0, command.told
    (entry,) = verified(bundle)
    golden = entry["runs"][0]["golden"]
    assert golden["passed"]
    assert golden["same_label"] == golden["rows"]
    if near:
        assert golden["max_abs_error"] <= near
    runtime = {"onnx": r"onnxruntime-web \d+\.\d+\.\d+", "tflite": r"LiteRT\.js \d+\.\d+\.\d+"}[name.split("-")[1]]
    assert re.fullmatch(runtime, entry["runtime"])


@pytest.mark.parametrize("name", ["face.onnx", "face.tflite"])
def test_a_tampered_graph_is_refused_on_the_page(check, drive, copied, real, name):
    bundle = copied if name == "face.onnx" else real("grjca-tflite-fp32")
    command = check(bundle)
    graph = bundle / name
    content = bytearray(graph.read_bytes())
    content[200] ^= 1
    graph.write_bytes(content)
    (status,) = drive(command.address, [("wait", READY), ("click", "#start"), ("wait", ENDED), ("text", "#status")])
    assert f"{name} differs from the manifest: its sha256 is another" in status
    assert verified(bundle) == []


TOLD = """Object.defineProperty(Navigator.prototype, 'maxTouchPoints', { get: () => 5 });
Navigator.prototype.getBattery = async () => ({ level: 0.75, charging: false });"""


@pytest.mark.parametrize(
    ("init", "touch", "battery"),
    [
        (TOLD, 5, {"begin": 0.75, "end": 0.75, "charging": False}),
        ("delete Navigator.prototype.getBattery", 0, None),
    ],
)
def test_what_the_browser_tells_of_screen_and_battery_is_kept(check, drive, copied, init, touch, battery):
    command = check(copied)
    drive(command.address, [("wait", READY), ("click", "#start"), ("wait", "#status.good")], init=init)
    assert command.end() == 0, command.told
    (entry,) = verified(copied)
    assert (entry["device"]["touch_points"], entry["battery"]) == (touch, battery)
    assert entry["evidence"] == "loopback"


def test_a_browser_without_simd_is_told_what_to_use(check, drive, copied):
    without = "WebAssembly.validate = () => false"
    (status,) = drive(check(copied).address, [("wait", ENDED), ("text", "#status")], init=without)
    assert status.startswith("This browser has no WebAssembly SIMD")


def test_a_second_phone_is_told_that_the_place_is_taken(check, drive, copied):
    command = check(copied)
    urllib.request.urlopen(f"{command.address}begin", b"{}")
    (status,) = drive(command.address, [("wait", READY), ("click", "#start"), ("wait", ENDED), ("text", "#status")])
    assert status.startswith("Another phone is being checked")


def test_a_result_waits_until_the_network_is_back(check, drive, copied):
    """The page has its result, and is about to send it, when the network goes."""
    command = check(copied)
    hold = """window.held = new Promise((resolve) => (window.release = resolve));
    const ask = window.fetch;
    window.fetch = async (path, ...rest) => {
      if (path === "report") await held;
      return await ask(path, ...rest);
    };"""
    steps = [
        ("wait", READY),
        ("click", "#start"),
        ("wait", "#cases tbody tr"),
        ("offline", True),
        ("evaluate", "release()"),
        ("wait", "#status.bad"),
        ("text", "#status"),
        ("text", "#hint"),
        ("offline", False),
        ("wait", "#status.good"),
        ("text", "#status"),
    ]
    _, gone, kept, done = drive(command.address, steps, init=hold)
    assert gone.startswith("The computer cannot be reached")
    assert "kept here" in kept
    assert done.startswith("Done")
    assert command.end() == 0, command.told
    assert len(verified(copied)) == 1


def test_a_page_whose_command_has_ended_says_so(check, drive, copied, tmp_path):
    command = check(copied)
    shown, stopped = tmp_path / "shown", tmp_path / "stopped"

    def stop():
        while not shown.exists():
            time.sleep(0.05)
        command.stop()
        stopped.touch()

    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    steps = [
        ("wait", READY),
        ("touch", str(shown)),
        ("file", str(stopped)),
        ("click", "#start"),
        ("wait", ENDED),
        ("text", "#status"),
    ]
    (status,) = drive(command.address, steps)
    thread.join()
    assert status == "The computer cannot be reached: the network is gone, or the command there has ended."
