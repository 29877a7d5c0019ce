"""Hostile manifests against the sensor in TypeScript: the mutations of `fuzz.bundles`, read and used in Node.js.

    python -m benchmarks.robustness.fuzz.web [--mutations 10000]

The manifests of tests/manifests are changed by the same seeds; Python and TypeScript must both take or both refuse
each. What TypeScript takes is used: a step engine with two seconds of sound and frames, a dialogue engine with more
utterances than its window holds, or a face finder, on graphs that keep to its shapes. Writes
docs/results/fuzz_web.json and a table in docs/reference/bundle.md. Needs npm's packages (`cd web && npm ci`).
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.results.result_tables import table, write_result
from benchmarks.robustness.fuzz.bundles import MANIFESTS, SEED
from benchmarks.robustness.fuzz.campaign import ROOT
from benchmarks.robustness.fuzz.mutations import mutated_json
from mer_sdk.contract.manifest_file import manifest_from_text
from mer_sdk.errors import BundleError

OUT = ROOT / "docs" / "results" / "fuzz_web.json"
PAGE = ROOT / "docs" / "reference" / "bundle.md"
BEGIN, END = "<!-- fuzz-web: written by benchmarks/robustness/fuzz/web.py -->", "<!-- end of fuzz-web -->"


def mutations(count: int) -> list[dict[str, Any]]:
    """Changed manifests as text, with what Python says of each: a refusal, or null where it is taken."""
    texts = [path.read_text() for path in MANIFESTS]
    found = []
    for number in range(count):
        chance = random.Random(SEED * 1_000_003 + number)
        text = mutated_json(chance.choice(texts), chance)
        found.append({"number": number, "text": text, "says": refusal(text)})
    return found


def refusal(text: str) -> str | None:
    """What Python says of a manifest that it refuses; None where it takes it."""
    try:
        manifest_from_text(text)
    except BundleError as error:
        return str(error)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=10000)
    options = parser.parse_args()
    print("in Python", flush=True)
    given = mutations(options.mutations)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(given, file)
        file.flush()
        print("in Node.js", flush=True)
        script = Path(__file__).with_suffix(".mjs")
        done = subprocess.run(["node", str(script), file.name], stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(done.stdout)
    print(json.dumps(result, indent=2))
    heads = [
        "input",
        "mutations",
        "worked",
        "refused",
        "untyped",
        "over 10 s",
        "slowest",
        "peak memory",
        "not as Python",
    ]
    row = [
        "manifests in TypeScript",
        *(f"{result[key]:,}" for key in ("mutations", "worked", "refused", "untyped", "slow")),
        *(f"{result['slowest_seconds']:.2f} s", f"{result['peak_mb']} MB", f"{result['otherwise']:,}"),
    ]
    write_result(result, OUT, PAGE, (BEGIN, END), table(heads, [row]))


if __name__ == "__main__":
    main()
