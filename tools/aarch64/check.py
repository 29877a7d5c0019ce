"""Bundles under an emulated aarch64 beside x86-64: golden cases, real clips, and the install from a wheel.

    python tools/aarch64/check.py --data ravdess:PATH --data meld:PATH --bundles bundles/*-{tflite,onnx}-*.mer

Makes an arm64 Debian 12 once (see chroot.sh; $MER_AARCH64 or ~/.cache/mer-edge/aarch64), builds a wheel of this
checkout, installs it there with `[litert]` and with `[onnx]`, each in an environment of its own and from downloaded
wheels alone, runs answers.py there on every processor of --cpus and here once, both from that wheel, and compares.
Writes docs/results/aarch64.json and the table of docs/devices.md; the exit code is 1 where a bundle does not agree.
Answers are kept: a run that was broken off, or ended by --minutes with exit code 3, goes on where it was as long as the
SDK, the data and the bundle are the same. Emulated time says nothing about a device, so none is written down.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from zlib import crc32

import numpy as np
from answers import stem
from pages import write_page

from mer_sdk.agreement import TOLERANCE, distance, flips
from mer_sdk.bundle import Bundle
from mer_sdk.errors import MerError, OptionError
from mer_sdk.evaluation.datasets import Clip, Selection, open_dataset

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RUNTIMES = {"tflite": "litert", "onnx": "onnx"}
# What has no place on a device; the install is refused where one of these comes along.
HEAVY = ("torch", "coremltools", "executorch", "jax", "tensorflow", "transformers")
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
SAME_LABEL = 0.98
PIP = (sys.executable, "-m", "pip")
# What computes: these versions are written down.
COMPUTING = ("numpy", "ai-edge-litert", "onnxruntime", "opencv-python-headless", "soundfile")


@dataclass(frozen=True)
class Place:
    """The folders of a check: `root` of the chroot, `wheels` in it, and `work`, where both machines read and write."""

    base: Path

    @property
    def root(self) -> Path:
        return self.base / "root"

    @property
    def wheels(self) -> Path:
        return self.root / "wheels"

    @property
    def work(self) -> Path:
        return self.root / "check"

    def run(self, command: Sequence[str], cpu: str = "cortex-a72", seconds: float | None = None) -> str:
        """What a command in the chroot prints, see `run`."""
        return run([str(HERE / "chroot.sh"), "run", str(self.root), *command], seconds=seconds, QEMU_CPU=cpu)

    def inside(self, command: Sequence[str], cpu: str = "cortex-a72", seconds: float | None = None) -> str:
        """`run`, in the folder of the check."""
        return self.run(["sh", "-c", 'cd /check && exec "$@"', "sh", *command], cpu, seconds)

    def here(self, arguments: Sequence[str]) -> str:
        """What this Python prints in the folder of the check, with the SDK of the wheel and not of the checkout."""
        environment = {"PYTHONPATH": str(self.work / "sdk"), "OMP_NUM_THREADS": "1"}
        return run([sys.executable, *arguments], self.work, **environment)


def run(command: Sequence[str], folder: Path | None = None, seconds: float | None = None, **environment: str) -> str:
    """What a command prints.

    Raises:
        MerError: it fails; with the last lines of what it said.
        subprocess.TimeoutExpired: it was still running after `seconds`, and was ended.
    """
    settings = os.environ | environment
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=settings, timeout=seconds)
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-12:])
        raise MerError(f"{' '.join(command[:6])} ... ended with {done.returncode}:\n{said}")
    return done.stdout


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
        python = place.run(["python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip()
        limits = ["--constraint", str(ROOT / "constraints.txt"), "--dest", str(place.wheels)]
        run([*PIP, "download", "--quiet", *aarch64(python), *limits, f"{own}[litert,onnx,media]"])
        stamp.touch()
    return own


def make_chroot(place: Place) -> None:
    """Make it where it is not there; the script tells of its progress, and in one sentence what is missing."""
    done = subprocess.run([str(HERE / "chroot.sh"), "make", str(place.root)])
    if done.returncode:
        sys.exit(done.returncode)


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


def few_clips(data: str, folder: Path, count: int) -> int:
    """Copy `count` paired clips, one a label in turn, into a folder; how many."""
    by_label: dict[str, list[Clip]] = {}
    for clip in open_dataset(data).clips(Selection(paired_only=True)):
        by_label.setdefault(clip.label, []).append(clip)
    ordered = [group[turn] for turn in range(count) for group in by_label.values() if turn < len(group)]
    for clip in ordered[:count]:
        for path in (clip.audio, *(clip.faces or (clip.video,))):
            assert path is not None  # paired
            shutil.copy(path, folder)
    return len(ordered[:count])


def few_dialogues(data: str, folder: Path, count: int) -> int:
    """Write the first `count` dialogues of MELD's dev split into a folder, in MELD's columns; how many."""
    dialogues = open_dataset(data).dialogues("dev")[:count]
    with (folder / "dev_sent_emo.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("Dialogue_ID", "Speaker", "Utterance", "Emotion"))
        for dialogue in dialogues:
            lines.writerows((dialogue.id, line.speaker, line.text, line.label) for line in dialogue.utterances)
    return len(dialogues)


def compared(name: str, scheme: str, here: Path, there: Path) -> dict[str, Any] | None:
    """One bundle on both machines: what `mer verify` says there, and how far the answers are apart; None if not run.

    Args:
        name: the stem of its answers.
        scheme: its scheme.
        here, there: folders of the two machines' answers.
    """
    if not (there / f"{name}.json").exists():
        return None
    verified = json.loads((there / f"{name}.json").read_text())
    result: dict[str, Any] = {
        "verified": verified["passed"],
        "golden_cases": len(verified["cases"]),
        "golden_logits": max(case["logits"] for case in verified["cases"]),
    }
    ours, theirs = np.load(here / f"{name}.npz"), np.load(there / f"{name}.npz")
    agrees = verified["passed"]
    if ours.files:
        logits, wanted = theirs["logits"], ours["logits"]
        same = 1.0 - flips(logits, wanted) / len(wanted)
        found = distance(logits, wanted)
        agrees &= found.max_abs_error <= TOLERANCE[scheme] if scheme in TOLERANCE else same >= SAME_LABEL
        result |= {
            "estimates": len(wanted),
            "logits": found.max_abs_error,
            "same_label": same,
            "features": {
                name: distance(theirs[name], ours[name]).max_abs_error for name in ours.files if name != "logits"
            },
        }
    return result | {"agrees": bool(agrees)}


def commands(place: Place, extra: str, bundle: str, clips: bool, kept: Path) -> dict[str, Any]:
    """The commands themselves: `mer doctor` and `mer verify` there, `mer evaluate` on both where there are clips.

    What they gave is kept in `kept`.
    """
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    print(f"mer doctor, verify, evaluate with mer-edge[{extra}]", flush=True)
    mer = f"/opt/{extra}/bin/mer"
    doctor = json.loads(place.run([mer, "doctor", "--json"]))
    usable = [item["name"] for item in doctor["items"] if item["kind"] == "runtime" and item["usable"]]
    found: dict[str, Any] = {"bundle": bundle, "doctor": {"machine": doctor["machine"], "runtimes": usable}}
    found["verify"] = json.loads(place.run([mer, "verify", f"/check/bundles/{bundle}", "--json"]))["passed"]
    if clips:
        asked = [
            "evaluate",
            f"bundles/{bundle}",
            "--data",
            "ravdess:clips",
            "--states",
            "audio+face",
            "--protocol",
            "cold",
        ]
        theirs = json.loads(place.inside([mer, *asked, "--json"]))
        ours = json.loads(place.here(["-m", "mer_sdk.cli", *asked, "--json"]))
        (result,), (wanted,) = theirs["results"], ours["results"]
        same = result["confusion"] == wanted["confusion"]
        found["evaluate"] = {"clips": result["clips"], "uar": result["uar"], "same": same}
    kept.write_text(json.dumps(found) + "\n")
    return found


def prepare(place: Place, wheel: Path, options: argparse.Namespace) -> dict[str, int]:
    """Put bundles, data and the wheel's SDK where both machines read them; how many clips and dialogues there are."""
    folders = {name: place.work / name for name in ("bundles", "clips", "dialogues", "sdk")}
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    zipfile.ZipFile(wheel).extractall(folders["sdk"])
    shutil.copy(HERE / "answers.py", place.work)
    for path in options.bundles:
        shutil.copytree(path, folders["bundles"] / path.name)
    data = {item.partition(":")[0]: item for item in options.data}
    return {
        "clips": few_clips(data["ravdess"], folders["clips"], options.clips) if "ravdess" in data else 0,
        "dialogues": few_dialogues(data["meld"], folders["dialogues"], options.dialogues) if "meld" in data else 0,
    }


def key_of(place: Place) -> str:
    """A checksum of what answers depend on beside the bundle: SDK, data, answers.py and the packages' versions."""
    files = [place.work / "answers.py", ROOT / "constraints.txt", ROOT / "pyproject.toml"]
    for folder in ("sdk/mer_sdk", "clips", "dialogues"):
        files += sorted(path for path in (place.work / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")
    found = 0
    for path in files:
        found = crc32(path.name.encode() + path.read_bytes(), found)
    return f"{found:08x}"


def check(options: argparse.Namespace) -> dict[str, Any]:
    """The whole check; what it found, as docs/results/aarch64.json holds it.

    Raises:
        MerError: something is missing, or a command fails.
    """
    end = monotonic() + 60 * options.minutes if options.minutes else None
    place = Place(Path(os.environ.get("MER_AARCH64") or Path.home() / ".cache" / "mer-edge" / "aarch64"))
    bundles = opened(options.bundles)
    place.base.mkdir(parents=True, exist_ok=True)
    make_chroot(place)
    wheel = fetch_wheels(place)
    given = prepare(place, wheel, options)
    key = key_of(place)
    kept = place.work / "answers" / key
    material = [word for name, count in given.items() if count for word in (f"--{name}", name)]
    print(f"{len(bundles)} bundles here", flush=True)
    here = kept / "x86_64"
    place.here(["answers.py", "--out", str(here), *material, *(f"bundles/{name}" for name in bundles)])
    result: dict[str, Any] = {
        "given": given,
        "bundles": {name: bundle.manifest.scheme for name, bundle in bundles.items()},
        "resolved": {python: resolved(wheel, python) for python in options.pythons},
        "machines": {"x86_64": machine_of(here)},
        "installed": {},
        "commands": {},
        "cpus": {},
    }
    of_extra = {
        extra: {name: bundle for name, bundle in bundles.items() if bundle.manifest.target == target}
        for target, extra in RUNTIMES.items()
    }
    used = {extra: own for extra, own in of_extra.items() if own}
    for extra, own in used.items():
        result["installed"][extra] = install(place, extra, bool(given["clips"]), key)
        windows = [name for name, bundle in own.items() if bundle.manifest.dialogue is None]
        chosen, clips = windows[0] if windows else next(iter(own)), bool(given["clips"] and windows)
        result["commands"][extra] = commands(place, extra, chosen, clips, kept / f"commands-{extra}.json")
    for cpu in options.cpus:
        for extra, own in used.items():
            print(f"{len(own)} bundles in {extra} on {cpu}", flush=True)
            there = kept / f"{cpu}-{extra}"
            inside = f"/{there.relative_to(place.root)}"
            asked = ["--out", inside, *material, *(f"bundles/{name}" for name in own)]
            try:
                left = None if end is None else max(1.0, end - monotonic())
                place.inside([f"/opt/{extra}/bin/python", "answers.py", *asked], cpu, left)
            except subprocess.TimeoutExpired:
                print(f"--minutes {options.minutes:g} are over; run it again to go on", flush=True)
            if (there / "machine.json").exists():
                result["machines"][there.name] = machine_of(there)
            for name, bundle in own.items():
                row = compared(stem(place.work / "bundles" / name), bundle.manifest.scheme, here, there)
                if row is not None:
                    result["cpus"].setdefault(cpu, {})[name] = row
            # A processor takes long: what is there is written down before the next.
            write(options.out, result)
    return result


def opened(paths: Sequence[Path]) -> dict[str, Bundle]:
    """The bundles by the names of their folders.

    Raises:
        OptionError: one is given twice, or is for another runtime.
    """
    bundles = {path.name: Bundle.open(path) for path in paths}
    names = [path.name for path in paths]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise OptionError(f"{twice} is given twice in --bundles; give one of them")
    other = next((name for name, bundle in bundles.items() if bundle.manifest.target not in RUNTIMES), None)
    if other is not None:
        raise OptionError(f"{other} is neither TFLite nor ONNX; give --bundles that LiteRT or ONNX Runtime runs")
    return bundles


def write(out: Path, result: dict[str, Any]) -> None:
    """Write the JSON and the page."""
    out.write_text(json.dumps(result, indent=1) + "\n")
    write_page(ROOT / "docs" / "devices.md", result)


def machine_of(folder: Path) -> dict[str, Any]:
    """Machine, Python and the versions of what computes."""
    told = json.loads((folder / "machine.json").read_text())
    return told | {"packages": {name: told["packages"][name] for name in COMPUTING if name in told["packages"]}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundles", nargs="+", type=Path, required=True, help="TFLite and ONNX bundles")
    parser.add_argument(
        "--data", action="append", default=[], help="ravdess:PATH and meld:PATH; golden cases alone if none"
    )
    parser.add_argument("--clips", type=int, default=8, help="clips of RAVDESS")
    parser.add_argument("--dialogues", type=int, default=10, help="dialogues of MELD")
    parser.add_argument("--cpus", nargs="+", default=["cortex-a76", "cortex-a72"], help="processors, in qemu's words")
    parser.add_argument(
        "--pythons", nargs="*", default=["3.10", "3.11", "3.12", "3.13"], help="Pythons for which wheels are looked for"
    )
    parser.add_argument("--minutes", type=float, help="end after so long; what was not reached is left out")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "aarch64.json")
    options = parser.parse_args()
    try:
        result = check(options)
    except MerError as error:
        sys.exit(f"check-aarch64: {error}")
    failed = [
        f"{name} on {cpu}" for cpu, rows in result["cpus"].items() for name, row in rows.items() if not row["agrees"]
    ]
    print(f"written: {options.out} and docs/devices.md", flush=True)
    reached = [len(result["cpus"].get(cpu, {})) for cpu in options.cpus]
    if failed:
        sys.exit(f"check-aarch64: these do not agree with x86-64: {', '.join(failed)}")
    if min(reached) < len(result["bundles"]):
        sys.exit(3)


if __name__ == "__main__":
    main()
