"""Protocol P4 through the SDK: AMB-DSGDN's checkpoints and every bundle of it that runs here, on MELD dev.

    python -m benchmarks.accuracy.dialogues.bundles --data meld:PATH [--bundles bundles] [--schemes fp32 fp16]

Writes docs/results/p4_bundles.json. Each utterance is judged when it is said, as a live app does.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from benchmarks.accuracy.clips.windows import scores, sources
from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import MissingExtra, RuntimeUnavailable
from mer_sdk.evaluation.datasets import open_dataset
from mer_sdk.evaluation.dialogues import evaluate_dialogues

ROOT = Path(__file__).resolve().parents[3]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="meld:PATH with dev_sent_emo.csv")
    parser.add_argument("--bundles", type=Path, default=ROOT / "bundles")
    parser.add_argument("--schemes", nargs="+", default=["fp32", "fp16"], help="of the bundles (default: fp32 fp16)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "p4_bundles.json")
    options = parser.parse_args()
    dialogues = open_dataset(options.data).dialogues("dev")
    rows = []
    for role, runs, path in sources("amb_dsgdn", options.bundles, options.schemes):
        begun = time.perf_counter()
        try:
            report = evaluate_dialogues(Bundle.open(str(path)), dialogues)
        except (RuntimeUnavailable, MissingExtra) as error:
            print(f"{role}, {runs}: not run here ({error})", flush=True)
            continue
        seconds = time.perf_counter() - begun
        print(f"{role}, {runs}: weighted F1 {100 * report.results[0].weighted_f1:.1f} ({seconds:.0f} s)", flush=True)
        rows.append({"role": role, "runs": runs, "seconds": round(seconds), "report": scores(report)})
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"protocol": "P4 through the SDK, MELD dev", "rows": rows}, indent=1) + "\n")
    print(f"written: {options.out}", flush=True)


if __name__ == "__main__":
    main()
