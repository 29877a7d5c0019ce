"""What the tests of the web parts need, each looked for and skipped visibly: npm packages, a browser, the page."""

import functools
import http.server
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"


@pytest.fixture(scope="session")
def npm():
    """Run npm in web/: `npm("run", "check")`; gives what it printed, with an assertion that it ended well."""
    if shutil.which("npm") is None or not (WEB / "node_modules" / "vitest").is_dir():
        pytest.skip("needs Node.js and npm's packages: cd web && npm ci")
    if not (WEB / "sensor" / "dist" / "index.js").is_file():
        pytest.skip("needs the built package: make web")

    def run(*arguments, **variables):
        environment = {**os.environ, "MER_PYTHON": sys.executable, "NO_COLOR": "1", **variables}
        done = subprocess.run(
            ["npm", *arguments], cwd=WEB, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    return run


@pytest.fixture(scope="session")
def web_modules(npm):
    """The folder of npm's packages."""
    return WEB / "node_modules"


@pytest.fixture(scope="module")
def module_environment():
    """A monkeypatch that lasts for a file of tests."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; says nothing."""

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Says nothing of a browser that was closed while it loaded."""

    def handle_error(self, *_):
        pass


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


@pytest.fixture(scope="session")
def drive():
    """Run drive.mjs: `drive(url, steps, **options)`; gives what the steps found."""
    chromium = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
    if chromium is None or shutil.which("node") is None or not (WEB / "node_modules" / "playwright-core").is_dir():
        pytest.skip("needs Chromium, Node.js and npm's packages: apt-get install chromium; cd web && npm ci")

    def run(url, steps, **options):
        task = {"url": url, "steps": steps, "chromium": chromium, **options}
        script = Path(__file__).with_name("drive.mjs")
        done = subprocess.run(
            ["node", str(script)], input=json.dumps(task), capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stderr[-4000:]
        told = json.loads(done.stdout)
        assert "error" not in told, told
        return told["found"]

    return run


@pytest.fixture(scope="session")
def helper():
    """A helper by its file below tests/, as there is no package to import it from: `helper("web/clips.py")`."""

    def load(path):
        name = "web_" + path.replace("/", "_").removesuffix(".py")
        spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / path)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def tiny_onnx(helper, tmp_path_factory):
    """A tiny ONNX bundle with random weights, of tests/sdk, whose modality states are decided differently. Copy it
    before changing it."""
    path = helper("sdk/tiny_bundle.py").write_bundle(tmp_path_factory.mktemp("web"), "onnx")
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["decision"]["states"] = {
        "face": {"temperature": 0.6, "abstention_threshold": 0.2},
        "audio+face": {"temperature": 1.4, "abstention_threshold": 0.15},
    }
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


@pytest.fixture(scope="session")
def face_finder(helper, tmp_path_factory):
    """The bundle of the face finder for ONNX."""
    return helper("web/vectors.py").write_face_finder(tmp_path_factory.mktemp("finder"))


@pytest.fixture
def real(tmp_path):
    """`real("grjca-tflite-fp32")`: a copy of a bundle of a shipped student; skips where it was not made."""

    def copy(name):
        path = ROOT / "bundles" / f"{name}.mer"
        if not path.is_dir():
            pytest.skip(f"needs bundles/{name}.mer: make convert, or make results for quantized ones")
        return shutil.copytree(path, tmp_path / path.name)

    return copy
