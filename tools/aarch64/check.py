"""Bundles under an emulated aarch64 beside x86-64: golden cases, real clips, and the install from a wheel.

    python tools/aarch64/check.py --data ravdess:PATH --data meld:PATH --bundles bundles/*-{tflite,onnx}-*.mer

Makes an arm64 Debian 12 once (see chroot.sh; $MER_AARCH64 or ~/.cache/mer-edge/aarch64), builds a wheel of this
checkout, installs it there with `[litert]` and with `[onnx]`, each in an environment of its own and from downloaded
wheels alone, runs answers.py there and here once, both from that wheel, and compares: every bundle on the processors of
--cpus, one bundle of each scheme and target on those of --sampled-cpus.
Writes docs/results/aarch64.json and the table of docs/results/aarch64.md; the exit code is 1 where a bundle does not
agree.
Answers are kept: a run that was broken off, or ended by --minutes with exit code 3, goes on where it was as long as the
SDK, the data and the bundle are the same. Emulated time says nothing about a device, so none is written down.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from answers import stem
from comparison import commands, compared
from material import key_of, prepare
from pages import write_page
from place import ROOT, Place, emulator, make_chroot
from wheels import fetch_wheels, install, machine_of, resolved

from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import MerError, OptionError

RUNTIMES = {"tflite": "litert", "onnx": "onnx"}


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
    given = prepare(place, wheel, options.bundles, options.data, options.clips, options.dialogues)
    key = key_of(place)
    kept = place.work / "answers" / key
    material = [word for name, count in given.items() if count for word in (f"--{name}", name)]
    print(f"{len(bundles)} bundles here", flush=True)
    here = kept / "x86_64"
    place.here(["answers.py", "--out", str(here), *material, *(f"bundles/{name}" for name in bundles)])
    asked = {cpu: list(bundles) for cpu in options.cpus}
    asked |= {cpu: sampled(bundles) for cpu in options.sampled_cpus if cpu not in asked}
    result: dict[str, Any] = {
        "given": given,
        "bundles": {name: bundle.manifest.scheme for name, bundle in bundles.items()},
        "resolved": {python: resolved(wheel, python) for python in options.pythons},
        "emulator": emulator(),
        "machines": {"x86_64": machine_of(here)},
        "asked": asked,
        "installed": {},
        "commands": {},
        "cpus": {},
    }
    of_extra = {
        extra: [name for name, bundle in bundles.items() if bundle.manifest.target == target]
        for target, extra in RUNTIMES.items()
    }
    used = {extra: own for extra, own in of_extra.items() if own}
    for extra, own in used.items():
        result["installed"][extra] = install(place, extra, bool(given["clips"]), key)
        windows = [name for name in own if reads_windows(bundles[name])]
        chosen, clips = (windows or own)[0], bool(given["clips"] and windows)
        result["commands"][extra] = commands(place, extra, chosen, clips, kept / f"commands-{extra}.json")
    for cpu, wanted in asked.items():
        for extra, own in used.items():
            there = kept / f"{cpu}-{extra}"
            folders = [place.work / "bundles" / name for name in own if name in wanted]
            print(f"{len(folders)} bundles in {extra} on {cpu}", flush=True)
            answer(place, extra, cpu, there, [*material, *(f"bundles/{folder.name}" for folder in folders)], end)
            if (there / "machine.json").exists():
                result["machines"][there.name] = machine_of(there)
            for folder in folders:
                row = compared(stem(folder), bundles[folder.name].manifest.scheme, here, there)
                if row is not None:
                    result["cpus"].setdefault(cpu, {})[folder.name] = row
            # A processor takes long: what is there is written down before the next.
            write(options.out, result)
    return result


def answer(place: Place, extra: str, cpu: str, out: Path, given: Sequence[str], end: float | None) -> None:
    """Run answers.py in an install on a processor until it has answered, or until the time `end` of `monotonic`."""
    command = [f"/opt/{extra}/bin/python", "answers.py", "--out", f"/{out.relative_to(place.root)}", *given]
    try:
        place.inside(command, cpu, None if end is None else max(1.0, end - monotonic()), shown=True)
    except subprocess.TimeoutExpired:
        print("--minutes are over; run it again to go on", flush=True)


def reads_windows(bundle: Bundle) -> bool:
    """Whether it answers per step, neither per utterance nor per picture."""
    return bundle.manifest.dialogue is None and bundle.manifest.finder is None


def sampled(bundles: Mapping[str, Bundle]) -> list[str]:
    """One bundle of each target and scheme, a window bundle where there is one."""
    found: dict[tuple[str, str], str] = {}
    for name, bundle in sorted(bundles.items(), key=lambda item: not reads_windows(item[1])):
        found.setdefault((bundle.manifest.target, bundle.manifest.scheme), name)
    return list(found.values())


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
    write_page(ROOT / "docs" / "results" / "aarch64.md", result)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundles", nargs="+", type=Path, required=True, help="TFLite and ONNX bundles")
    parser.add_argument(
        "--data", action="append", default=[], help="ravdess:PATH and meld:PATH; golden cases alone if none"
    )
    parser.add_argument("--clips", type=int, default=12, help="clips of RAVDESS")
    parser.add_argument("--dialogues", type=int, default=10, help="dialogues of MELD")
    parser.add_argument("--cpus", nargs="*", default=["cortex-a76"], help="processors for all bundles, in qemu's words")
    parser.add_argument(
        "--sampled-cpus", nargs="*", default=["cortex-a72"], help="for one bundle of each scheme and target"
    )
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
    rows = [(f"{name} on {cpu}", row) for cpu, found in result["cpus"].items() for name, row in found.items()]
    failed = [name for name, row in rows if not row["agrees"]]
    print(f"written: {options.out} and docs/results/aarch64.md", flush=True)
    if failed:
        sys.exit(f"check-aarch64: these do not agree with x86-64: {', '.join(failed)}")
    if len(rows) < sum(len(names) for names in result["asked"].values()):
        sys.exit(3)


if __name__ == "__main__":
    main()
