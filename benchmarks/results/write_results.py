"""The tables of docs/results.md, and two short blocks of README.md, from what the protocol scripts measured.

    python -m benchmarks.results.write_results [--data ravdess:PATH] [--bundles bundles]

Reads docs/results/*.json (see benchmarks/accuracy, benchmarks/robustness/p5_sound.py and activation_ranges.py) and
writes each between the markers of its name in docs/results.md, and the overview in README.md too. What was not measured
anew stays as it is. With --data it also shows in README.md what `mer run` prints for a clip that the model gets right
and for one that it gets wrong.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.results import confidence_tables, p2_tables, p5_tables, scheme_tables
from benchmarks.results import result_tables as tables
from benchmarks.results.shown_clips import shown_lines

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ROOT / "docs" / "results"
# Clips of actor 05 with sound and picture: modality 01, channel 01 (speech).
_SHOWN_CLIPS = "01-01-*-05.mp4"
# Sound of an actor of the test fold.
_UNSEEN_CLIPS = "03-01-*-08.*"
# Name of the JSON -> its part of docs/results.md.
SECTIONS: dict[str, Callable[[Any], list[str]]] = {
    "p2": lambda p2: [*tables.p2_intro(p2), *tables.p2_table(p2), *tables.p2_details(p2)],
    "p2_ablations": p2_tables.ablation_section,
    "p2_baselines": p2_tables.baseline_section,
    "p1": tables.p1_section,
    "p5": p5_tables.p5_section,
    "confidence": confidence_tables.confidence_section,
    "text_encoder": tables.text_section,
    "p4": tables.p4_section,
    "p4_bundles": tables.p4_bundles_section,
    "p4_confidence": confidence_tables.dialogue_section,
    "schemes": scheme_tables.schemes_section,
    "p1_schemes": scheme_tables.p1_schemes_section,
    "activation_ranges": scheme_tables.ranges_section,
}


def write_block(page: Path, name: str, lines: list[str]) -> None:
    """Replace what stands between the markers of that name in a page."""
    begin, end = f"<!-- {name}: written by `make results` -->", f"<!-- end of {name} -->"
    before, rest = page.read_text().split(begin)
    after = rest.split(end)[1]
    text = "\n".join(lines).strip("\n")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="ravdess:PATH, to show what mer run says of its mp4 clips")
    parser.add_argument("--bundles", type=Path, default=ROOT / "bundles")
    options = parser.parse_args()
    measured = {path.stem: json.loads(path.read_text()) for path in sorted(MEASURED.glob("*.json"))}
    results, readme = ROOT / "docs" / "results.md", ROOT / "README.md"
    for page in (results, readme):
        write_block(page, "overview", tables.overview(measured))
    for name, section in SECTIONS.items():
        if name in measured:
            write_block(results, name, section(measured[name]))
    folder = Path(options.data.partition(":")[2]) if options.data else None
    clips, unseen = (sorted(folder.rglob(name)) if folder else [] for name in (_SHOWN_CLIPS, _UNSEEN_CLIPS))
    if clips:
        write_block(readme, "run", shown_lines(options.bundles / "grjca-tflite-fp32.mer", clips, unseen))


if __name__ == "__main__":
    main()
