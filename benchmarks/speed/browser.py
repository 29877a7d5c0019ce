"""What a step costs in a headless Chromium beside Python, on this machine; writes the table of docs/results/browser.md.

    python -m benchmarks.speed.browser --bundles bundles/grjca-onnx-fp32.mer bundles/grjca-tflite-fp32.mer \\
        bundles/quantized/grjca-onnx-int8.mer bundles/quantized/grjca-tflite-int8.mer

Every turn visits every bundle in Python and in the browser, some rounds each, because the machine's speed drifts, and
begins with another bundle each time; what is shown are medians over the turns. Of two bundles that differ in their
target alone the browser's steps are compared turn by turn. The browser runs the page of `mer phone-check` itself: it
needs the built page, Chromium, Node.js and npm's packages.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results.result_tables import prose, table, write_result
from mer_sdk.bench.steps import TimedStep
from mer_sdk.bench.timing import interleaved
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.golden import load_golden
from mer_sdk.phone.evidence import Seen
from mer_sdk.phone.merging import DeviceEntry, device_entry
from mer_sdk.phone.report import read_report
from mer_sdk.phone.server import PhoneServer
from mer_sdk.phone.session import Reported, Service

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- browser: written by benchmarks/speed/browser.py -->", "<!-- end of browser -->"
STAGES = ("audio", "face", "fusion", "step")
PYTHON = {"onnx": "Python, onnxruntime", "tflite": "Python, LiteRT"}
ONE = "browser, 1 thread"


def in_browser(bundle: Bundle, rounds: int, chromium: str) -> DeviceEntry:
    """One check of a bundle in a browser, from the page's button to the report."""
    cases, manifest, folder = load_golden(bundle), bundle.manifest, bundle.path
    assert folder is not None
    settings = {"bundle": bundle.name, "seconds": 0, "rounds": rounds, "warm_up": 20, "clips": 0, "webgpu": False}

    def read(text: str, seen: Seen) -> DeviceEntry:
        return device_entry(read_report(text, manifest, len(cases)), seen, manifest.scheme, cases)

    with PhoneServer(Service(folder, manifest, settings, read), "127.0.0.1") as server:
        steps = [["wait", "#start:not([hidden])"], ["click", "#start"], ["wait", "#status.good, #status.bad"]]
        task = json.dumps({"url": server.address, "chromium": chromium, "steps": steps, "timeout": 120000})
        script = ROOT / "tests" / "web" / "drive.mjs"
        driver = threading.Thread(target=subprocess.run, args=(["node", str(script)],), kwargs=_quiet(task))
        driver.start()
        entry = None
        while entry is None and (driver.is_alive() or not server.events.empty()):
            event = server.next_event(1.0)
            entry = event.entry if isinstance(event, Reported) else None
        driver.join()
    if entry is None or not entry.passed:
        sys.exit(f"{bundle.name}: the check in the browser failed")
    return entry


def measured(bundles: Sequence[Bundle], turns: int, rounds: int, chromium: str) -> dict[str, Any]:
    """Bundle -> stage -> median ms of Python, and of the browser with one thread and with more; golden error too."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {bundle.name: {} for bundle in bundles}
    entries: dict[str, DeviceEntry] = {}
    for turn in range(turns):
        order = [bundles[(turn + place) % len(bundles)] for place in range(len(bundles))]
        here = interleaved({bundle.name: TimedStep(bundle) for bundle in order}, rounds)
        for bundle in order:
            rows = found[bundle.name]
            stages = here[bundle.name]
            rows.setdefault(PYTHON[bundle.manifest.target], []).append({stage: stages[stage].p50 for stage in STAGES})
            entries[bundle.name] = in_browser(bundle, rounds, chromium)
            for run in entries[bundle.name].runs:
                name = f"browser, {run.threads} threads" if run.threads > 1 else ONE
                rows.setdefault(name, []).append({stage: run.latency_ms[stage].p50 for stage in STAGES})
        print(f"turn {turn + 1} of {turns}", flush=True)
    return {
        bundle.name: {
            "runtime": entries[bundle.name].runtime,
            "browser": entries[bundle.name].device.browser,
            "p50_ms": {
                name: {stage: round(float(np.median([row[stage] for row in rows])), 3) for stage in STAGES}
                for name, rows in found[bundle.name].items()
            },
            "step_ms_by_turn": {name: [row["step"] for row in rows] for name, rows in found[bundle.name].items()},
            "max_abs_error": entries[bundle.name].runs[0].golden.max_abs_error,
            "to_torch": entries[bundle.name].runs[0].golden.to_torch,
        }
        for bundle in bundles
    }


def compared(bundles: Sequence[Bundle], found: dict[str, Any]) -> list[dict[str, Any]]:
    """Of each pair of bundles that differ in their target alone: LiteRT.js's step by onnxruntime-web's, by turn."""
    pairs: dict[tuple[str, str], dict[str, str]] = {}
    for bundle in bundles:
        manifest = bundle.manifest
        pairs.setdefault((manifest.model, manifest.scheme), {})[manifest.target] = bundle.name
    rows = []
    for (model, scheme), names in pairs.items():
        if len(names) == len(PYTHON):
            litert, ort = (np.array(found[names[target]]["step_ms_by_turn"][ONE]) for target in ("tflite", "onnx"))
            ratios = litert / ort
            low, middle, high = (round(float(value), 2) for value in np.percentile(ratios, (0, 50, 100)))
            rows.append({"model": model, "scheme": scheme, "median": middle, "least": low, "most": high})
    return rows


def section(result: dict[str, Any]) -> list[str]:
    """The table of docs/results/browser.md."""
    browsers = dict.fromkeys(found["browser"] for found in result["bundles"].values())
    runtimes = dict.fromkeys(found["runtime"] for found in result["bundles"].values())
    rows = []
    for name, found in result["bundles"].items():
        times = found["p50_ms"]
        own = next(times[where]["step"] for where in times if where in PYTHON.values())
        for where, stages in times.items():
            error = f"{found['max_abs_error']:.1e}, {found['to_torch']:.1e}" if where == ONE else ""
            told = where.replace("browser", found["runtime"].split()[0])
            cells = [f"{stages[stage]:.2f}" for stage in STAGES]
            rows.append((name, told, *cells, f"{stages['step'] / own:.2f}", error))
    ratios = "; ".join(
        f"{one['model']} {one['scheme']} {one['median']:.2f} ({one['least']:.2f} to {one['most']:.2f})"
        for one in result["litert_by_onnxruntime_web"]
    )
    return [
        *prose(
            f"Median ms of {result['rounds']} steps in each of {result['turns']} turns, {' and '.join(browsers)} "
            f"(headless) with {' and '.join(runtimes)}, beside Python on the same two cores: read the ratios, "
            "which are to the same bundle in Python. *error*: of the golden cases' logits, the largest difference from "
            "where the bundle was made, and from torch."
        ),
        *table(("bundle", "where", *STAGES, "step, ratio", "error"), rows),
        *prose(
            f"A step by LiteRT.js takes so many times as long as one by onnxruntime-web in the same turn, one thread "
            f"each, median (least to most): {ratios}."
            if ratios
            else ""
        ),
    ]


def _quiet(task: str) -> dict[str, Any]:
    return {"input": task, "text": True, "stdout": subprocess.DEVNULL, "check": False}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundles", nargs="+", required=True, help="ONNX and TFLite bundles of window models")
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "browser.json")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("needs Chromium: apt-get install chromium")
    bundles = [Bundle.open(path) for path in options.bundles]
    if len({bundle.name for bundle in bundles}) < len(bundles) or {b.manifest.target for b in bundles} - {*PYTHON}:
        sys.exit("--bundles takes ONNX and TFLite bundles, each once")
    found = measured(bundles, options.turns, options.rounds, chromium)
    result = {
        "turns": options.turns,
        "rounds": options.rounds,
        "bundles": found,
        "litert_by_onnxruntime_web": compared(bundles, found),
    }
    write_result(result, options.out, ROOT / "docs" / "results" / "browser.md", (BEGIN, END), section(result))


if __name__ == "__main__":
    main()
