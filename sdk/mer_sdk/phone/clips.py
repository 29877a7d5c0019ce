"""Labelled clips for the phone: what is sent of each, and the scores of what comes back."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.manifest import Decision, Manifest
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.conditions import clip_log_probabilities
from mer_sdk.evaluation.datasets.clip import Clip, LeftOut
from mer_sdk.evaluation.datasets.clip_files import load_audio
from mer_sdk.evaluation.datasets.media_parts import streams
from mer_sdk.evaluation.features import audio_chunks, face_crops
from mer_sdk.evaluation.metrics import Interval
from mer_sdk.phone.report import ClipAnswer
from mer_sdk.window.engine import StepEngine


@dataclass(frozen=True)
class PhoneAccuracy:
    """Scores of the phone's answers, every clip from a cold baseline.

    Attributes:
        clips, steps: how many.
        war, uar: 0-1; of `uar` the 95 % interval over clips.
        reference: what the answers are compared with.
        reference_uar: its own score on the same clips.
        same_steps, same_clips: share of steps and of clips with the same label as the reference, 0-1.
    """

    clips: int
    steps: int
    war: float
    uar: float
    uar_interval: Interval
    reference: str
    reference_uar: float
    same_steps: float
    same_clips: float


def spread(clips: Sequence[Clip], count: int) -> tuple[Clip, ...]:
    """At most `count` clips, of every label about as many, the first by id of each.

    Raises:
        DataError: there is none.
    """
    if not clips:
        raise DataError(
            "there are no clips with sound and faces in this selection; choose other clips or other --actors"
        )
    groups: dict[str, list[Clip]] = {}
    for clip in sorted(clips, key=lambda clip: clip.id):
        groups.setdefault(clip.label, []).append(clip)
    turns = [(turn, label) for label, group in groups.items() for turn in range(len(group))]
    return tuple(groups[label][turn] for turn, label in sorted(turns)[:count])


def packed(clip: Clip, manifest: Manifest) -> bytes:
    """An .npz of one clip.

    It holds `pcm` float32 [n] at its own `rate` [1], `crops` uint8 [steps, S, S, 3] and `present` uint8 [steps]. The
    sound is cut into steps by the page, as a microphone's would be. Faces are cut out here, because clips of data sets
    come with face tracks; crops are rounded to whole values, a quarter of the size.

    Raises:
        DataError: a file of the clip cannot be read.
    """
    pcm, rate = load_audio(clip)
    crops = _crops(clip, manifest)
    side = manifest.face.crop_size
    images = np.zeros((len(crops), side, side, 3), np.uint8)
    for image, crop in zip(images, crops, strict=True):
        if crop is not None:
            image[:] = crop
    present = np.array([crop is not None for crop in crops], np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, pcm=pcm, rate=np.array([rate], np.int32), crops=images, present=present)
    return buffer.getvalue()


def with_sound(clips: Sequence[Clip]) -> tuple[tuple[Clip, ...], tuple[LeftOut, ...]]:
    """(clips of one's own that have sound and can be opened, the others and why)."""
    kept, left = [], []
    for clip in clips:
        assert clip.media is not None  # one's own clips are files
        try:
            if streams(clip.media).audio:
                kept.append(clip)
            else:
                left.append(LeftOut(clip.id, "it has no sound"))
        except DataError as error:
            left.append(LeftOut.because(clip, error))
    return tuple(kept), tuple(left)


@dataclass(frozen=True, eq=False)
class ClipReference:
    """What a bundle says here of each clip: its name, its decision, and each step's logits [steps, K], held steps
    [steps] and modality states."""

    name: str
    decision: Decision
    answers: tuple[tuple[np.ndarray, np.ndarray, tuple[str, ...]], ...]


def reference_of(bundle: Bundle, clips: Sequence[Clip], labels: Sequence[str]) -> ClipReference:
    """Run a bundle here over the clips that a phone is going to run.

    Args:
        bundle: any window model with these labels.
        clips: of `spread`.
        labels: of the bundle that the phone runs.

    Raises:
        RuntimeUnavailable: this computer cannot run it.
        OptionError: it is no window model, or has other labels.
        DataError: a file of a clip cannot be read.
    """
    if tuple(bundle.manifest.labels) != tuple(labels):
        raise OptionError(f"{bundle.name} has other labels than the phone's bundle; choose a --reference of its kind")
    engine, answers = StepEngine(bundle), []
    for clip in clips:
        engine.reset()
        outputs = [engine.advance(engine.encode(chunk, crop)) for chunk, crop in _sent_steps(clip, bundle.manifest)]
        held = np.array([output.steps for output in outputs])
        states = tuple(output.state for output in outputs)
        answers.append((np.stack([output.logits for output in outputs]), held, states))
    return ClipReference(bundle.name, bundle.manifest.decision, tuple(answers))


def score(
    answers: Sequence[ClipAnswer],
    clips: Sequence[Clip],
    labels: Mapping[str, str],
    manifest: Manifest,
    reference: ClipReference,
) -> PhoneAccuracy:
    """The scores of a phone's answers; where the data have some of the labels alone, of the likeliest of those.

    Args:
        answers: one a clip, in order.
        clips: what was sent.
        labels: label of the clips -> label of the bundle.
        manifest: of the bundle that the phone ran.
        reference: what was said here of the same clips.

    Raises:
        DataError: an answer has another number of steps than the clip.
    """
    target = np.array([manifest.labels.index(labels[clip.label]) for clip in clips])
    allowed = np.array([label in labels.values() for label in manifest.labels])
    mine, theirs, same = [], [], []
    for answer, clip, (logits, held, states) in zip(answers, clips, reference.answers, strict=True):
        found = np.array(answer.logits).reshape(len(answer.held), -1)
        if len(found) != len(logits):
            raise DataError(f"the phone cut clip {clip.id} into {len(found)} steps, there are {len(logits)}")
        # The phone was sent the same sound and faces, so its windows were in the same states.
        mine.append(_label(found, np.array(answer.held), states, manifest.decision, allowed))
        theirs.append(_label(logits, held, states, reference.decision, allowed))
        same.append(found.argmax(axis=1) == logits.argmax(axis=1))
    chosen, others = np.array(mine), np.array(theirs)
    return PhoneAccuracy(
        clips=len(target),
        steps=sum(len(steps) for steps in same),
        war=metrics.war(target, chosen),
        uar=metrics.uar(target, chosen),
        uar_interval=metrics.bootstrap_interval(target, chosen[None], "uar"),
        reference=reference.name,
        reference_uar=metrics.uar(target, others),
        same_steps=float(np.concatenate(same).mean()),
        same_clips=float((chosen == others).mean()),
    )


def _label(logits: np.ndarray, held: np.ndarray, states: Sequence[str], decision: Decision, allowed: np.ndarray) -> int:
    """Index of a clip's likeliest label among those that are allowed, bool [K]."""
    heat = np.array([decision.of(state).temperature for state in states])
    scores = clip_log_probabilities(logits / heat[:, None], held)
    return int(np.where(allowed, scores, -np.inf).argmax())


def _sent_steps(clip: Clip, manifest: Manifest) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """The steps of a clip as the page cuts them: by its sound."""
    chunks = audio_chunks(clip, manifest)
    return list(zip(chunks, face_crops(clip, manifest, len(chunks)), strict=True))


def _crops(clip: Clip, manifest: Manifest) -> list[np.ndarray | None]:
    crops = (crop for _, crop in _sent_steps(clip, manifest))
    return [None if crop is None else np.clip(np.rint(crop), 0, 255) for crop in crops]
