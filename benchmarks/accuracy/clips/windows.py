"""Protocol P2 for every shipped window model: full precision, the student, and every bundle that runs here.

    python -m benchmarks.accuracy.clips.windows --data ravdess_pairs:PATH [--bundles bundles] [--schemes fp32 fp16]
        [--torch full] [--models grjca]

Writes docs/results/p2.json. The first row of a role stands for it: torch's where `--torch` names the role, else that of
its TFLite bundle, which takes a tenth of the time; bundles of full-precision models lie in BUNDLES/full. What the file
holds of other models, and of what else was run of the same weights, stays.

P2: the real audio-visual clips of RAVDESS fold 3, whose five actors are in no training or tuning set, together and by
person. `mer evaluate BUNDLE --data ravdess_pairs:PATH` runs the same.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mer_fusion.checkpoint import SHIPPED, Card, load_checkpoint
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.errors import RuntimeUnavailable
from mer_sdk.evaluation.datasets import TEST_FOLD, Clip, RavdessPairs, Selection, open_dataset
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.dialogues import DialogueReport
from mer_sdk.evaluation.evaluate import EvaluationOptions, EvaluationReport, evaluate

ROOT = Path(__file__).resolve().parents[3]
ROLES = ("full", "student")


def window_cards() -> dict[str, dict[str, Card]]:
    """Model -> role -> card of the shipped window models, in alphabetical order."""
    cards: dict[str, dict[str, Card]] = {}
    for path in sorted(SHIPPED.glob("*-*.safetensors")):
        card = load_checkpoint(path).card
        if card.dialogue is None:
            cards.setdefault(card.network.model, {})[card.role] = card
    return cards


def sources(
    model: str, bundles: Path, schemes: Iterable[str], in_torch: Sequence[str]
) -> Iterable[tuple[str, str, Path]]:
    """(role, what runs it, path) of everything there is of one model in the given schemes, TFLite first."""
    for role in in_torch:
        path = SHIPPED / f"{model}-{role}.safetensors"
        if path.exists():
            yield role, "torch", path
    for role, folder in (("full", bundles / "full"), ("student", bundles)):
        for scheme in schemes:
            found = folder.glob(f"{model}-*-{scheme}.mer")
            for path in sorted(found, key=lambda item: ("-tflite-" not in item.name, item.name)):
                yield role, path.stem.removeprefix(f"{model}-"), path


def measured(path: Path, clips: tuple[Clip, ...]) -> tuple[EvaluationReport, float]:
    """The report of one checkpoint or bundle on clips, and the seconds it took."""
    begun = time.perf_counter()
    bundle = Bundle.open(str(path))
    report = evaluate(bundle, clips, merge_labels(bundle.manifest.labels), EvaluationOptions())
    return report, time.perf_counter() - begun


def scores(report: EvaluationReport | DialogueReport) -> Any:
    """A report as JSON without its curves, which no table here shows."""
    return to_json(replace(report, results=tuple(replace(item, curves=None) for item in report.results)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="ravdess_pairs:PATH")
    parser.add_argument("--bundles", type=Path, default=ROOT / "bundles")
    parser.add_argument("--schemes", nargs="+", default=["fp32", "fp16"], help="of the bundles (default: fp32 fp16)")
    parser.add_argument("--torch", nargs="*", default=ROLES, help="roles that run in torch, too")
    parser.add_argument("--models", nargs="+", help="these alone (default: all that are shipped)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "p2.json")
    options = parser.parse_args()
    dataset = open_dataset(options.data)
    assert isinstance(dataset, RavdessPairs), "P2 is defined on RAVDESS's real pairs"
    clips = dataset.clips(Selection(folds=(TEST_FOLD,)))
    cards_of = {model: cards for model, cards in window_cards().items() if model in (options.models or [model])}
    wanted = [
        (model, *source)
        for model in cards_of
        for source in sources(model, options.bundles, options.schemes, options.torch)
    ]
    found: dict[str, list[dict[str, Any]]] = {model: [] for model in cards_of}
    for model, role, runs, path in sorted(wanted, key=lambda item: (item[1], item[2] != "torch")):
        try:
            report, seconds = measured(path, clips)
        except RuntimeUnavailable as error:
            print(f"{model}, {role}, {runs}: not run here ({error})", flush=True)
            continue
        warm = report.result("audio+face", "warm")
        print(f"{model}, {role}, {runs}: audio+face warm {100 * warm.uar:.1f} ({seconds:.0f} s)", flush=True)
        found[model].append({"role": role, "runs": runs, "seconds": round(seconds), "report": scores(report)})
        # After every row: what was measured is kept where a later one fails.
        save(options.out, {name: (rows, cards_of[name]) for name, rows in found.items() if rows})
    print(f"written: {options.out}", flush=True)


def save(out: Path, measured: Mapping[str, tuple[list[dict[str, Any]], Mapping[str, Card]]]) -> None:
    """Write rows and cards of models, and keep what the file holds of others and of the same weights."""
    models = json.loads(out.read_text())["models"] if out.exists() else {}
    for model, (rows, cards) in measured.items():
        before, new = models.get(model, {"rows": []}), {(row["role"], row["runs"]) for row in rows}
        kept = [
            row
            for row in before["rows"]
            if (row["role"], row["runs"]) not in new
            and before["training"][row["role"]]["sha256"] == cards[row["role"]].weights_sha256
        ]
        models[model] = {
            "rows": sorted([*rows, *kept], key=lambda row: row["role"]),
            "training": {
                role: {
                    "sha256": card.weights_sha256,
                    "parameters": card.parameters,
                    "seconds": card.training.get("seconds", {}),
                    "machine": card.training.get("machine", ""),
                    "temperature": card.decision.temperature,
                    "temperatures": {state: one.temperature for state, one in card.decision.states.items()},
                    "results": to_json(card.results),
                }
                for role, card in cards.items()
            },
        }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"protocol": "P2", "models": dict(sorted(models.items()))}, indent=1) + "\n")


if __name__ == "__main__":
    main()
