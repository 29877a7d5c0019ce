"""A checkpoint adapted to one's own clips: learned, judged on clips left out, and written only where it is better."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mer_fusion.calibration import LEAST_CLIPS
from mer_fusion.checkpoint import Card, Checkpoint, load_checkpoint, save_checkpoint
from mer_fusion.training.adapt.learning import HEAD, AdaptOptions
from mer_fusion.training.adapt.parts import Progress, Work
from mer_fusion.training.adapt.recorded import Windows, encoding_engine, only, people_of, record
from mer_fusion.training.cards import checkpoint_path
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.manifest import DataSource, Decision
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.calibration import fitted_decision
from mer_sdk.evaluation.datasets import Clip, LeftOut, OwnClips, RavdessPairs, Selection, open_dataset
from mer_sdk.evaluation.datasets.own.folders import TEST
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.features import ClipFeatures, detector_of, encode_clip
from mer_sdk.evaluation.metrics import Interval

LEAST_OF_LABEL = 3
MOST_LOST = 0.02


@dataclass(frozen=True)
class HeldOutComparison:
    """What was shown and how it was answered, before and after; UAR over the labels that the clips have.

    Attributes:
        what: which clips, and what of them was shown.
        clips: how many.
        before, after: UAR with 95 % intervals over clips, 0-1.
        difference: after minus before, paired, with its interval.
        required: the least difference with which the adapted network is written.
    """

    what: str
    clips: int
    before: float
    before_interval: Interval
    after: float
    after_interval: Interval
    difference: float
    difference_interval: Interval
    required: float

    @property
    def passed(self) -> bool:
        """Whether the difference is at least what is required."""
        return self.difference >= self.required


@dataclass(frozen=True)
class Adaptation:
    """What came out.

    Attributes:
        checkpoint: as written, None where it was refused.
        level: what learned, "head" or "fusion".
        learned, held_out: clips that were learned from, and how the others were chosen, in words.
        judged: own clips, one entry for each thing that can be shown, and the check's clips.
        decision: fitted to the answers on clips left out.
        left_out: clips that could not be used, and why.
    """

    checkpoint: Path | None
    level: str
    learned: int
    held_out: str
    judged: tuple[HeldOutComparison, ...]
    decision: Decision
    left_out: tuple[LeftOut, ...]


def adapt(
    checkpoint: Path,
    data: str,
    out: Path,
    check_data: str = "",
    names: Mapping[str, str] | None = None,
    options: AdaptOptions | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Adaptation:
    """Adapt a window model to own clips and write it to `out`, unless it is worse than before.

    Clips of the split "test" are learned from by nobody and judge; where there are none, the clips judge in parts, each
    part by what was learned from the others, and then all are learned from. They are judged over the baselines that the
    model has before; those of the check are over each model's own.

    Args:
        data: "clips:PATH"; names: label of the table -> label of the model.
        check_data: "ravdess_pairs:PATH", whose test fold must not suffer; "" leaves that out.

    Raises:
        OptionError: another data set, a dialogue model, or a file name that is no checkpoint's.
        DataError: too few clips, fewer than two labels, or files that cannot be read.
        CheckpointError: the checkpoint cannot be read.
    """
    options = options or AdaptOptions()
    checkpoint_path(out)
    source = load_checkpoint(checkpoint)
    if source.card.dialogue is not None or source.card.network.audio is None or source.card.network.face is None:
        raise OptionError(f"{checkpoint} is no window model with both encoders, which are what is adapted here")
    dataset = open_dataset(data, dict(names or {}))
    if not isinstance(dataset, OwnClips):
        raise OptionError(f"--data {data}: a model is adapted to clips of your own; give clips:PATH")
    checks = _check_clips(check_data)
    chosen = dataset.select(source.card.labels)
    _enough([clip for clip in chosen.clips if clip.split != TEST], dataset.path)
    encoded, failed = _encoded(source, chosen.clips, "your clips", progress)
    clips = [item.clip for item in encoded]
    _enough([clip for clip in clips if clip.split != TEST], dataset.path)
    truth = [source.card.labels.index(clip.label) for clip in clips]
    windows = record(source, encoded, truth, seed=options.seed)
    work = Work(source, windows, clips, options, progress)
    crossed, held_out = work.judged_logits()
    adapted = replace(source, network=copy.deepcopy(source.network))
    adapted.network.fusion = work.learned(work.learning)
    before = windows.logits(source.network.fusion).numpy()
    judged = [
        _judged(f"your clips, {shown} shown", windows, truth, before, crossed, shown, work.judging, 0.0)
        for shown in dict.fromkeys(windows.shown)
    ]
    # The most that the clips can show comes first, and is what must not get worse.
    judged = [judged[0], *(replace(item, required=-1.0) for item in judged[1:])]
    if checks:
        judged += _check(source, adapted, checks, options, progress)
    people = people_of(clips)
    rows = work.rows(work.judging).numpy()
    decision = fitted_decision(only(windows, rows).answers(crossed[rows], people))
    found = Adaptation(
        None, work.level, len(work.learning), held_out, tuple(judged), decision, (*chosen.left_out, *failed)
    )
    if not all(item.passed for item in judged):
        return found
    save_checkpoint(adapted.network.eval(), _card(source, dataset, clips, found, check_data, out), out)
    return replace(found, checkpoint=out)


def _judged(
    what: str,
    windows: Windows,
    truth: Sequence[int],
    before: np.ndarray,
    after: np.ndarray,
    shown: str,
    clips: Sequence[int],
    required: float,
) -> HeldOutComparison:
    part = np.flatnonzero(np.isin(windows.clips.numpy(), list(clips)))
    some = only(windows, part)
    there, old = some.clip_labels(before[part], shown)
    _, new = some.clip_labels(after[part], shown)
    right = np.array(truth)[there]
    paired = metrics.paired_bootstrap(right, new, old)
    return HeldOutComparison(
        what,
        len(there),
        metrics.uar(right, old),
        metrics.bootstrap_interval(right, old, "uar"),
        metrics.uar(right, new),
        metrics.bootstrap_interval(right, new, "uar"),
        paired.difference,
        paired.interval,
        required,
    )


def _check_clips(check_data: str) -> tuple[Clip, ...]:
    if not check_data:
        return ()
    dataset = open_dataset(check_data)
    if not isinstance(dataset, RavdessPairs):
        raise OptionError(f"--check-data {check_data}: what a model must not lose is measured on ravdess_pairs:PATH")
    return tuple(dataset.clips(Selection(folds=dataset.tested_folds)))


def _check(
    source: Checkpoint, adapted: Checkpoint, clips: Sequence[Clip], options: AdaptOptions, progress: Progress
) -> list[HeldOutComparison]:
    """The test fold before and after: at most `MOST_LOST` may be lost with sound and face."""
    encoded, _ = _encoded(source, clips, "clips of --check-data", progress)
    labels = merge_labels(source.card.labels)
    truth = [source.card.labels.index(labels[item.clip.label]) for item in encoded]
    # Each network meets windows over the baselines that its own answers lead to.
    windows = record(source, encoded, truth, seed=options.seed)
    before = windows.logits(source.network.fusion).numpy()
    after = record(adapted, encoded, truth, seed=options.seed).logits(adapted.network.fusion).numpy()
    everyone = range(len(encoded))
    found = [
        _judged(f"test clips of RAVDESS, {shown} shown", windows, truth, before, after, shown, everyone, -MOST_LOST)
        for shown in dict.fromkeys(windows.shown)
    ]
    return [found[0], *(replace(item, required=-1.0) for item in found[1:])]


def _encoded(
    source: Checkpoint, clips: Sequence[Clip], what: str, progress: Progress
) -> tuple[list[ClipFeatures], list[LeftOut]]:
    engine, found, left = encoding_engine(source), [], []
    detector = detector_of(clips)
    for number, clip in enumerate(clips):
        progress(f"encoding {what}", number, len(clips))
        try:
            item = encode_clip(clip, engine, detector=detector)
        except DataError as error:
            left.append(LeftOut.because(clip, error))
            continue
        if any(step.audio is not None or step.face is not None for step in item.steps):
            found.append(item)
        else:
            left.append(LeftOut(clip.id, "neither sound nor a face was found in it"))
    progress(f"encoding {what}", len(clips), len(clips))
    return found, left


def _enough(clips: Sequence[Clip], path: Path) -> None:
    counts = {label: sum(clip.label == label for clip in clips) for label in {clip.label for clip in clips}}
    rare = sorted(label for label, count in counts.items() if count < LEAST_OF_LABEL)
    if len(clips) < LEAST_CLIPS or len(counts) < 2 or rare:
        said = ", ".join(f"{count} {label}" for label, count in sorted(counts.items())) or "none"
        raise DataError(
            f"{path} has {len(clips)} clips to learn from ({said}); needed are {LEAST_CLIPS} of at least 2 labels, and "
            f"{LEAST_OF_LABEL} of each: label more, or map rare labels to others with --labels"
        )


def _card(
    source: Checkpoint, dataset: OwnClips, clips: Sequence[Clip], found: Adaptation, check_data: str, out: Path
) -> Card:
    card = source.card
    counts = {label: sum(clip.label == label for clip in clips) for label in sorted({clip.label for clip in clips})}
    facts: dict[str, Any] = {
        "from": card.name,
        "from_sha256": source.sha256,
        "level": found.level,
        "clips": counts,
        "people": len({clip.speaker for clip in clips}),
        "learned": found.learned,
        "held_out": found.held_out,
    }
    checked = "" if check_data else " What it lost on other people was not measured: --check-data was not given."
    part = "last layer of the fusion" if found.level == HEAD else "fusion"
    own = DataSource(f"own clips ({dataset.path.name})", dataset.licence, f"{part}, adapted")
    return replace(
        card,
        name=out.stem,
        data=(*card.data, own),
        # States that the clips cannot be in keep what they had.
        decision=replace(found.decision, states={**card.decision.states, **found.decision.states}),
        training={**card.training, "adapted": facts},
        results={**card.results, "adaptation": [to_json(item) for item in found.judged]},
        notes=(*card.notes, f"Adapted to {found.learned} own clips: the {part} learned from them.{checked}"),
        parts_from={},
        distillation=None,
    )
