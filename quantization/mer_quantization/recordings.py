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

from mer_fusion.training.fusion.data import TUNING_FOLD
from mer_sdk.contract.manifest import FaceContract, Manifest
from mer_sdk.dialogue.dialogue_file import Dialogue
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import Clip, FerPlus, Ravdess, RavdessPairs, Selection, open_dataset
from mer_sdk.evaluation.datasets.meld import BUNDLE_LABELS, LABELS, Meld
from mer_sdk.evaluation.datasets.ravdess import TEST_FOLD, fold_of, merge_labels
from mer_sdk.evaluation.features import audio_chunks, face_crops, track_box
from mer_sdk.frontends.face_crop import crop_face

NEUTRAL = "neutral"
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

    Raises:
        OptionError: no data, or a number below its least: 8 and 1.
    """

    data: tuple[str, ...]
    clips: int = 64
    check_clips: int = 140
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.data:
            raise OptionError("no calibration data were given; give --data NAME:PATH")
        if self.clips < 8:
            raise OptionError(f"--calibration-clips is {self.clips}; at least 8 are needed, to see labels and states")
        if self.check_clips < 1:
            raise OptionError(f"check_clips is {self.check_clips}; at least 1 is needed")


@dataclass(frozen=True, eq=False)
class Recording:
    """One take, step by step.

    Attributes:
        clip: its name and speaker; the label is the bundle's.
        chunks: float32 [steps, chunk_samples] in [-1, 1].
        crops: one a step, float32 [S, S, 3], RGB 0-255, None where no face is found.
    """

    clip: Clip
    chunks: np.ndarray
    crops: tuple[np.ndarray | None, ...]


def recordings(options: DataOptions, manifest: Manifest, held_out: bool = False) -> Iterator[Recording]:
    """The chosen takes one after the other, label by label in turn; files are read as they are asked for.

    Args:
        manifest: of a window model.
        held_out: the clips for the gate, and FER+'s validation faces, in place of those that calibrate.

    Raises:
        OptionError: a data set that is none of ravdess_pairs, ravdess and ferplus, or is given twice.
        DataError: no sound, no faces, labels that do not fit, fewer than two labels, or a file that cannot be read.
    """
    opened = _opened(options.data, (RavdessPairs, Ravdess, FerPlus), "a window model")
    ravdess, ferplus = opened.get(RavdessPairs) or opened.get(Ravdess), opened.get(FerPlus)
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
    order = _calibrating_first(clips, options.seed)
    # The last ones check: strangers to the encoders, as long as the data have any.
    chosen = order[options.clips :][-options.check_clips :] if held_out else order[: options.clips]
    if not chosen:
        raise DataError(f"{ravdess.folder} has {len(order)} clips, {options.clips} calibrate: none is left to check")
    stills = _Stills(ferplus, "valid" if held_out else "train", manifest.labels) if faceless and ferplus else None
    rng = np.random.default_rng([options.seed, int(held_out)])
    for clip in chosen:
        chunks = audio_chunks(clip, manifest)
        if clip.paired or stills is None:
            yield Recording(clip, chunks, tuple(face_crops(clip, manifest, len(chunks))))
        else:
            yield Recording(clip, chunks, stills.crops(clip.label, len(chunks), manifest.face, rng))


def dialogues(options: DataOptions, manifest: Manifest, held_out: bool = False) -> tuple[Dialogue, ...]:
    """The chosen dialogues, in random order; every utterance has a label of the bundle.

    Args:
        manifest: of a dialogue model.
        held_out: those for the gate, of another split where there is one, in place of those that calibrate.

    Raises:
        OptionError: a data set that is not meld.
        DataError: no dialogue is left, or the bundle has other labels.
    """
    meld = _opened(options.data, (Meld,), "a dialogue model")[Meld]
    words = dict(zip(LABELS, BUNDLE_LABELS, strict=True))
    unknown = sorted(set(words.values()) - set(manifest.labels))
    if unknown:
        raise DataError(f"MELD is labelled {', '.join(unknown)} too, which {manifest.name} cannot say")
    splits = meld.splits
    split = splits[-1] if held_out else splits[0]
    found = meld.dialogues(split)
    order = [found[index] for index in np.random.default_rng(options.seed).permutation(len(found))]
    if len(splits) == 1 and held_out:
        order = order[options.clips :]
    chosen = order[: options.check_clips if held_out else options.clips]
    if not chosen:
        raise DataError(
            f"{meld.folder} has {len(found)} dialogues, {options.clips} calibrate: none is left to check on"
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


def check_data(options: DataOptions, manifest: Manifest) -> None:
    """Open the data sets and read the first clip, so that what is missing is said before any long work.

    Raises:
        OptionError, DataError: as `recordings` and `dialogues`.
    """
    if manifest.dialogue is not None:
        dialogues(options, manifest)
    else:
        next(iter(recordings(options, manifest)), None)


def _opened(specs: Sequence[str], allowed: tuple[Any, ...], model: str) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    names = ", ".join(kind.name for kind in allowed)
    for spec in specs:
        item = open_dataset(spec)
        if not isinstance(item, allowed):
            raise OptionError(f"--data {spec} cannot calibrate {model}; data sets that can: {names}")
        if type(item) in found:
            raise OptionError(f"--data {spec}: {item.name} was given twice; give each data set once")
        found[type(item)] = item
    return found


def _calibrating_first(clips: Sequence[Clip], seed: int) -> list[Clip]:
    """All clips, those of speakers who trained the encoders first, the others last; each part label by label.

    Raises:
        DataError: fewer than two labels.
    """
    strangers = {clip.id for clip in clips if fold_of(clip.speaker) == TUNING_FOLD}
    if len({clip.label for clip in clips}) < 2:
        raise DataError(
            f"all {len(clips)} clips are labelled {clips[0].label if clips else 'nothing'}: ranges of one label say "
            "nothing of the others; give data with at least two labels"
        )
    known = [clip for clip in clips if clip.id not in strangers]
    return _label_by_label(known, seed) + _label_by_label([clip for clip in clips if clip.id in strangers], seed)[::-1]


def _label_by_label(clips: Sequence[Clip], seed: int) -> list[Clip]:
    """All clips, each label in turn, the clips of a label in random order."""
    rng = np.random.default_rng(seed)
    groups: dict[str, list[Clip]] = {}
    for clip in clips:
        groups.setdefault(clip.label, []).append(clip)
    shuffled = [[group[index] for index in rng.permutation(len(group))] for _, group in sorted(groups.items())]
    longest = max(map(len, shuffled), default=0)
    return [group[turn] for turn in range(longest) for group in shuffled if turn < len(group)]
