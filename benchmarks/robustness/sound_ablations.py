"""What each choice in the training of audio encoders buys: level, corpora, conditions, votes, priors.

    python -m benchmarks.robustness.sound_ablations --data ravdess:PATH --data cremad_logmel:PATH
        --data cremad_votes:PATH --data indian_emospeech:PATH --data nemo:PATH --data speech_embedding:PATH
        [--share 0.3]

The student's audio encoder is trained with the head of training for a share of its usual length, once with all choices
and once without each of them, or with one that was not taken. Each measure is cold and with that head: RAVDESS's tuning
fold (five actors whom no variant learned from) as recorded and with its sound changed in each of a few ways; and nEMO,
another language, which no variant learned from here. Differences are paired over clips. The running level is an ideal
one: it knows the mean energy of the whole clip from the first step. `--table choices` is of residual blocks of random
weights, which were shipped before; `--table start` compares what encoders begin as.

Writes docs/results/sound_ablations.json or sound_start.json and a table of docs/models/sound.md. Finished pieces are
kept in --run-dir.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.results.result_tables import percent, points, table, write_result
from mer_fusion.encoders.audio import AudioEncoderConfig, LogMel
from mer_fusion.training.fusion.data import LABELS, TUNING_FOLD, read_speech
from mer_fusion.training.fusion.recipe import student_recipe
from mer_fusion.training.held_out import right_aligned
from mer_fusion.training.loop import LoopOptions, fit
from mer_fusion.training.speech.conditions import SoundConditions
from mer_fusion.training.speech.corpora import corpora_sets
from mer_fusion.training.speech.encoder import AudioLearner, AudioOptions, AudioTask, device_features
from mer_fusion.training.speech.spectra import SpeechSet, joined, make_speech_set
from mer_fusion.training.speech.speech_embedding import PublishedLayers, begin, published_layers
from mer_sdk.evaluation.datasets import Ravdess, SpeechCorpus, open_dataset
from mer_sdk.evaluation.datasets.ravdess import fold_of
from mer_sdk.evaluation.metrics import bootstrap_interval, paired_bootstrap, uar
from mer_sdk.evaluation.sound_changes import CHANGES

ROOT = Path(__file__).resolve().parents[2]
_NATS = math.log(10) / 10
UNSEEN, UNSEEN_COLUMN = "nemo", "nEMO"
# Of an epoch with all the corpora that are learned from here.
_BATCHES = 166
# Chunks overlap: with every eighth, not every fourth, a window takes half the time and more epochs fit into it.
_STRIDE = 8
# Every variant is scored on every second clip, changed in each of these ways.
_EVERY = 2
CONDITIONS = ("as recorded", "-20 dB", "8 kHz", "Opus 16 kbit/s", "noise at 10 dB", "large room (1.2 s)")


@dataclass(frozen=True)
class Variant:
    """One choice left out, or one more.

    Attributes:
        level: of the encoder.
        options: how it learns.
        corpora: whether further speech is learned from; votes: whether listeners' votes are.
        leveled: every clip is brought to one mean energy first, in training and scoring.
        coded: half of RAVDESS's clips go through the Opus codec first, in training.
        residual: residual blocks of random weights over chunks of 1.5 s, which were shipped before the speech embedding
            and of which the table is; else the recipe's encoder.
        published: whether the recipe's begins with the published layers.
    """

    level: str = "chunk"
    options: AudioOptions = field(default_factory=AudioOptions)
    corpora: bool = True
    votes: bool = True
    leveled: bool = False
    coded: bool = False
    residual: bool = True
    published: bool = True


_RESIDUAL = AudioEncoderConfig(
    frames=120, level="chunk", stem=16, channels=(32, 56, 88), blocks=(1, 1, 1), separable=False, features=64
)
_RESIDUAL_LOOP = LoopOptions(epochs=36)


def _under(conditions: SoundConditions) -> AudioOptions:
    return AudioOptions(conditions=conditions)


def _gain(decibels: float) -> AudioOptions:
    return _under(SoundConditions(gain_db=decibels))


VARIANTS = {
    "all choices": Variant(),
    "level as recorded": Variant(level="absolute", options=_gain(4.0)),
    "level as recorded, gain +-25 dB in training": Variant(level="absolute", options=_gain(25.0)),
    "ideal running level in the front end": Variant(level="absolute", options=_gain(3.0), leveled=True),
    "RAVDESS alone": Variant(corpora=False),
    "RAVDESS a fifth of the clips, as in the corpora": Variant(options=AudioOptions(first_share=0.2)),
    "windows as recorded (no noise, room, line, masks)": Variant(options=_under(SoundConditions(untouched=1.0))),
    "no noise": Variant(options=_under(SoundConditions(noise=0.0))),
    "no rooms": Variant(options=_under(SoundConditions(room=0.0))),
    "no coloured lines and telephones": Variant(options=_under(SoundConditions(line=0.0, telephone=0.0))),
    "no masks": Variant(options=_under(SoundConditions(bands_masked=0, frames_masked=0))),
    "and half of RAVDESS through Opus": Variant(coded=True),
    "labels in place of votes": Variant(votes=False),
    "no published teacher": Variant(options=AudioOptions(teacher_weight=0.0)),
    "no logit adjustment": Variant(options=AudioOptions(prior_weight=0.0)),
}
STARTS = {
    "as shipped: the published layers": Variant(residual=False),
    "the same layers, from random weights": Variant(residual=False, published=False),
    "residual blocks, from random weights": Variant(),
}


@dataclass(frozen=True)
class Table:
    """Variants that are compared, the first with each other one, and where they go: a file name and markers."""

    variants: Mapping[str, Variant]
    file: str
    markers: tuple[str, str]


TABLES = {
    "choices": Table(
        VARIANTS,
        "sound_ablations.json",
        ("<!-- ablations: written by benchmarks/robustness/sound_ablations.py -->", "<!-- end of ablations -->"),
    ),
    "start": Table(
        STARTS,
        "sound_start.json",
        ("<!-- start: written by benchmarks/robustness/sound_ablations.py -->", "<!-- end of start -->"),
    ),
}


def leveled(speech: SpeechSet) -> SpeechSet:
    """Every clip at a mean energy of -30 dB over its frames that are within 22 dB of the loudest."""
    mel = speech.mel.clone()
    for row in mel:
        energy = torch.logsumexp(row, dim=1)
        loud = energy > energy.max() - 5.0
        mean = torch.logsumexp(row[loud].flatten(), dim=0) - math.log(int(loud.sum()) * row.shape[1])
        row[row > LogMel.silence + 1] += -30 * _NATS - mean
    return replace(speech, mel=mel.clamp(min=LogMel.silence))


def with_sound(speech: SpeechSet, waves: Sequence[np.ndarray]) -> SpeechSet:
    """The same clips with the spectra of other sound, of the same lengths."""
    zeros, classes = [0] * len(speech), speech.targets.shape[1]
    return replace(speech, mel=make_speech_set(waves, zeros, zeros, speech.names, {}, classes).mel)


def half_coded(speech: SpeechSet, waves: Sequence[np.ndarray]) -> SpeechSet:
    """Every second clip through Opus at 16 kbit/s."""
    coded = CHANGES["Opus 16 kbit/s"]
    return with_sound(speech, [coded(wave) if number % 2 else wave for number, wave in enumerate(waves)])


@torch.no_grad()
def answers(learner: AudioLearner, speech: SpeechSet) -> np.ndarray:
    """The class of every clip [N], cold, from its last window."""
    learner = learner.eval()
    windows, masks = zip(*[right_aligned(clip) for clip in device_features(learner.encoder, speech)], strict=True)
    cold = learner.population[None].expand(len(windows), -1)
    found: np.ndarray = learner.decide(torch.stack(windows), torch.stack(masks), cold).argmax(dim=1).numpy()
    return found


def trained(
    variant: Variant,
    name: str,
    sets: Sequence[SpeechSet],
    published: PublishedLayers | None,
    share: float,
    precision: str,
    run_dir: Path,
) -> AudioLearner:
    """The learner of a variant, from RAVDESS's learning speakers first and further corpora."""
    recipe = student_recipe(0)
    if not variant.votes:
        sets = [replace(item, targets=F.one_hot(item.labels, len(LABELS)).float()) for item in sets]
    shape = _RESIDUAL if variant.residual else recipe.network.audio
    assert shape is not None, "a window model has an audio encoder"
    torch.manual_seed(0)
    learner = AudioLearner(replace(shape, level=variant.level), len(LABELS))
    learning = joined(sets)
    begin(learner.encoder, published if variant.published else None, learning)
    task = AudioTask(
        learner.to(memory_format=torch.channels_last), learning, None, replace(variant.options, stride=_STRIDE)
    )
    # All variants take as many batches as the one with all corpora.
    loop = _RESIDUAL_LOOP if variant.residual else recipe.audio_loop
    epochs = max(1, round(loop.epochs * share * _BATCHES / task.batches_per_epoch()))
    loop = replace(loop, epochs=epochs, warmup_epochs=0.1 * epochs, precision=precision, threads=1)
    fit(task, loop, run_dir / name, validate_every=epochs)
    return learner


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, help="NAME:PATH, once for each")
    parser.add_argument("--share", type=float, default=0.3, help="of the student's usual length; a tenth says little")
    parser.add_argument("--precision", choices=("no", "bf16"), default="no", help="of training; bf16 for matrix units")
    parser.add_argument("--table", choices=list(TABLES), default="choices", help="what is varied")
    parser.add_argument("--run-dir", type=Path, default=ROOT / "runs" / "sound_ablations")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results", help="folder of the figures")
    options = parser.parse_args()
    chosen = TABLES[options.table]
    begun = time.perf_counter()
    published, data = published_layers(options.data)
    opened = [open_dataset(spec) for spec in data]
    ravdess = next(item for item in opened if isinstance(item, Ravdess))
    unseen = next(item for item in opened if isinstance(item, SpeechCorpus) and item.name == UNSEEN)
    waves: list[np.ndarray] = []
    speech = read_speech(ravdess, waves)
    tuning = torch.tensor([fold_of(speaker) == TUNING_FOLD for speaker in speech.speakers.tolist()])
    learned = [wave for wave, held in zip(waves, tuning.tolist(), strict=True) if not held]
    scored_clips = tuning & (torch.arange(len(speech)) % _EVERY == 0)
    scored_waves = [wave for wave, held in zip(waves, scored_clips.tolist(), strict=True) if held]
    others = corpora_sets([item for item in opened if item not in (ravdess, unseen)], LABELS, learned)
    (foreign,) = corpora_sets([unseen], LABELS, [])
    tests: dict[str, SpeechSet] = {}
    for name in CONDITIONS:
        changed = [CHANGES[name](wave) for wave in scored_waves]
        tests[name] = with_sound(speech.subset(scored_clips), changed)
    tests[UNSEEN_COLUMN] = foreign.subset(torch.arange(len(foreign)) % (2 * _EVERY) == 0)
    found: dict[str, dict[str, np.ndarray]] = {}
    for number, (name, variant) in enumerate(chosen.variants.items()):
        own = half_coded(speech.subset(~tuning), learned) if variant.coded else speech.subset(~tuning)
        sets = [own, *(others if variant.corpora else ())]
        scored = tests
        if variant.leveled:
            sets, scored = [leveled(item) for item in sets], {key: leveled(item) for key, item in tests.items()}
        learner = trained(
            variant,
            f"{options.table}-{number}",
            sets,
            published,
            options.share,
            options.precision,
            options.run_dir,
        )
        found[name] = {key: answers(learner, item) for key, item in scored.items()}
        shown = ", ".join(f"{key} {100 * uar(tests[key].labels.numpy(), run):.1f}" for key, run in found[name].items())
        print(f"{name}: {shown}", flush=True)
        result = {
            "share": options.share,
            "stride": _STRIDE,
            "precision": options.precision,
            "clips": {key: len(item) for key, item in tests.items()},
            "variants": {name: _figures(found, name, tests) for name in found},
            "seconds": round(time.perf_counter() - begun),
        }
        page = ROOT / "docs" / "models" / "sound.md"
        write_result(result, options.out / chosen.file, page, chosen.markers, ablation_table(result))


def _figures(
    found: dict[str, dict[str, np.ndarray]], name: str, tests: dict[str, SpeechSet]
) -> dict[str, dict[str, Any]]:
    reference, figures = next(iter(found)), {}
    for key, item in tests.items():
        labels, mine = item.labels.numpy(), found[name][key]
        interval = bootstrap_interval(labels, mine[None], "uar")
        paired = paired_bootstrap(labels, mine[None], found[reference][key][None], "uar")
        figures[key] = {
            "uar": round(100 * uar(labels, mine), 2),
            "interval": [round(100 * interval.low, 2), round(100 * interval.high, 2)],
            "difference": round(100 * paired.difference, 2),
            "difference_interval": [round(100 * paired.interval.low, 2), round(100 * paired.interval.high, 2)],
        }
    return figures


def ablation_table(result: dict[str, Any]) -> list[str]:
    """The table of docs/models/sound.md."""
    keys, reference = list(result["clips"]), next(iter(result["variants"]))
    rows = []
    for name, figures in result["variants"].items():
        cells = []
        for key in keys:
            one = figures[key]
            shown = percent(one["uar"], one["interval"])
            cells.append(shown if name == reference else f"{shown}; {points(one, interval='difference_interval')}")
        rows.append((name, *cells))
    lines = [
        f"UAR in % [95 % interval over clips], cold, of encoders trained for {100 * result['share']:.0f} % of the",
        "usual length; after the semicolon the paired difference from the first row, in points. The first columns are",
        f"{result['clips'][CONDITIONS[0]]} clips of five RAVDESS actors whom no row learned from; the last holds",
        f"{result['clips'][UNSEEN_COLUMN]} clips of Polish, a language that no row learned from.",
        "",
    ]
    return [*lines, *table(("training", *keys), rows)]


if __name__ == "__main__":
    main()
