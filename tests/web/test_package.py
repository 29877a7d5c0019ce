"""What npm gets: the packed package in an app that knows nothing of this repository, from five lines to an estimate."""

import json
import os
import re
import subprocess
import tarfile

import pytest

# Starts a browser.
pytestmark = pytest.mark.slow

MAIN = """\
import { startCamera } from "@mer-edge/web";
const said = document.querySelector("#app")!;
await startCamera({ bundle: "/model.mer/", finder: "/finder.mer/" }, (estimate) => {
  said.textContent = `${estimate.emotion} ${Math.round(100 * estimate.confidence)} %`;
});
"""
PAGE = '<!doctype html><meta charset="utf-8" /><p id="app"></p><script type="module" src="/src/main.ts"></script>\n'
# Takes down what the page shows, and which workers it starts.
WATCH = """
window.shown = [];
window.workers = 0;
window.Worker = class extends Worker { constructor(...given) { super(...given); workers += 1; } };
addEventListener("DOMContentLoaded", () => {
  const app = document.querySelector("#app");
  new MutationObserver(() => shown.push(app.textContent)).observe(app, { childList: true });
});
"""


@pytest.fixture(scope="module")
def packed(npm, tmp_path_factory):
    """The package as `npm pack` makes it, unpacked."""
    folder = tmp_path_factory.mktemp("packed")
    # It was built before the tests; building it again would take it away from those that run beside.
    npm("pack", "-w", "sensor", "--ignore-scripts", "--pack-destination", str(folder))
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    return folder / "package"


def test_the_package_is_modules_with_types_and_no_sources(packed):
    manifest = json.loads((packed / "package.json").read_text())
    for entry in (manifest["exports"]["."], manifest["exports"]["./element"]):
        assert (packed / entry["default"]).is_file()
        assert (packed / entry["types"]).is_file()
    files = [path.relative_to(packed).as_posix() for path in packed.rglob("*") if path.is_file()]
    assert not [name for name in files if name.endswith(".ts") and not name.endswith(".d.ts")]
    assert {"README.md", "package.json", "dist/live/worker.js", "dist/live/worklet.js"} <= set(files)
    # A worklet finds no other file, and one that is short would be put into the page as text by bundlers.
    worklet = (packed / "dist/live/worklet.js").read_text()
    assert not re.search(r"^\s*import\b", worklet, re.MULTILINE)
    assert len(worklet) > 4096


def test_five_lines_in_a_fresh_vite_app_give_estimates(
    packed, drive, serve, tiny_onnx, face_finder, web_modules, tmp_path
):
    app = tmp_path / "app"
    (app / "src").mkdir(parents=True)
    (app / "public").mkdir()
    (app / "index.html").write_text(PAGE)
    (app / "src" / "main.ts").write_text(MAIN)
    (app / "package.json").write_text('{"private": true, "type": "module"}')
    (app / "public" / "model.mer").symlink_to(tiny_onnx)
    (app / "public" / "finder.mer").symlink_to(face_finder)
    # As npm would place them: the package itself, and beside it what it depends on.
    (app / "node_modules" / "@mer-edge").mkdir(parents=True)
    packed.rename(app / "node_modules" / "@mer-edge" / "web")
    for name in ("onnxruntime-web", "onnxruntime-common", "@litertjs"):
        (app / "node_modules" / name).symlink_to(web_modules / name)
    vite = ["node", str(web_modules / "vite" / "bin" / "vite.js"), "build"]
    plain = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(vite, cwd=app, capture_output=True, text=True, check=False, env=plain)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    steps = [("until", "shown.length >= 3"), ("evaluate", "[...shown]"), ("evaluate", "workers")]
    shown, workers = drive(serve(app / "dist"), steps, flags=flags, init=WATCH)
    assert all(text.endswith(" %") for text in shown)
    assert workers == 1
