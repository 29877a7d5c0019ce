"""Many seeded attempts on damaged input, how each ended, and the table of all such campaigns."""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import resource
import signal
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.results.result_tables import table, write_block
from mer_sdk.errors import MerError

# One mutation and its use; it works or raises.
Attempt = Callable[[random.Random], None]
ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "results" / "fuzz.md"
RESULTS = ROOT / "docs" / "results"
MARKERS = ("<!-- campaigns: written by benchmarks/robustness/fuzz/campaign.py -->", "<!-- end of campaigns -->")
HUNG_SECONDS, MOST_MB = 10.0, 300.0
# What an attempt may take beyond what the process has; what asks for more gets a MemoryError, which is a finding.
ROOM_BYTES = 4 * 2**30


class Hung(BaseException):
    """An attempt took longer than `HUNG_SECONDS`."""


def campaign(count: int, seed: int, attempt: Attempt, first: int = 0) -> dict[str, Any]:
    """Run one kind of mutation `count` times and count what came of it.

    Args:
        seed: of the campaign; attempt n has its own generator made of both.
        attempt: one mutation and its use; it works or raises.
        first: number of the first attempt, to run one again.
    """
    outcomes: Counter[str] = Counter()
    findings: Counter[str] = Counter()
    slowest, most, shown = 0.0, 0.0, time.monotonic()
    before = signal.signal(signal.SIGALRM, _hung)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_status_kb("VmSize") * 1024 + ROOM_BYTES, limits[1]))
    try:
        for number in range(first, first + count):
            chance, begun = random.Random(seed * 1_000_003 + number), time.monotonic()
            held = _forget_peak()
            signal.setitimer(signal.ITIMER_REAL, HUNG_SECONDS)
            try:
                with warnings.catch_warnings():
                    # A number that overflowed on its way is a finding, too.
                    warnings.simplefilter("error", RuntimeWarning)
                    attempt(chance)
                outcome, words = "worked", ""
            except MerError:
                outcome, words = "refused", ""
            except Hung:
                outcome, words = "hung", f"over {HUNG_SECONDS:g} s"
            except Exception as error:
                notes = "; ".join(getattr(error, "__notes__", ()))
                outcome, words = "untyped", f"{type(error).__name__}: {str(error)[:80]} {notes}".strip()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            taken = (_status_kb("VmHWM") - held) / 1000
            if taken > MOST_MB and not words:
                words = f"{taken:.0f} MB"
            outcomes[outcome] += 1
            outcomes["large"] += taken > MOST_MB
            if words:
                findings[f"{words} (mutation {number})"] += 1
            slowest, most = max(slowest, time.monotonic() - begun), max(most, taken)
            if time.monotonic() - shown > 5:
                shown = time.monotonic()
                print(f"  {number + 1 - first} of {count}: {dict(outcomes)}", flush=True)
    finally:
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, limits)
    return {
        "mutations": count,
        **{name: outcomes[name] for name in ("worked", "refused", "untyped", "hung", "large")},
        "slowest_seconds": round(slowest, 2),
        "most_mb": round(most, 1),
        "examples": dict(findings.most_common(20)),
    }


def add_choices(parser: argparse.ArgumentParser) -> None:
    """The options of `run_campaigns`."""
    parser.add_argument("--mutations", type=int, default=10000, help="of each kind of file")
    parser.add_argument("--only", help="a part of the name of a campaign")
    parser.add_argument("--first", type=int, default=0, help="begin with this mutation; nothing is written then")


def run_campaigns(
    kinds: Mapping[str, Callable[[], Attempt]], seed: int, options: argparse.Namespace, out: Path
) -> None:
    """Run the campaigns that are chosen, and write them beside those that `out` has of the others, and the table of the
    campaigns of all commands.

    Args:
        kinds: name -> what makes the attempt of `campaign`.
        seed: of the first campaign, whether it is chosen or not; the next ones follow it.
        options: of `add_choices`.
    """
    results = {}
    for number, (name, make) in enumerate(kinds.items(), start=seed):
        if options.only is None or options.only in name:
            print(name, flush=True)
            results[name] = campaign(options.mutations, number, make(), options.first)
            print(json.dumps(results[name], indent=1), flush=True)
    if options.first == 0:
        found = (json.loads(out.read_text()) if out.exists() else {}) | results
        out.write_text(json.dumps({name: found[name] for name in kinds if name in found}, indent=1) + "\n")
        # The table is made of what lies there now.
        write_block(PAGE, MARKERS, campaign_table())
        print(f"written: {out} and {PAGE}", flush=True)


def campaign_table() -> list[str]:
    """The table of docs/results/fuzz.md, of what the JSON files in docs/results hold."""
    rows = []
    for module in ("bundles", "inputs"):
        path = RESULTS / f"fuzz_{module}.json"
        for name, one in json.loads(path.read_text()).items() if path.exists() else ():
            counts = [f"{one[key]:,}" for key in ("mutations", "worked", "refused", "untyped", "hung", "large")]
            rows.append([name, *counts, f"{one['slowest_seconds']:.1f} s", f"{one['most_mb']:.0f} MB", module])
    media = json.loads((RESULTS / "media_fuzz.json").read_text())
    counts = [f"{media[key]:,}" for key in ("cases", "read", "sentence", "faults")]
    worst = [f"{media['longest_seconds']:.1f} s", f"{media['most_mb']:.0f} MB"]
    # Its cases are whole commands with limits of their own, among them these two.
    rows.append(["media files", *counts, "-", "-", *worst, "media"])
    heads = ["input", "mutations", "worked", "refused", "untyped", "over 10 s", "over 300 MB", "slowest", "most memory"]
    return table([*heads, "module of `benchmarks.robustness.fuzz`"], rows)


def _hung(number: int, frame: FrameType | None) -> None:
    raise Hung


def _forget_peak() -> int:
    """Begin to measure the process's most memory anew; what it holds now, kB."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _status_kb("VmRSS")


def _status_kb(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0
