"""Protocol P4: how sure AMB-DSGDN may say that it is, on MELD dev.

    python -m benchmarks.accuracy.dialogues.confidence [CHECKPOINT ...] --data meld:PATH

Writes docs/results/p4_confidence.json. Every utterance is answered when it is said. "plain" is the network without a
temperature; "fitted" judges each dialogue by the temperature and threshold that the other dialogues gave (as
`mer calibrate` fits them), so that no answer is judged by what was fitted to it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mer_fusion.checkpoint import load_checkpoint, shipped_checkpoint
from mer_fusion.dialogue_answers import TEXT, dialogue_answers, dialogues_to_ask
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.manifest import StateDecision
from mer_sdk.evaluation.calibration import calibration_of, cross_fitted

ROOT = Path(__file__).resolve().parents[3]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="*", type=Path, help="default: the shipped student")
    parser.add_argument("--data", required=True, help="meld:PATH with dev_sent_emo.csv")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "p4_confidence.json")
    options = parser.parse_args()
    result = {"models": {}}
    for path in options.checkpoints or [shipped_checkpoint("amb_dsgdn")]:
        card = load_checkpoint(path).card
        asked = dialogues_to_ask(options.data, card)
        answers = dialogue_answers(path, asked.dialogues)[TEXT]
        decision = card.decision.of(TEXT)
        result["models"][path.stem] = {
            "sha256": card.weights_sha256,
            "data": asked.data,
            "temperature": decision.temperature,
            "threshold": decision.abstention_threshold,
            "plain": to_json(calibration_of(answers, StateDecision())),
            "fitted": to_json(cross_fitted(answers)),
        }
        print(f"{path.stem}: {result['models'][path.stem]}", flush=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written: {options.out}", flush=True)


if __name__ == "__main__":
    main()
