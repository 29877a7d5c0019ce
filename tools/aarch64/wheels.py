"""The install on the emulated device: aarch64 wheels, environments made from them, and the versions in them."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any
from zlib import crc32

from place import ROOT, Place, run

from mer_sdk.errors import MerError

# What has no place on a device; the install is refused where one of these comes along.
HEAVY = ("torch", "coremltools", "executorch", "jax", "tensorflow", "transformers")
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
PIP = (sys.executable, "-m", "pip")
# What computes: these versions are written down.
COMPUTING = ("numpy", "ai-edge-litert", "onnxruntime", "opencv-python-headless", "soundfile")


def fetch_wheels(place: Place) -> Path:
    """A wheel of this checkout, and the aarch64 wheels of all that its extras ask for; the former's path."""
    asked = (ROOT / "constraints.txt").read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    stamp = place.wheels / f".fetched-{crc32(asked):08x}"
    if not stamp.exists():
        # Other versions are asked for: neither wheels nor environments of before may be mixed in.
        shutil.rmtree(place.wheels, ignore_errors=True)
        shutil.rmtree(place.root / "opt", ignore_errors=True)
    place.wheels.mkdir(exist_ok=True)
    for old in place.wheels.glob("mer_edge-*.whl"):
        old.unlink()
    run([*PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(place.wheels), str(ROOT)])
    (own,) = place.wheels.glob("mer_edge-*.whl")
    if not stamp.exists():
        print("fetching aarch64 wheels", flush=True)
        python = place.run(["python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip()
        limits = ["--constraint", str(ROOT / "constraints.txt"), "--dest", str(place.wheels)]
        run([*PIP, "download", "--quiet", *aarch64(python), *limits, f"{own}[litert,onnx,media]"])
        stamp.touch()
    return own


def resolved(wheel: Path, python: str) -> dict[str, str]:
    """The versions that pip would install with `[litert,onnx,media]` on aarch64 for a Python; nothing is installed."""
    words = ["install", "--dry-run", "--quiet", "--ignore-installed", "--target", "/nowhere", "--report", "-"]
    report = run([*PIP, *words, *aarch64(python), f"{wheel}[litert,onnx,media]"])
    found = {item["metadata"]["name"]: item["metadata"]["version"] for item in json.loads(report)["install"]}
    return {name: found[name] for name in COMPUTING if name in found}


def aarch64(python: str) -> list[str]:
    """pip's options for the wheels of an aarch64 Linux."""
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    return ["--only-binary=:all:", "--python-version", python, *platforms]


def install(place: Place, extra: str, media: bool, key: str) -> dict[str, Any]:
    """Install the wheel with one extra into an environment of its own, offline; what was run and what came along."""
    home = f"/opt/{extra}"
    stamp = place.root / "opt" / extra / f".installed-{key}"
    if stamp.exists():
        return dict(json.loads(stamp.read_text()))
    print(f"installing mer-edge[{extra}]", flush=True)
    if not (place.root / home[1:] / "bin" / "pip").exists():
        place.run(["python3", "-m", "venv", home])
    offline = [f"{home}/bin/pip", "install", "--quiet", "--no-index", "--find-links", "/wheels"]
    # A wheel of the same version with other content is only taken when the old one is gone.
    place.run([f"{home}/bin/pip", "uninstall", "--quiet", "--yes", "mer-edge"])
    place.run([*offline, f"mer-edge[{extra}]"])
    if media:
        place.run([*offline, "mer-edge[media]"])
    listed = json.loads(place.run([f"{home}/bin/pip", "list", "--format", "json"]))
    packages = {item["name"]: item["version"] for item in listed if item["name"] not in ("pip", "setuptools")}
    heavy = sorted(set(packages) & set(HEAVY))
    if heavy:
        raise MerError(f"mer-edge[{extra}] brings {', '.join(heavy)}, which a device cannot be asked to hold")
    found = {"command": f"pip install 'mer-edge[{extra}]'", "packages": packages}
    stamp.write_text(json.dumps(found) + "\n")
    return found


def machine_of(folder: Path) -> dict[str, Any]:
    """Machine, Python and the versions of what computes, from a folder of answers."""
    told = dict(json.loads((folder / "machine.json").read_text()))
    return told | {"packages": {name: told["packages"][name] for name in COMPUTING if name in told["packages"]}}
