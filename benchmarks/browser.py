"""What a step costs in a headless Chromium beside Python, on this machine; writes the table of docs/phone-check.md.

    python benchmarks/browser.py --bundles bundles/grjca-onnx-fp32.mer bundles/quantized/grjca-onnx-int8.mer

Both take turns, some rounds each, because the machine's speed drifts; what is shown are medians over the turns. The
browser runs the page of `mer phone-check` itself: it needs the built page, Chromium, Node.js and npm's packages.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from result_tables import table, write_result

from mer_sdk.bench.steps import TimedStep
from mer_sdk.bench.timing import interleaved
from mer_sdk.bundle import Bundle
from mer_sdk.golden import load_golden
from mer_sdk.phone.desk import Reported, Service
from mer_sdk.phone.merging import DeviceEntry, device_entry
from mer_sdk.phone.report import read_report
from mer_sdk.phone.server import PhoneServer

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- browser: written by benchmarks/browser.py -->", "<!-- end of browser -->"
STAGES = ("audio", "face", "fusion", "step")


def in_browser(bundle: Bundle, rounds: int, chromium: str) -> DeviceEntry:
    """One check of a bundle in a browser, from the page's button to the report."""
    cases, manifest, folder = load_golden(bundle), bundle.manifest, bundle.path
    assert folder is not None
    settings = {"bundle": bundle.name, "seconds": 0, "rounds": rounds, "warm_up": 20, "clips": 0, "webgpu": False}

    def read(text: str) -> DeviceEntry:
        return device_entry(read_report(text, manifest, len(cases)), manifest.scheme, cases)

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


def measured(bundle: Bundle, turns: int, rounds: int, chromium: str) -> dict[str, Any]:
    """Stage -> median ms of Python, and of the browser with one thread and with more; device and golden error too."""
    found: dict[str, list[dict[str, float]]] = {}
    entry = None
    for turn in range(turns):
        here = interleaved({"python": TimedStep(bundle)}, rounds)["python"]
        found.setdefault("Python, onnxruntime", []).append({stage: here[stage].p50 for stage in STAGES})
        entry = in_browser(bundle, rounds, chromium)
        for run in entry.runs:
            name = f"browser, {run.threads} thread{'s' if run.threads > 1 else ''}"
            found.setdefault(name, []).append({stage: run.latency_ms[stage].p50 for stage in STAGES})
        print(f"{bundle.name}: turn {turn + 1} of {turns}", flush=True)
    assert entry is not None
    p50 = {
        name: {stage: round(float(np.median([row[stage] for row in rows])), 3) for stage in STAGES}
        for name, rows in found.items()
    }
    return {
        "p50_ms": p50,
        "max_abs_error": entry.runs[0].golden.max_abs_error,
        "to_torch": entry.runs[0].golden.to_torch,
        "browser": entry.device.browser,
        "runtime": entry.runtime,
    }


def section(result: dict[str, Any]) -> list[str]:
    """The table of docs/phone-check.md."""
    first = next(iter(result["bundles"].values()))
    lines = [
        f"Median ms of {result['rounds']} steps in each of {result['turns']} turns, {first['browser']} (headless) with",
        f"{first['runtime']} beside Python on the same two cores, which other programs used too: read the ratios.",
        "*error*: of the golden cases' logits, the largest difference from where the bundle was made, and from torch.",
        "",
    ]
    rows = []
    for name, found in result["bundles"].items():
        own = found["p50_ms"]["Python, onnxruntime"]["step"]
        for where, times in found["p50_ms"].items():
            error = f"{found['max_abs_error']:.1e}, {found['to_torch']:.1e}" if where.endswith("1 thread") else ""
            stages = [f"{times[stage]:.2f}" for stage in STAGES]
            rows.append((name, where, *stages, f"{times['step'] / own:.2f}", error))
    return [*lines, *table(("bundle", "where", *STAGES, "step, ratio", "error"), rows)]


def _quiet(task: str) -> dict[str, Any]:
    return {"input": task, "text": True, "stdout": subprocess.DEVNULL, "check": False}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundles", nargs="+", required=True, help="ONNX bundles of window models")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "browser.json")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("needs Chromium: apt-get install chromium")
    bundles = [Bundle.open(path) for path in options.bundles]
    found = {bundle.name: measured(bundle, options.turns, options.rounds, chromium) for bundle in bundles}
    result = {"turns": options.turns, "rounds": options.rounds, "bundles": found}
    write_result(result, options.out, ROOT / "docs" / "phone-check.md", (BEGIN, END), section(result))


if __name__ == "__main__":
    main()
