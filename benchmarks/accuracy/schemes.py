"""Every scheme against fp32 of its own target: size, accuracy and agreement on real data, and latency.

Latency comes from one interleaved run of all bundles of a model.

    python -m benchmarks.accuracy.schemes --data ravdess_pairs:PATH --data meld:PATH --bundles FOLDER [--rounds 300]

Writes docs/results/schemes.json, model after model. Window models are asked on protocol P2 (RAVDESS fold 3, who
calibrated nothing), AMB-DSGDN on MELD dev. Bundles are what `mer-convert --scheme fp32,w8,dyn8,int8 --data ...` wrote.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from mer_sdk.bench.result import read_board
from mer_sdk.bench.steps import TimedStep
from mer_sdk.bench.timing import interleaved
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.evaluation.datasets import TEST_FOLD, Selection, open_dataset
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.dialogues import DialogueOptions
from mer_sdk.evaluation.evaluate import EvaluationOptions
from mer_sdk.report.measure import Answers, against, measure_clips, measure_dialogues
from mer_sdk.report.results import Measurement, headline
from mer_sdk.runtimes import runtime_note

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("grjca", "atsuko", "fdrl", "amb_dsgdn")
OPTIONS = EvaluationOptions(protocols=("cold", "warm"))


def measured(bundle: Bundle, data: dict[str, Any]) -> tuple[Measurement, Answers]:
    """Accuracy of one bundle on the data for its kind."""
    if bundle.manifest.dialogue is not None:
        dialogues = data["meld"].dialogues("dev")
        return measure_dialogues(bundle, dialogues, DialogueOptions(), lambda done, total: None)
    clips = data["ravdess_pairs"].clips(Selection(folds=(TEST_FOLD,)))
    return measure_clips(bundle, clips, merge_labels(bundle.manifest.labels), OPTIONS, lambda what, done, total: None)


def sizes(bundle: Bundle) -> int:
    """Bytes of the graph files."""
    prefixes = tuple(spec.file for spec in bundle.manifest.graphs.values())
    return sum(spec.bytes for spec in bundle.manifest.files if spec.path.startswith(prefixes))


def row(bundle: Bundle, measurement: Measurement, reference: dict[str, Any] | None) -> dict[str, Any]:
    """What is kept of one bundle."""
    assert bundle.path is not None
    report = json.loads((bundle.path / "report.json").read_text())
    first = headline(measurement)
    found = {
        "bytes": sizes(bundle),
        "score": first.score,
        "interval": to_json(first.interval),
        "ece": first.ece,
        "int8_share": {name: proof["int8_share"] for name, proof in report["proof"].items()},
        "int8_mac_share": {name: proof["int8_mac_share"] for name, proof in report["proof"].items()},
        "moved_to_float": report["moved_to_float"],
        "gate": report["gate"],
        "accuracy": report["accuracy"],
        "confidence": report["confidence"],
        "sqnr_db": (report["distances"]["quantization"] or {}).get("sqnr_db"),
    }
    if reference is not None:
        found["smaller"] = round(reference["bytes"] / found["bytes"], 3)
    return found


def of_model(model: str, folder: Path, schemes: list[str], data: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Target -> scheme -> row, and the latencies of all bundles that run here."""
    found = [Bundle.open(str(path)) for path in sorted(folder.glob(f"{model}-*.mer"))]
    bundles = {bundle.name: bundle for bundle in found if bundle.manifest.scheme in ("fp32", *schemes)}
    rows: dict[str, dict[str, Any]] = {}
    for target in sorted({bundle.manifest.target for bundle in bundles.values()}):
        mine = {bundle.manifest.scheme: bundle for bundle in bundles.values() if bundle.manifest.target == target}
        if "fp32" not in mine:
            print(f"{model}, {target}: no fp32 to compare with, left out", flush=True)
            continue
        base, answers = measured(mine["fp32"], data)
        reference = row(mine["fp32"], base, None)
        rows[target] = {"fp32": reference}
        for scheme, bundle in mine.items():
            if scheme == "fp32":
                continue
            begun = time.perf_counter()
            measurement, theirs = measured(bundle, data)
            rows[target][scheme] = row(bundle, measurement, reference) | {
                "against_fp32": to_json(against(measurement, theirs, mine["fp32"].name, answers, OPTIONS.seed))
            }
            one = rows[target][scheme]["against_fp32"]
            print(
                f"{model}, {target}, {scheme}: {rows[target][scheme]['bytes'] / 1000:.0f} kB, same label "
                f"{one['agreement']:.3f}, UAR {100 * one['uar_difference']:+.1f} ({time.perf_counter() - begun:.0f} s)",
                flush=True,
            )
    timed = {name: bundle for name, bundle in bundles.items() if not runtime_note(bundle.runtime)}
    latency = interleaved({name: TimedStep(bundle) for name, bundle in timed.items()}, rounds)
    return {"rows": rows, "latency_ms": to_json(latency), "rounds": rounds, "processor": read_board().cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, help="ravdess:PATH and meld:PATH")
    parser.add_argument("--bundles", type=Path, default=ROOT / "bundles")
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--schemes", nargs="+", default=["w8", "dyn8", "int8"])
    parser.add_argument("--rounds", type=int, default=300, help="of the latency")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "schemes.json")
    options = parser.parse_args()
    data = {spec.partition(":")[0]: open_dataset(spec) for spec in options.data}
    done = json.loads(options.out.read_text()) if options.out.exists() else {"models": {}}
    for model in options.models:
        done["models"][model] = of_model(model, options.bundles, options.schemes, data, options.rounds)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(done, indent=1) + "\n")
    print(f"written: {options.out}", flush=True)


if __name__ == "__main__":
    main()
