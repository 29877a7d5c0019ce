"""The tables of docs/results.md and README.md, from what the protocol scripts measured.

    python benchmarks/results.py [--data ravdess:PATH] [--bundles bundles]

Reads docs/results/*.json (see benchmarks/p1_paired.py, p2_windows.py, p2_ablations.py, p3_trimodal.py, p4_dialogue.py,
p4_bundles.py and text_encoder.py), writes docs/results.md whole and, in README.md, the part between the results
markers. With --data it also writes what `mer run` prints for one clip of actor 05.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import result_tables as tables

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "docs" / "results"
RESULTS = ("<!-- results: written by `make results` -->", "<!-- end of results -->")
RUN = ("<!-- run: written by `make results` -->", "<!-- end of run -->")
_SHOWN_CLIP = "01-01-03-01-01-02-05.mp4"
# In the order of the page; the first is P2, which the README shows too.
SECTIONS: dict[str, Callable[[Any], list[str]]] = {
    "p2_ablations": tables.p2_ablation_section,
    "p1": tables.p1_section,
    "p3": tables.p3_section,
    "text_encoder": tables.text_section,
    "p4": tables.p4_section,
    "p4_bundles": tables.p4_bundles_section,
}


def page(measured: dict[str, Any]) -> list[str]:
    """The lines of docs/results.md; a protocol that was not measured is named as such."""
    p2 = measured["p2"]
    lines = ["# Results", "", "Written by `make results`; do not edit.", "", *tables.overview(measured)]
    lines += ["## P2: real audio-visual clips", ""]
    lines += [*tables.p2_intro(p2), *tables.p2_table(p2)]
    for name, section in SECTIONS.items():
        lines += section(measured[name]) if name in measured else [f"## {name}", "", "Not measured.", ""]
    return [*lines, *tables.p2_details(p2)]


def run_output(bundle: Path, clip: Path) -> list[str]:
    """The lines that `mer run` prints for a clip."""
    command = [sys.executable, "-m", "mer_sdk.cli", "run", str(bundle), str(clip)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": "120"})
    return [f"$ mer run bundles/{bundle.name} {clip.name}", *(line.rstrip() for line in done.stdout.splitlines())]


def write_block(markers: tuple[str, str], lines: list[str]) -> None:
    """Replace what stands between two markers of README.md."""
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split(markers[0])
    after = rest.split(markers[1])[1]
    readme.write_text(before + "\n".join([markers[0], "", *lines, "", markers[1]]) + after)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="ravdess:PATH, to show one clip of actor 05")
    parser.add_argument("--bundles", type=Path, default=ROOT / "bundles")
    options = parser.parse_args()
    measured = {path.stem: json.loads(path.read_text()) for path in sorted(MEASURED.glob("*.json"))}
    if "p2" not in measured:
        sys.exit(f"{MEASURED}/p2.json is missing: run benchmarks/p2_windows.py --data ravdess:PATH first")
    (ROOT / "docs" / "results.md").write_text("\n".join(page(measured)))
    brief = [*tables.overview(measured), *tables.p2_intro(measured["p2"])]
    write_block(RESULTS, [*brief, *tables.p2_table(measured["p2"], brief=True)[:-1]])
    shown = sorted(Path(options.data.partition(":")[2]).rglob(_SHOWN_CLIP)) if options.data else []
    if shown:
        write_block(RUN, ["```", *run_output(options.bundles / "grjca-tflite-fp32.mer", shown[0]), "```"])


if __name__ == "__main__":
    main()
