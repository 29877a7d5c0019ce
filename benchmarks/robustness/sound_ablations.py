"""What each choice in the training of audio encoders buys: level, corpora, conditions, votes, priors.

    python -m benchmarks.robustness.sound_ablations --data ravdess:PATH --data cremad_logmel:PATH
        --data cremad_votes:PATH --data indian_emospeech:PATH --data nemo:PATH [--share 0.3]

The student's audio encoder is trained with the head of training for a share of its usual length, once with all choices
and once without each of them. Four measures, each cold and with that head: RAVDESS's tuning fold (five actors whom no
variant learned from) as recorded, the same 20 dB quieter and through a telephone's band; and nEMO, another language,
which no variant learned from here. Differences are paired over clips. The running level is an ideal one: it knows the
mean energy of the whole clip from the first step.

Writes docs/results/sound_ablations.json and the table of docs/models/sound.md. Finished pieces are kept in --run-dir.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.results.result_tables import percent, points, table, write_result
from mer_fusion.encoders.audio import LogMel
from mer_fusion.training.fusion.data import LABELS, TUNING_FOLD, read_speech
from mer_fusion.training.fusion.recipe import student_recipe
from mer_fusion.training.held_out import right_aligned
from mer_fusion.training.loop import fit
from mer_fusion.training.speech.conditions import SoundConditions, telephone_band
from mer_fusion.training.speech.corpora import corpora_sets
from mer_fusion.training.speech.encoder import AudioLearner, AudioOptions, AudioTask, device_features
from mer_fusion.training.speech.spectra import SpeechSet, joined
from mer_sdk.evaluation.datasets import Ravdess, SpeechCorpus, open_dataset
from mer_sdk.evaluation.datasets.ravdess import fold_of
from mer_sdk.evaluation.metrics import bootstrap_interval, paired_bootstrap, uar

ROOT = Path(__file__).resolve().parents[2]
MARKERS = (
    "<!-- ablations: written by benchmarks/robustness/sound_ablations.py -->",
    "<!-- end of ablations -->",
)
_NATS = math.log(10) / 10
UNSEEN = "nemo"
# Of an epoch with all the corpora that are learned from here.
_BATCHES = 166
# Every variant is scored on every second clip.
_EVERY = 2


@dataclass(frozen=True)
class Variant:
    """One choice left out.

    Attributes:
        level: of the encoder.
        options: how it learns.
        corpora: whether further speech is learned from; votes: whether listeners' votes are.
        leveled: every clip is brought to one mean energy first, in training and scoring.
    """

    level: str = "chunk"
    options: AudioOptions = field(default_factory=AudioOptions)
    corpora: bool = True
    votes: bool = True
    leveled: bool = False


def _gain(decibels: float) -> AudioOptions:
    return AudioOptions(conditions=SoundConditions(gain_db=decibels))


SHIPPED = "as shipped"
VARIANTS = {
    SHIPPED: Variant(),
    "level as recorded": Variant(level="absolute", options=_gain(4.0)),
    "level as recorded, gain +-25 dB in training": Variant(level="absolute", options=_gain(25.0)),
    "ideal running level in the front end": Variant(level="absolute", options=_gain(3.0), leveled=True),
    "RAVDESS alone": Variant(corpora=False),
    "windows as recorded (no noise, room, line, masks)": Variant(
        options=AudioOptions(conditions=SoundConditions(untouched=1.0))
    ),
    "labels in place of votes": Variant(votes=False),
    "no logit adjustment": Variant(options=AudioOptions(prior_weight=0.0)),
}


def louder(speech: SpeechSet, decibels: float) -> SpeechSet:
    """The clips at another level; silence stays silence."""
    return _changed(speech, lambda mel: mel + decibels * _NATS)


def through_telephone(speech: SpeechSet) -> SpeechSet:
    """The clips between 300 and 3900 Hz."""
    return _changed(speech, lambda mel: mel + telephone_band(mel.shape[2], torch.full((1, 1, 1), 0.45)))


def leveled(speech: SpeechSet) -> SpeechSet:
    """Every clip at a mean energy of -30 dB over its frames that are within 22 dB of the loudest."""
    mel = speech.mel.clone()
    for row in mel:
        energy = torch.logsumexp(row, dim=1)
        loud = energy > energy.max() - 5.0
        mean = torch.logsumexp(row[loud].flatten(), dim=0) - math.log(int(loud.sum()) * row.shape[1])
        row[row > LogMel.silence + 1] += -30 * _NATS - mean
    return replace(speech, mel=mel.clamp(min=LogMel.silence))


def _changed(speech: SpeechSet, change: Callable[[Tensor], Tensor]) -> SpeechSet:
    mel = torch.where(speech.mel > LogMel.silence + 1, change(speech.mel), speech.mel)
    return replace(speech, mel=mel.clamp(min=LogMel.silence))


@torch.no_grad()
def answers(learner: AudioLearner, speech: SpeechSet) -> np.ndarray:
    """The class of every clip [N], cold, from its last window."""
    learner = learner.eval()
    windows, masks = zip(*[right_aligned(clip) for clip in device_features(learner.encoder, speech)], strict=True)
    cold = learner.population[None].expand(len(windows), -1)
    found: np.ndarray = learner.decide(torch.stack(windows), torch.stack(masks), cold).argmax(dim=1).numpy()
    return found


def trained(
    variant: Variant, name: str, sets: Sequence[SpeechSet], share: float, precision: str, run_dir: Path
) -> AudioLearner:
    """The learner of a variant, from RAVDESS's learning speakers first and further corpora."""
    recipe = student_recipe(0)
    if not variant.votes:
        sets = [replace(item, targets=F.one_hot(item.labels, len(LABELS)).float()) for item in sets]
    assert recipe.network.audio is not None, "a window model has an audio encoder"
    torch.manual_seed(0)
    learner = AudioLearner(replace(recipe.network.audio, level=variant.level), len(LABELS))
    task = AudioTask(learner.to(memory_format=torch.channels_last), joined(sets), None, variant.options)
    # All variants take as many batches as the one with all corpora.
    loop = recipe.audio_loop
    epochs = max(1, round(loop.epochs * share * _BATCHES / task.batches_per_epoch()))
    loop = replace(loop, epochs=epochs, warmup_epochs=0.1 * epochs, precision=precision, threads=1)
    fit(task, loop, run_dir / name, validate_every=epochs)
    return learner


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, help="NAME:PATH, once for each")
    parser.add_argument("--share", type=float, default=0.3, help="of the student's usual length; a tenth says little")
    parser.add_argument("--precision", choices=("no", "bf16"), default="no", help="of training; bf16 for matrix units")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS), help="variants")
    parser.add_argument("--run-dir", type=Path, default=ROOT / "runs" / "sound_ablations")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "sound_ablations.json")
    options = parser.parse_args()
    begun = time.perf_counter()
    opened = [open_dataset(spec) for spec in options.data]
    ravdess = next(item for item in opened if isinstance(item, Ravdess))
    unseen = next(item for item in opened if isinstance(item, SpeechCorpus) and item.name == UNSEEN)
    waves: list[np.ndarray] = []
    speech = read_speech(ravdess, waves)
    tuning = torch.tensor([fold_of(speaker) == TUNING_FOLD for speaker in speech.speakers.tolist()])
    learned = [wave for wave, held in zip(waves, tuning.tolist(), strict=True) if not held]
    others = corpora_sets([item for item in opened if item not in (ravdess, unseen)], LABELS, learned)
    (foreign,) = corpora_sets([unseen], LABELS, [])
    every = torch.arange(len(speech)) % _EVERY == 0
    tests = {"RAVDESS": speech.subset(tuning & every)}
    tests["20 dB quieter"] = louder(tests["RAVDESS"], -20.0)
    tests["telephone"] = through_telephone(tests["RAVDESS"])
    tests["nEMO"] = foreign.subset(torch.arange(len(foreign)) % (2 * _EVERY) == 0)
    found: dict[str, dict[str, np.ndarray]] = {}
    for name in options.only:
        variant = VARIANTS[name]
        sets = [speech.subset(~tuning), *(others if variant.corpora else ())]
        scored = tests
        if variant.leveled:
            sets, scored = [leveled(item) for item in sets], {key: leveled(item) for key, item in tests.items()}
        learner = trained(
            variant, str(list(VARIANTS).index(name)), sets, options.share, options.precision, options.run_dir
        )
        found[name] = {key: answers(learner, item) for key, item in scored.items()}
        shown = ", ".join(f"{key} {100 * uar(tests[key].labels.numpy(), run):.1f}" for key, run in found[name].items())
        print(f"{name}: {shown}", flush=True)
    result = {
        "share": options.share,
        "precision": options.precision,
        "clips": {key: len(item) for key, item in tests.items()},
        "variants": {name: _figures(found, name, tests) for name in found},
        "seconds": round(time.perf_counter() - begun),
    }
    write_result(result, options.out, ROOT / "docs" / "models" / "sound.md", MARKERS, ablation_table(result))


def _figures(
    found: dict[str, dict[str, np.ndarray]], name: str, tests: dict[str, SpeechSet]
) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {}
    for key, item in tests.items():
        labels, mine = item.labels.numpy(), found[name][key]
        interval = bootstrap_interval(labels, mine[None], "uar")
        paired = paired_bootstrap(labels, mine[None], found[SHIPPED][key][None], "uar")
        figures[key] = {
            "uar": round(100 * uar(labels, mine), 2),
            "interval": [round(100 * interval.low, 2), round(100 * interval.high, 2)],
            "difference": round(100 * paired.difference, 2),
            "difference_interval": [round(100 * paired.interval.low, 2), round(100 * paired.interval.high, 2)],
        }
    return figures


def ablation_table(result: dict[str, Any]) -> list[str]:
    """The table of docs/models/sound.md."""
    keys = list(result["clips"])
    rows = []
    for name, figures in result["variants"].items():
        cells = []
        for key in keys:
            one = figures[key]
            shown = percent(one["uar"], one["interval"])
            cells.append(shown if name == SHIPPED else f"{shown}; {points(one, interval='difference_interval')}")
        rows.append((name, *cells))
    lines = [
        f"UAR in % [95 % interval over clips], cold, of encoders trained for {100 * result['share']:.0f} % of the",
        "usual length; after the semicolon the paired difference from the first row, in points.",
        "",
    ]
    return [*lines, *table(("training", *(f"{key} ({result['clips'][key]} clips)" for key in keys)), rows)]


if __name__ == "__main__":
    main()
