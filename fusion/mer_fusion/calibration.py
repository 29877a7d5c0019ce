"""Temperature and abstention threshold of each modality state, fitted on people whom a network has not met.

A network that has learned from everybody at hand is as sure of them as of nobody else. So the one that answers may be
another of the same shape, which learned without the people who are asked: `mer train` and `mer distill` make it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mer_fusion.checkpoint import Card, Checkpoint, load_checkpoint, save_checkpoint, write_card
from mer_fusion.dialogue_answers import NOT_FITTED, dialogue_answers, dialogues_to_ask
from mer_fusion.torch_bundle import open_checkpoint
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.manifest import Decision
from mer_sdk.errors import DataError, OptionError, counted
from mer_sdk.evaluation.calibration import (
    StateAnswers,
    StateCalibration,
    calibration_of,
    cross_fitted,
    evaluable_states,
    fitted_decision,
    state_answers,
)
from mer_sdk.evaluation.datasets import TEST_FOLD, Clip, OwnClips, RavdessPairs, Selection, open_dataset
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.datasets.registry import OWN
from mer_sdk.evaluation.features import detector_of, encode_clip
from mer_sdk.window.engine import StepEngine

# Its speakers are those on whom settings are chosen; see `mer_fusion.training.fusion.data`.
TUNING_FOLD = 0
CONFIDENCE = "confidence"
ORDERS = 2
# Of one's own, to fit or to adapt to: fewer are mostly all right or all wrong, and nothing can be read from them.
LEAST_CLIPS = 20
Progress = Callable[[str, float, float], None]


@dataclass(frozen=True)
class Calibration:
    """A fitted decision and what it is worth.

    Attributes:
        decision: for the card.
        before: state -> the answers with the decision that the checkpoint had.
        after: state -> the answers with what was fitted on the other people; empty where there is one person.
        clips, people: how many; of a dialogue model utterances and dialogues.
        data: which clips, in words.
        dialogue: whether it is a dialogue model's.
    """

    decision: Decision
    before: dict[str, StateCalibration]
    after: dict[str, StateCalibration]
    clips: int
    people: int
    data: str
    dialogue: bool = False


def calibrate(
    checkpoint: Path,
    data: str,
    unseen: Path | None = None,
    names: Mapping[str, str] | None = None,
    split: str = "",
    progress: Progress = lambda what, done, total: None,
    out: Path | None = None,
) -> Calibration:
    """Fit the decision of a checkpoint and write it onto its card; the weights stay as they are.

    Args:
        checkpoint: whose card is written, where there is no `out`.
        data: "ravdess_pairs:PATH", of which the tuning fold is taken, or "clips:PATH"; for a dialogue model
            "meld:PATH", of which dev is taken, or "clips:PATH" with texts.
        unseen: a checkpoint of the same shape that has not learned from the people asked; None asks `checkpoint`.
        names, split: of own clips, see `mer_sdk.evaluation.datasets.OwnClips`.
        out: a copy of the checkpoint, with all of its parts, whose card is written in place of the other.

    Raises:
        OptionError: another data set, a checkpoint that has learned from these people, or `unseen` of another shape.
        DataError: fewer than `LEAST_CLIPS` clips of one's own, or a file cannot be read.
        CheckpointError: the checkpoint cannot be read.
    """
    target = load_checkpoint(checkpoint)
    asked = load_checkpoint(unseen) if unseen else target
    _check(target.card, asked.card, checkpoint, unseen)
    fit = _dialogues if target.card.dialogue is not None else _people
    found = fit(target.card, asked, data, names, split, progress)
    if unseen:
        found = replace(found, data=f"{found.data}, answers of {asked.card.name}, which has not learned from them")
    results = {**target.card.results, CONFIDENCE: summary(found)}
    notes = tuple(note.replace(NOT_FITTED, "") for note in target.card.notes)
    card = replace(target.card, decision=found.decision, results=results, notes=notes)
    if out is None:
        write_card(card, checkpoint)
    else:
        save_checkpoint(target.network, replace(card, name=out.stem, parts_from={}), out)
    return found


def _people(
    card: Card, asked: Checkpoint, data: str, names: Mapping[str, str] | None, split: str, progress: Progress
) -> Calibration:
    clips, labels, said = calibration_clips(data, card, names, split)
    _enough(len(clips), "clips", data)
    learned = learned_from(asked.card) & {clip.speaker for clip in clips} if data.startswith("ravdess") else set()
    if learned:
        raise OptionError(
            f"{asked.card.name} has learned from actors {', '.join(map(str, sorted(learned)))}, so it is surer of them "
            "than of anybody else; give --unseen, a checkpoint that was trained without them: mer train and mer "
            "distill write one beside theirs"
        )
    answers = answers_of(asked.path, clips, [card.labels.index(labels[clip.label]) for clip in clips], progress)
    return _fitted(card, answers, len(clips), len({clip.speaker for clip in clips}), said)


def _dialogues(
    card: Card, asked: Checkpoint, data: str, names: Mapping[str, str] | None, split: str, progress: Progress
) -> Calibration:
    found = dialogues_to_ask(data, card, names, split)
    _enough(found.utterances, "utterances", data)
    answers = dialogue_answers(asked.path, found.dialogues, partial(progress, "reading dialogues"))
    return replace(_fitted(card, answers, found.utterances, len(found.dialogues), found.data), dialogue=True)


def _enough(count: int, what: str, data: str) -> None:
    if data.startswith(f"{OWN}:") and count < LEAST_CLIPS:
        raise DataError(
            f"{data} has {count} {what} to fit to; needed are {LEAST_CLIPS}, better of several people: label more, or "
            "keep the temperature and thresholds that the checkpoint has"
        )


def _fitted(card: Card, answers: Mapping[str, StateAnswers], clips: int, people: int, data: str) -> Calibration:
    return Calibration(
        fitted_decision(answers),
        {state: calibration_of(rows, card.decision.of(state)) for state, rows in answers.items()},
        {state: cross_fitted(rows) for state, rows in answers.items()} if people > 1 else {},
        clips,
        people,
        data,
    )


def answers_of(
    path: Path, clips: Sequence[Clip], truth: Sequence[int], progress: Progress = lambda what, done, total: None
) -> dict[str, StateAnswers]:
    """What a checkpoint's window says of clips, in each state that the clips can be in.

    Raises:
        DataError: a clip cannot be read, or holds nothing.
    """
    engine = StepEngine(open_checkpoint(path))
    detector = detector_of(clips)
    encoded = []
    for number, clip in enumerate(clips):
        progress("encoding clips", number, len(clips))
        encoded.append(encode_clip(clip, engine, detector=detector))
    progress("encoding clips", len(clips), len(clips))
    states = evaluable_states(encoded)
    total, done = len(encoded) * len(states) * (1 + ORDERS), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("asking", done, total)

    return state_answers(encoded, engine, truth, states, ORDERS, advance)


def calibration_clips(
    data: str, card: Card, names: Mapping[str, str] | None = None, split: str = ""
) -> tuple[tuple[Clip, ...], dict[str, str], str]:
    """The clips to fit on, label of a clip -> label of the model, and the clips in words.

    Raises:
        OptionError: another data set.
        DataError: no clip is left.
    """
    dataset = open_dataset(data, dict(names or {}))
    if isinstance(dataset, RavdessPairs):
        clips = tuple(dataset.clips(Selection(folds=(TUNING_FOLD,), exclude_folds=(TEST_FOLD,))))
        return clips, merge_labels(card.labels), f"{len(clips)} audio-visual clips of RAVDESS fold {TUNING_FOLD}"
    if not isinstance(dataset, OwnClips):
        raise OptionError(f"--data {data} is not for calibration, which takes clips:PATH and ravdess_pairs:PATH")
    chosen = dataset.to_learn_from(card.labels) if not split else dataset.select(card.labels, split)
    return (
        chosen.clips,
        {label: label for label in card.labels},
        f"{counted(len(chosen.clips), 'clip')} of {dataset.path.name}",
    )


def learned_from(card: Card) -> set[int]:
    """The RAVDESS actors whom any part of a network has learned from, as its card says."""
    training = card.training
    found: set[int] = set(training.get("speakers", ())) | set(training.get("face_speakers", ()))
    return found | set(training.get("held_out_speakers", ()))


def summary(found: Calibration) -> dict[str, Any]:
    """What a card says of a calibration."""
    who = "dialogues" if found.dialogue else "people"
    return {
        "data": found.data,
        who: found.people,
        "before": {state: _rounded(item) for state, item in found.before.items()},
        f"fitted on the other {who}": {state: _rounded(item) for state, item in found.after.items()},
    }


def _check(target: Card, asked: Card, checkpoint: Path, unseen: Path | None) -> None:
    whole = target.network.audio is not None and target.network.face is not None
    if not whole and (target.dialogue is None or "text" not in target.network.modalities):
        raise OptionError(
            f"{checkpoint} is neither a window model with both encoders nor a dialogue model that reads text, which "
            "are what is calibrated here"
        )
    if (target.network, target.labels) != (asked.network, asked.labels):
        raise OptionError(
            f"{unseen} has another shape or other labels than {checkpoint}, so how sure it is says nothing about it; "
            "give the one that was trained with the same recipe"
        )


def _rounded(item: StateCalibration) -> dict[str, Any]:
    def short(value: Any) -> Any:
        return {key: short(one) for key, one in value.items()} if isinstance(value, dict) else round(value, 4)

    plain: dict[str, Any] = to_json(item)
    return {key: short(value) for key, value in plain.items()}
