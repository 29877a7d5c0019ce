"""Real clips for calibration and for the gate: sound and face of each step, cut as the sensor cuts them.

The gate's clips are of the speakers whom no shipped encoder learned from, where there are any: on them a network is as
sure as it will be of strangers, which its temperature is fitted to.

Sound and faces come from one take where the data set has both, as RAVDESS's pairs do. Where it has sound alone, FER+
gives the faces, paired
by label as for training (`mer_fusion.training.fusion.task`): a still of the expression and a neutral one of the same
size alternate, since a talking face is at rest more than half of the time, and some steps have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mer_quantization.clip_order import own_parts, ravdess_order
from mer_sdk.contract.manifest import FaceContract, Manifest
from mer_sdk.dialogue.dialogue_file import Dialogue
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import (
    Clip,
    FerPlus,
    LeftOut,
    OwnClips,
    Ravdess,
    RavdessPairs,
    Selection,
    open_dataset,
    open_datasets,
)
from mer_sdk.evaluation.datasets.meld import BUNDLE_LABELS, LABELS, Meld
from mer_sdk.evaluation.datasets.ravdess import TEST_FOLD, merge_labels
from mer_sdk.evaluation.features import audio_chunks, clip_steps, face_crops, track_box
from mer_sdk.frontends.face_crop import crop_face

NEUTRAL = "neutral"
LEAST_CLIPS = 8
# Votes on which most people agree; shares of steps at rest and without a face.
_CLEAR_VOTE, _AT_REST, _NO_FACE = 0.6, 0.6, 0.1


@dataclass(frozen=True)
class DataOptions:
    """Which data calibrate, and which check.

    Attributes:
        data: data sets as NAME:PATH.
        clips: how many clips (dialogues, for a dialogue model) calibrate.
        check_clips: how many others the gate measures accuracy and agreement on.
        seed: of every choice.
        labels: of one's own clips: (label of the table, label of the bundle).
        checks_alone: no clip of these calibrates: all of them may check.

    Raises:
        OptionError: no data, or a number below its least: 8 and 1.
    """

    data: tuple[str, ...]
    clips: int = 64
    check_clips: int = 140
    seed: int = 0
    labels: tuple[tuple[str, str], ...] = ()
    checks_alone: bool = False

    @property
    def calibrating(self) -> int:
        """How many clips may not check, as they calibrate."""
        return 0 if self.checks_alone else self.clips

    def __post_init__(self) -> None:
        if not self.data:
            raise OptionError("no calibration data were given; give --data NAME:PATH")
        if self.clips < LEAST_CLIPS:
            raise OptionError(
                f"--calibration-clips is {self.clips}; at least {LEAST_CLIPS} are needed, to see labels and states"
            )
        if self.check_clips < 1:
            raise OptionError(f"check_clips is {self.check_clips}; at least 1 is needed")


@dataclass(frozen=True, eq=False)
class Recording:
    """One take, step by step.

    Attributes:
        clip: its name and speaker; the label is the bundle's.
        chunks: one a step, float32 [chunk_samples] in [-1, 1], None where there is no sound.
        crops: one a step, float32 [S, S, 3], RGB 0-255, None where no face is found.
    """

    clip: Clip
    chunks: np.ndarray | tuple[np.ndarray | None, ...]
    crops: tuple[np.ndarray | None, ...]


def recordings(options: DataOptions, manifest: Manifest, held_out: bool = False) -> Iterator[Recording]:
    """The chosen takes one after the other, label by label in turn; files are read as they are asked for.

    Args:
        manifest: of a window model.
        held_out: the clips for the gate, and FER+'s validation faces, in place of those that calibrate.

    Raises:
        OptionError: a data set that is none of clips, ravdess_pairs, ravdess and ferplus, or is given twice.
        DataError: no sound, no faces, labels that do not fit, fewer than two labels, or a file that cannot be read.
    """
    opened = _opened(options, (OwnClips, RavdessPairs, Ravdess, FerPlus), "a window model")
    ravdess, ferplus = opened.get(RavdessPairs) or opened.get(Ravdess), opened.get(FerPlus)
    if OwnClips in opened:
        if ravdess is not None:
            raise OptionError(f"--data {' '.join(options.data)}: give clips of your own or RAVDESS, one of the two")
        yield from _own_recordings(opened[OwnClips], ferplus, options, manifest, held_out)
        return
    if ravdess is None:
        raise DataError(f"--data {' '.join(options.data)} has no sound: add --data ravdess_pairs:PATH")
    mapping = merge_labels(manifest.labels)
    clips = [replace(clip, label=mapping[clip.label]) for clip in ravdess.clips(Selection(exclude_folds=(TEST_FOLD,)))]
    clips = [clip for clip in clips if clip.audio is not None]
    faceless = [clip for clip in clips if not clip.paired]
    if faceless and ferplus is None:
        raise DataError(
            f"{len(faceless)} of {len(clips)} clips of {ravdess.folder} have no face, so the face graph cannot be "
            "calibrated: add --data ferplus:PATH, whose faces are paired with the sound by label"
        )
    order = ravdess_order(clips, options.seed)
    # The last ones check: strangers to the encoders, as long as the data have any.
    chosen = order[options.calibrating :][-options.check_clips :] if held_out else order[: options.clips]
    if not chosen:
        raise DataError(
            f"{ravdess.folder} has {len(order)} clips, {options.calibrating} calibrate: none is left to check"
        )
    stills = _Stills(ferplus, "valid" if held_out else "train", manifest.labels) if faceless and ferplus else None
    rng = np.random.default_rng([options.seed, int(held_out)])
    for clip in chosen:
        chunks = audio_chunks(clip, manifest)
        if clip.paired or stills is None:
            yield Recording(clip, chunks, tuple(face_crops(clip, manifest, len(chunks))))
        else:
            yield Recording(clip, chunks, stills.crops(clip.label, len(chunks), manifest.face, rng))


def _own_recordings(
    own: OwnClips, ferplus: FerPlus | None, options: DataOptions, manifest: Manifest, held_out: bool
) -> Iterator[Recording]:
    """As `recordings`, of one's own clips."""
    parts = own_parts(own, manifest.labels, options.seed, options.checks_alone, ferplus is not None)
    chosen = parts.checking[: options.check_clips] if held_out else parts.calibrating[: options.clips]
    stills = None
    if ferplus is not None and not all(clip.paired for clip in chosen):
        stills = _Stills(ferplus, "valid" if held_out else "train", manifest.labels)
    rng = np.random.default_rng([options.seed, int(held_out)])
    for clip in chosen:
        steps = clip_steps(clip, manifest)
        chunks, crops = tuple(chunk for chunk, _ in steps), tuple(crop for _, crop in steps)
        if stills is not None and not clip.paired:
            crops = stills.crops(clip.label, len(chunks), manifest.face, rng)
        yield Recording(clip, chunks, crops)


def dialogues(options: DataOptions, manifest: Manifest, held_out: bool = False) -> tuple[Dialogue, ...]:
    """The chosen dialogues, in random order; every utterance has a label of the bundle.

    Args:
        manifest: of a dialogue model.
        held_out: those for the gate, of another split where there is one, in place of those that calibrate.

    Raises:
        OptionError: a data set that is not meld.
        DataError: no dialogue is left, or the bundle has other labels.
    """
    meld = _opened(options, (Meld,), "a dialogue model")[Meld]
    words = dict(zip(LABELS, BUNDLE_LABELS, strict=True))
    unknown = sorted(set(words.values()) - set(manifest.labels))
    if unknown:
        raise DataError(f"MELD is labelled {', '.join(unknown)} too, which {manifest.name} cannot say")
    splits = meld.splits
    split = splits[-1] if held_out else splits[0]
    found = meld.dialogues(split)
    order = [found[index] for index in np.random.default_rng(options.seed).permutation(len(found))]
    if len(splits) == 1 and held_out:
        order = order[options.calibrating :]
    chosen = order[: options.check_clips if held_out else options.clips]
    if not chosen:
        raise DataError(
            f"{meld.folder} has {len(found)} dialogues, {options.calibrating} calibrate: none is left to check on"
        )
    return tuple(
        replace(talk, utterances=tuple(replace(line, label=words[line.label or ""]) for line in talk.utterances))
        for talk in chosen
    )


class _Stills:
    """Faces of FER+ on whose label most voters agree, by label."""

    def __init__(self, ferplus: FerPlus, split: str, labels: Sequence[str]) -> None:
        self._source = f"{ferplus.folder}, split {split!r}"
        found = ferplus.split(split if split in ferplus.splits else ferplus.splits[0], labels)
        self._images = found.images
        clear = found.targets.max(axis=1) >= _CLEAR_VOTE
        chosen = found.targets.argmax(axis=1)
        self._of = {label: np.flatnonzero(clear & (chosen == index)) for index, label in enumerate(labels)}

    def crops(
        self, label: str, steps: int, contract: FaceContract, rng: np.random.Generator
    ) -> tuple[np.ndarray | None, ...]:
        """One crop a step of somebody who shows `label` at times, None in some steps."""
        shown, rest = self._crop(label, contract, rng), self._crop(NEUTRAL, contract, rng)
        at_rest, missing = rng.random(steps) < _AT_REST, rng.random(steps) < _NO_FACE
        faces = (rest if still else shown for still in at_rest)
        return tuple(None if gone else face for gone, face in zip(missing, faces, strict=True))

    def _crop(self, label: str, contract: FaceContract, rng: np.random.Generator) -> np.ndarray | None:
        mine = self._of.get(label, ())
        if not len(mine):
            raise DataError(f"{self._source} has no clear face labelled {label!r} to pair with sound of that label")
        grey = self._images[mine[rng.integers(len(mine))]]
        image = np.repeat(grey[:, :, None], 3, axis=2)
        return crop_face(image, track_box(image, contract, 1.0), contract)


@dataclass(frozen=True)
class OpenedData:
    """What `check_data` saw: the options, no more clips than there are, and clips of one's own that are left out."""

    options: DataOptions
    left_out: tuple[LeftOut, ...] = ()


def check_data(options: DataOptions, manifest: Manifest) -> OpenedData:
    """Open the data sets and read the first clip, so that what is missing is said before any long work.

    Raises:
        OptionError, DataError: as `recordings` and `dialogues`; or fewer than 8 of one's own clips calibrate.
    """
    if manifest.dialogue is not None:
        dialogues(options, manifest, options.checks_alone)
        return OpenedData(options)
    next(iter(recordings(options, manifest, options.checks_alone)), None)
    own = next((spec for spec in options.data if spec.startswith(f"{OwnClips.name}:")), None)
    if own is None:
        return OpenedData(options)
    opened, faces = open_dataset(own, dict(options.labels)), len(options.data) > 1
    parts = own_parts(opened, manifest.labels, options.seed, options.checks_alone, faces)
    if options.checks_alone:
        return OpenedData(options, parts.left_out)
    if len(parts.calibrating) < LEAST_CLIPS:
        raise DataError(
            f"{opened.path} has {len(parts.calibrating)} clips to calibrate with, beside {len(parts.checking)} that "
            f"check; at least {LEAST_CLIPS} are needed: add clips, or give them as --check-data"
        )
    return OpenedData(replace(options, clips=min(options.clips, len(parts.calibrating))), parts.left_out)


def _opened(options: DataOptions, allowed: tuple[Any, ...], model: str) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    names = ", ".join(kind.name for kind in allowed)
    for spec, item in zip(options.data, open_datasets(options.data, dict(options.labels)), strict=True):
        if not isinstance(item, allowed):
            raise OptionError(f"--data {spec} cannot calibrate {model}; data sets that can: {names}")
        if type(item) in found:
            raise OptionError(f"--data {spec}: {item.name} was given twice; give each data set once")
        found[type(item)] = item
    return found
