"""Size on the wire and time to the first result of @mer-edge/web beside two packages that read expressions of faces,
each in the smallest page that does it, on the same clip in a headless Chromium; writes a table of
docs/results/browser.md.

    python -m benchmarks.speed.web_peers --bundle bundles/grjca-onnx-fp32.mer \\
        --finder bundles/face_finder-onnx-fp32.mer --clip CLIP.mp4

The pages are in benchmarks/speed/web_apps. What they need is installed by npm into --folder, and nowhere else; both
packages run by WebAssembly there, as the browser has no GPU. The browser's camera is fed with the clip and allows
itself at once. Pages take turns, because the machine's speed drifts; what is shown are medians over the turns.
"""

from __future__ import annotations

import argparse
import gzip
import http.server
import importlib.util
import json
import shutil
import subprocess
import sys
import threading
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results.result_tables import prose, table, write_result

ROOT = Path(__file__).resolve().parents[2]
APPS = Path(__file__).with_name("web_apps")
BEGIN, END = "<!-- web peers: written by benchmarks/speed/web_peers.py -->", "<!-- end of web peers -->"
PACKAGES = ("@vladmandic/human@3.3.6", "@vladmandic/face-api@1.7.15", "@tensorflow/tfjs-backend-wasm@4.22.0")
NAMES = {"mer": "@mer-edge/web", "human": "@vladmandic/human", "faceapi": "@vladmandic/face-api"}
READS = {"mer": "face and voice", "human": "face", "faceapi": "face"}
PACKED = (".js", ".mjs", ".html", ".json", ".wasm", ".onnx", ".bin")
WASM = "node_modules/@tensorflow/tfjs-backend-wasm/dist"
# App -> (place beside its page, folder or file below --folder).
MODELS = {
    "human": (("models", "node_modules/@vladmandic/human/models"), ("wasm", WASM)),
    "faceapi": (("models", "node_modules/@vladmandic/face-api/model"), ("wasm", WASM)),
}
WATCH = """
window.told = { busy: 0 };
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (...given) => {
  const stream = await ask(...given);
  told.allowed = performance.now();
  return stream;
};
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (told.first === undefined) told.busy += entry.duration;
}).observe({ type: "longtask", buffered: true });
addEventListener("DOMContentLoaded", () => {
  const app = document.querySelector("#app");
  new MutationObserver(() => {
    if (told.first === undefined) told.first = performance.now();
    told.said = app.textContent;
  }).observe(app, { childList: true });
});
"""


class Counting(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, packed as servers do, and counts the bytes of bodies."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            self.send_error(404)
            return
        packed = path.suffix in PACKED
        content = _packed(path) if packed else path.read_bytes()
        self.server.bytes += len(content)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(content)))
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@lru_cache(maxsize=256)
def _packed(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), 6, mtime=0)


def install(folder: Path) -> None:
    """The packages of npm and the packed @mer-edge/web, into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "package.json").is_file():
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
    if not all((folder / "node_modules" / name.rsplit("@", 1)[0]).is_dir() for name in PACKAGES):
        print("npm install: some minutes", flush=True)
        options = ("--no-fund", "--no-audit", "--ignore-scripts", "--legacy-peer-deps", "--omit=peer")
        _run(["npm", "install", *options, *PACKAGES], folder)
    _run(["npm", "pack", "-w", "sensor", "--pack-destination", str(folder)], ROOT / "web")
    package = folder / "node_modules" / "@mer-edge" / "web"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    (archive,) = folder.glob("mer-edge-web-*.tgz")
    _run(["tar", "xzf", str(archive), "-C", str(package), "--strip-components=1"], folder)
    for name in ("onnxruntime-web", "onnxruntime-common", "@litertjs"):
        beside = folder / "node_modules" / name
        if not beside.exists():
            beside.symlink_to(ROOT / "web" / "node_modules" / name)


def build(folder: Path, app: str, bundle: Path, finder: Path) -> Path:
    """The built page of one app, with its models beside it."""
    source, built = folder / app, folder / "built" / app
    shutil.copytree(APPS / app, source, dirs_exist_ok=True)
    vite = ROOT / "web" / "node_modules" / "vite" / "bin" / "vite.js"
    _run(
        ["node", str(vite), "build", str(source), "--outDir", str(built), "--emptyOutDir", "--logLevel", "error"],
        folder,
    )
    models = (("model.mer", str(bundle)), ("finder.mer", str(finder))) if app == "mer" else MODELS[app]
    for place, path in models:
        shutil.copytree(folder / path, built / place)
    # Before anything is measured: a server does not pack anew for every visit.
    for file in built.rglob("*"):
        if file.suffix in PACKED:
            _packed(file)
    return built


def visit(built: Path, streams: tuple[Path, Path], chromium: str) -> dict[str, Any]:
    """One visit of a page with an empty cache, to its first result."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Counting, directory=str(built)))
    server.bytes = 0  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    y4m, wav = streams
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    flags += [f"--use-file-for-fake-video-capture={y4m}", f"--use-file-for-fake-audio-capture={wav}"]
    task = {
        "url": f"http://127.0.0.1:{server.server_address[1]}/",
        "chromium": chromium,
        "flags": flags,
        "init": WATCH,
        "timeout": 240000,
        "steps": [["until", "told.first !== undefined"], ["evaluate", "told"]],
    }
    done = _run(["node", str(ROOT / "tests" / "web" / "drive.mjs")], ROOT, json.dumps(task))
    server.shutdown()
    answer = json.loads(done)
    if "error" in answer:
        sys.exit(f"{built.name}: {answer}")
    told = answer["found"][0]
    return {
        "kb": round(server.bytes / 1000),  # type: ignore[attr-defined]
        "first_ms": round(told["first"]),
        "after_permission_ms": round(told["first"] - told["allowed"]),
        "busy_ms": round(told["busy"]),
        "said": told["said"],
    }


def measured(folder: Path, streams: tuple[Path, Path], turns: int, chromium: str) -> dict[str, Any]:
    """App -> medians over the turns."""
    found: dict[str, list[dict[str, Any]]] = {app: [] for app in NAMES}
    for turn in range(turns):
        for app in NAMES:
            found[app].append(visit(folder / "built" / app, streams, chromium))
            print(f"turn {turn + 1} of {turns}: {app} {found[app][-1]}", flush=True)
    numbers = ("kb", "first_ms", "after_permission_ms", "busy_ms")
    return {
        app: {key: round(float(np.median([row[key] for row in rows]))) for key in numbers} | {"turns": rows}
        for app, rows in found.items()
    }


def section(result: dict[str, Any]) -> list[str]:
    """The table of docs/results/browser.md."""
    rows = [
        (
            NAMES[app],
            READS[app],
            f"{one['kb'] / 1000:.1f}",
            f"{one['first_ms'] / 1000:.1f}",
            f"{one['after_permission_ms'] / 1000:.1f}",
            f"{one['busy_ms'] / 1000:.1f}",
        )
        for app, one in result["apps"].items()
    ]
    return [
        *prose(
            f"Medians of {result['turns']} visits in turn with an empty cache, headless Chromium without a GPU, "
            "packed by gzip, camera and microphone fed with one clip and allowed at once. Compare the rows "
            "with one another. *page busy*: tasks of over 50 ms on the page's own thread "
            "before the first result, in which it answers no click."
        ),
        *table(("package", "reads", "MB on the wire", "first result, s", "after permission, s", "page busy, s"), rows),
    ]


def _run(command: list[str], folder: Path, given: str | None = None) -> str:
    done = subprocess.run(command, cwd=folder, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def _streams(folder: Path, clip: Path) -> tuple[Path, Path]:
    path = ROOT / "tests" / "web" / "clips.py"
    spec = importlib.util.spec_from_file_location("web_clips", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    streams: tuple[Path, Path] = module.write_streams(folder, clip)
    return streams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="an ONNX bundle of a window model")
    parser.add_argument("--finder", type=Path, required=True, help="an ONNX bundle of the face finder")
    parser.add_argument("--clip", type=Path, required=True, help="a clip of somebody who speaks")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "web_peers", help="where npm installs")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "web_peers.json")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or shutil.which("npm") is None:
        sys.exit("needs Chromium, Node.js and npm: apt-get install chromium; cd web && npm ci")
    folder = options.folder.resolve()
    install(folder)
    for app in NAMES:
        build(folder, app, options.bundle.resolve(), options.finder.resolve())
        print(f"built: {app}", flush=True)
    apps = measured(folder, _streams(folder, options.clip), options.turns, chromium)
    result = {"turns": options.turns, "packages": PACKAGES, "bundle": options.bundle.name, "apps": apps}
    write_result(result, options.out, ROOT / "docs" / "results" / "browser.md", (BEGIN, END), section(result))


if __name__ == "__main__":
    main()
