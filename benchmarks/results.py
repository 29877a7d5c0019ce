"""Protocol P2 for the full-precision model, the student in torch and every runtime at hand: docs and README tables.

    python benchmarks/results.py --data ravdess:PATH [--bundles bundles]

Writes docs/results.md whole, and in README.md the part between the two results markers. P2: RAVDESS actor 05's real
audio-visual clips, who is in no training or tuning set.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from mer_fusion.checkpoint import load_checkpoint, shipped_checkpoint
from mer_sdk.bundle import Bundle
from mer_sdk.errors import RuntimeUnavailable
from mer_sdk.evaluation.datasets import Ravdess, Selection, open_dataset
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.evaluate import ConditionResult, EvaluationOptions, EvaluationReport, evaluate

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ("<!-- results: written by `make results` -->", "<!-- end of results -->")
RUN = ("<!-- run: written by `make results` -->", "<!-- end of run -->")
_SHOWN_CLIP = "01-01-03-01-01-02-05.mp4"
STATES, PROTOCOLS = ("audio+face", "audio", "face"), ("cold", "warm", "enrolled")
_ACTOR = 5


def reports(data: str, bundles: Path) -> Iterable[tuple[str, EvaluationReport]]:
    """Title and report of everything that runs on this machine, the full-precision model first."""
    dataset = open_dataset(data)
    assert isinstance(dataset, Ravdess), "P2 is defined on RAVDESS"
    clips = dataset.clips(Selection(actors=(_ACTOR,), paired_only=True))
    sources = [
        ("full precision, torch", str(shipped_checkpoint("grjca", "full"))),
        ("student, torch", str(shipped_checkpoint("grjca", "student"))),
    ]
    sources += [(f"student, {path.stem.removeprefix('grjca-')}", str(path)) for path in sorted(bundles.glob("*.mer"))]
    for title, source in sources:
        bundle = Bundle.open(source)
        try:
            report = evaluate(bundle, clips, merge_labels(bundle.manifest.labels), EvaluationOptions())
        except RuntimeUnavailable as error:
            print(f"{title}: not run here ({error})", flush=True)
            continue
        print(f"{title}: {score(report.result('audio+face', 'warm'))}", flush=True)
        yield title, report


def score(result: ConditionResult) -> str:
    """UAR with its interval, in percent."""
    low, high = result.uar_interval.low, result.uar_interval.high
    return f"{100 * result.uar:.1f} [{100 * low:.0f}, {100 * high:.0f}]"


def uar_table(rows: Iterable[tuple[str, EvaluationReport]]) -> list[str]:
    """UAR of each model in each state and protocol, as a Markdown table."""
    lines = [
        "| model, runtime | protocol | audio+face | audio only | face only |",
        "|---|---|---|---|---|",
    ]
    for title, report in rows:
        for protocol in PROTOCOLS:
            cells = " | ".join(score(report.result(state, protocol)) for state in STATES)
            lines.append(f"| {title} | {protocol} | {cells} |")
    return lines


def detail_tables(title: str, report: EvaluationReport) -> list[str]:
    """WAR, UAR, F1, ECE and recall per class of one report."""
    lines = [f"### {title}", "", "| state | protocol | clips | WAR | UAR | macro F1 | ECE | NLL |", "|" + "---|" * 8]
    for result in report.results:
        war = f"{100 * result.war:.1f} [{100 * result.war_interval.low:.0f}, {100 * result.war_interval.high:.0f}]"
        numbers = f"{100 * result.macro_f1:.1f} | {100 * result.ece:.1f} | {result.nll:.2f}"
        lines.append(f"| {result.state} | {result.protocol} | {result.clips} | {war} | {score(result)} | {numbers} |")
    lines += ["", "Recall in % per class:", "", f"| state | protocol | {' | '.join(report.labels)} |"]
    lines.append("|" + "---|" * (len(report.labels) + 2))
    for result in report.results:
        cells = " | ".join("-" if value is None else f"{100 * value:.0f}" for value in result.recall.values())
        lines.append(f"| {result.state} | {result.protocol} | {cells} |")
    return [*lines, ""]


def protocol_text(report: EvaluationReport) -> list[str]:
    """What the numbers mean, before the tables."""
    card = load_checkpoint(shipped_checkpoint("grjca", "student")).card
    names = ", ".join(report.labels)
    learned, held = card.training["speakers"], card.training["held_out_speakers"]
    return [
        f"Protocol P2: {report.clips} audio-visual clips of RAVDESS actor {_ACTOR:02d} (one man), who is in no",
        f"training or tuning set; {len(report.labels)} classes ({names}; calm counts as neutral).",
        "UAR in %, [95 % interval] from a bootstrap over clips. With clips of one person the intervals are wide, and",
        "they say nothing about other people. *cold*: each clip starts from the population's baseline. *warm*: running",
        f"baseline over the person's clips before, mean of {report.options.orders} seeded random orders. *enrolled*:",
        f"baseline from {report.options.enrol_clips} neutral clips, which are then not scored.",
        f"The audio encoders learned from {len(learned)} speakers; {len(held)} more ({', '.join(map(str, held))}) were",
        "held out to measure their errors, from which the fusion learned what to trust.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="ravdess:PATH with actor 05's audio and faces")
    parser.add_argument("--bundles", type=Path, default=ROOT / "bundles")
    options = parser.parse_args()
    rows = list(reports(options.data, options.bundles))
    full, student = rows[0][1], rows[1][1]
    text = ["# Results", "", "Written by `make results DATA=PATH`; do not edit.", "", *protocol_text(student), ""]
    text += uar_table(rows)
    text += ["", "## In detail", "", *detail_tables(*rows[0]), *detail_tables(*rows[1])]
    for role, report in (("full", full), ("student", student)):
        card = load_checkpoint(shipped_checkpoint("grjca", role)).card
        text += [
            f"### Training of the {role} model",
            "",
            f"Parameters {card.parameters}; seconds {card.training['seconds']} on {card.training['machine']};",
            f"temperature {card.decision.temperature}. {report.model} checkpoint `{card.weights_sha256[:12]}`.",
            "",
            "```json",
            json.dumps(card.results, indent=2),
            "```",
            "",
        ]
    (ROOT / "docs" / "results.md").write_text("\n".join(text))
    short = [row for row in rows if "fp16" not in row[0]]
    write_block(RESULTS, [*protocol_text(student), "", *uar_table(short)])
    shown = sorted(Path(options.data.partition(":")[2]).rglob(_SHOWN_CLIP))
    if shown:
        write_block(RUN, ["```", *run_output(options.bundles / "grjca-tflite-fp32.mer", shown[0]), "```"])


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


if __name__ == "__main__":
    main()
