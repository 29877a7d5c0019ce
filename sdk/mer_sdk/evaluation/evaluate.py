"""Accuracy of a bundle on labelled clips, per modality state and baseline protocol, on any machine that runs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.conditions import (
    ConditionPredictions,
    check_enrolment,
    clip_log_probabilities,
    predict,
)
from mer_sdk.evaluation.data_check import few_clips
from mer_sdk.evaluation.datasets.clip import Clip, LeftOut
from mer_sdk.evaluation.datasets.ravdess import TAUGHT_FOLDS, TEST_FOLD
from mer_sdk.evaluation.features import detector_of, encode_clip
from mer_sdk.evaluation.omissions import Omissions, possible_protocols, possible_states
from mer_sdk.evaluation.scores import AllLabels, ConditionResult, EvaluationOptions, EvaluationReport, summarise
from mer_sdk.runtimes import runtime_note
from mer_sdk.window.engine import StepEngine

__all__ = [
    "AllLabels",
    "ConditionResult",
    "EvaluationOptions",
    "EvaluationReport",
    "Progress",
    "clip_log_probabilities",
    "evaluate",
    "predict_clips",
    "report_of",
    "summarise",
]

# Called with what is being done, how many are done, and how many there are.
Progress = Callable[[str, int, int], None]


def evaluate(
    bundle: Bundle,
    clips: Sequence[Clip],
    labels: Mapping[str, str],
    options: EvaluationOptions | None = None,
    progress: Progress | None = None,
    omissions: Omissions | None = None,
) -> EvaluationReport:
    """Score a bundle on labelled clips.

    Args:
        bundle: with the graphs audio, face and fusion.
        clips: not empty.
        labels: label of the clips -> label of the bundle (for RAVDESS `ravdess.merge_labels`).
        options: None for the defaults.
        progress: called as the work goes on.
        omissions: where it is given, few clips are noted, and what cannot be done is left out and noted there: clips
            that cannot be read, states that no clip holds, protocols that no person (or, for "enrolled", this person)
            can have.

    Raises:
        OptionError: an unknown state, protocol or runtime.
        DataError: no clips, a clip's file that cannot be read, or a label that is not in `labels`.
    """
    chosen = options or EvaluationOptions()
    known = bundle.manifest.labels
    unlabelled = next((clip for clip in clips if labels.get(clip.label) not in known), None)
    if unlabelled is not None:
        raise DataError(
            f"clip {unlabelled.id} is labelled {unlabelled.label!r}, which is none of the bundle's labels "
            f"({', '.join(known)}); give a mapping or leave the clip out"
        )
    if omissions is None and "enrolled" in chosen.protocols:
        check_enrolment(clips, chosen.enrol_clips)
    predictions, steps = predict_clips(bundle, clips, chosen, progress, omissions)
    return report_of(bundle, clips, labels, chosen, predictions, steps, omissions)


def report_of(
    bundle: Bundle,
    clips: Sequence[Clip],
    labels: Mapping[str, str],
    options: EvaluationOptions,
    predictions: Sequence[ConditionPredictions],
    steps: int,
    omissions: Omissions | None = None,
) -> EvaluationReport:
    """The scores of what `predict_clips` gave; arguments as for `evaluate`, every label of the clips in `labels`."""
    manifest = bundle.manifest
    left = omissions or Omissions()
    lost = {item.clip for item in left.clips}
    clips = [clip for clip in clips if clip.id not in lost]
    truth = {clip.id: manifest.labels.index(labels[clip.label]) for clip in clips}
    people = {clip.id: clip.speaker for clip in clips}
    meant = set(labels.values())
    counts = Counter(labels[clip.label] for clip in clips)
    held = np.array([label in meant for label in manifest.labels])
    return EvaluationReport(
        bundle=manifest.name,
        model=manifest.model,
        target=manifest.target,
        scheme=manifest.scheme,
        runtime=bundle.chosen_runtime(options.runtime),
        labels=manifest.labels,
        merged=dict(labels),
        speakers=tuple(sorted({clip.speaker for clip in clips})),
        clips=len(clips),
        steps=steps,
        options=options,
        results=tuple(summarise(item, truth, people, manifest.labels, options, held) for item in predictions),
        note=runtime_note(bundle.chosen_runtime(options.runtime)),
        names={str(clip.speaker): clip.person for clip in clips if clip.person},
        left_out=tuple(left.clips),
        omitted=(*left.notes, *(few_clips(counts) if omissions is not None else ())),
        caution=_caution(clips),
    )


def _caution(clips: Sequence[Clip]) -> str:
    """A sentence on people from whom the shipped models learned, "" where these clips are of nobody of them."""
    people = {clip.speaker for clip in clips}
    known = {clip.speaker for clip in clips if clip.fold in TAUGHT_FOLDS}
    if not known:
        return ""
    return (
        f"the shipped models learned from {len(known)} of these {len(people)} people: of strangers less is right; "
        f"--folds {TEST_FOLD} scores people whom they have not met"
    )


def predict_clips(
    bundle: Bundle,
    clips: Sequence[Clip],
    options: EvaluationOptions,
    progress: Progress | None = None,
    omissions: Omissions | None = None,
) -> tuple[list[ConditionPredictions], int]:
    """The predictions behind `evaluate`, and the number of steps; for comparing two bundles clip by clip.

    Raises:
        As `evaluate`.
    """
    if not clips:
        raise DataError("there are no clips to evaluate; give a selection that fits some")
    report = progress or (lambda what, done, total: None)
    missing = [name for name in ("audio", "face") if name not in bundle.manifest.graphs]
    if missing:
        raise OptionError(f"{bundle.name} has no {missing[0]} graph; evaluation needs an audio-visual window model")
    protocols = options.protocols if omissions is None else possible_protocols(options.protocols, clips, omissions)
    engine = StepEngine(bundle, options.runtime, options.threads)
    detector = detector_of(clips)
    encoded = []
    for index, clip in enumerate(clips):
        report("encoding clips", index, len(clips))
        try:
            encoded.append(encode_clip(clip, engine, options.track_scale, detector))
        except DataError as error:
            if omissions is None:
                raise
            omissions.clips.append(LeftOut.because(clip, error))
    report("encoding clips", len(clips), len(clips))
    states = options.states if omissions is None else possible_states(options.states, encoded, omissions)
    runs = sum(options.orders if protocol == "warm" else 1 for protocol in protocols)
    total, done = len(encoded) * runs * len(states), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        report("fusing", done, total)

    predictions = predict(
        encoded,
        engine,
        states,
        protocols,
        orders=options.orders,
        enrol_clips=options.enrol_clips,
        seed=options.seed,
        advance=advance,
    )
    # Enrolment clips and skipped ones are not run, so the count may have stopped short of the total.
    report("fusing", total, total)
    return predictions, sum(len(item.steps) for item in encoded)
