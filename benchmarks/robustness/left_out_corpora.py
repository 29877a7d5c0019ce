"""Protocol P5, leave one corpus out: how an audio encoder does on each corpus that others learn from.

    python -m benchmarks.robustness.left_out_corpora --data ravdess:PATH --data cremad_logmel:PATH
        --data cremad_votes:PATH --data indian_emospeech:PATH --data nemo:PATH --data speech_embedding:PATH
        [--share 0.25]

For each corpus the student's audio encoder is trained with the head of training on all others, for a share of its usual
length, and asked about it: cold and warm, by that head, UAR over the classes that the corpus has. RAVDESS is the
speakers that networks are trained on; the test fold stays out. CREMA-D is there as spectra of another kind, which are
brought to ours by a map fitted to RAVDESS's sound, without its labels.

Writes docs/results/left_out_corpora.json and the table of docs/models/sound.md. Finished trainings are in --run-dir.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.results.figures import accuracy_figure
from benchmarks.results.result_tables import Json, percent, prose, table, write_result
from benchmarks.robustness.sound_ablations import Variant, trained
from mer_fusion.training.fusion.data import LABELS, read_speech
from mer_fusion.training.held_out import held_out
from mer_fusion.training.speech.corpora import corpora_sets
from mer_fusion.training.speech.encoder import AudioLearner, device_features
from mer_fusion.training.speech.spectra import SpeechSet
from mer_fusion.training.speech.speech_embedding import published_layers
from mer_sdk.evaluation.datasets import CremadLogMel, CremadVotes, Ravdess, SpeechCorpus, open_dataset

ROOT = Path(__file__).resolve().parents[2]
MARKERS = (
    "<!-- left out: written by benchmarks/robustness/left_out_corpora.py -->",
    "<!-- end of left out -->",
)
# Of a corpus at most so many clips are scored, evenly taken.
_MOST = 600


@torch.no_grad()
def scored(learner: AudioLearner, corpus: SpeechSet) -> dict[str, Any]:
    """UAR in % with intervals, cold and warm, of the classes that a corpus has."""
    some = corpus.subset(torch.arange(len(corpus)) % -(-len(corpus) // _MOST) == 0)
    learner, lacking = learner.eval(), corpus.shares[0] == 0

    def decide(windows: Tensor, mask: Tensor, baselines: Tensor) -> Tensor:
        return learner.decide(windows, mask, baselines).masked_fill(lacking, -torch.inf)

    features = device_features(learner.encoder, some)
    found = held_out(features, some.labels, some.speakers, decide, learner.population, len(LABELS))
    labels, said = some.labels.numpy(), found.predicted.numpy()
    return {
        "speakers": len(torch.unique(some.speakers)),
        "classes": int((~lacking).sum()),
        "cold": accuracy_figure(labels, said[:1]),
        "warm": accuracy_figure(labels, said[1:]),
    }


def section(result: Json) -> list[str]:
    """The table of docs/models/sound.md."""
    lines = prose(
        f"UAR in % [95 % interval over clips] of encoders that learned from the other corpora for "
        f"{100 * result['share']:.0f} % of the usual length, one run each, of the classes that the corpus has."
    )
    rows = [
        (
            name,
            str(one["classes"]),
            f"{100 / one['classes']:.0f}",
            f"{one['cold']['clips']} of {one['speakers']}",
            *(percent(one[protocol]["uar"], one[protocol]["uar_interval"]) for protocol in ("cold", "warm")),
        )
        for name, one in result["corpora"].items()
    ]
    return lines + table(("corpus", "classes", "by chance", "clips of speakers", "cold", "warm"), rows)


def open_corpora(specs: Sequence[str]) -> dict[str, SpeechSet]:
    """Title -> clips of each corpus that is learned from, RAVDESS first."""
    opened = [open_dataset(spec) for spec in specs]
    ravdess = next(item for item in opened if isinstance(item, Ravdess))
    waves: list[np.ndarray] = []
    speech = read_speech(ravdess, waves)
    votes = [item for item in opened if isinstance(item, CremadVotes)]
    corpora = {"RAVDESS": speech}
    for item in opened:
        if isinstance(item, CremadLogMel | SpeechCorpus):
            theirs = votes if isinstance(item, CremadLogMel) else []
            (corpora[item.title],) = corpora_sets([item, *theirs], LABELS, waves)
    return corpora


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, help="NAME:PATH, once for each")
    parser.add_argument("--share", type=float, default=0.25, help="of the student's usual length")
    parser.add_argument("--precision", choices=("no", "bf16"), default="no", help="of training; bf16 for matrix units")
    parser.add_argument("--run-dir", type=Path, default=ROOT / "runs" / "left_out_corpora")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "left_out_corpora.json")
    options = parser.parse_args()
    published, data = published_layers(options.data)
    corpora = open_corpora(data)
    found: dict[str, Any] = {}
    for number, (name, corpus) in enumerate(corpora.items()):
        begun = time.perf_counter()
        others = [item for other, item in corpora.items() if other != name]
        # Without RAVDESS no corpus comes first: each gives as many clips.
        variant = Variant(residual=False)
        if not number:
            variant = replace(variant, options=replace(variant.options, first_share=1 / len(others)))
        names = "\n".join(text for item in others for text in item.names)
        folder = f"{number}-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
        learner = trained(variant, folder, others, published, options.share, options.precision, options.run_dir)
        found[name] = scored(learner, corpus)
        shown = ", ".join(f"{protocol} {found[name][protocol]['uar']:.1f}" for protocol in ("cold", "warm"))
        print(f"without {name}: {shown} ({time.perf_counter() - begun:.0f} s)", flush=True)
        result = {"share": options.share, "precision": options.precision, "corpora": found}
        write_result(result, options.out, ROOT / "docs" / "models" / "sound.md", MARKERS, section(result))


if __name__ == "__main__":
    main()
