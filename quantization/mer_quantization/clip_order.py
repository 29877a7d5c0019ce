"""Which clips calibrate and which check: strangers to what calibrates check, wherever the data have any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mer_fusion.training.fusion.data import TUNING_FOLD
from mer_sdk.errors import DataError
from mer_sdk.evaluation.datasets import Clip, LeftOut, OwnClips
from mer_sdk.evaluation.datasets.media_parts import streams
from mer_sdk.evaluation.datasets.own.clips import reasons
from mer_sdk.evaluation.datasets.own.folders import DEV
from mer_sdk.evaluation.datasets.ravdess import fold_of

# Of one's own clips so large a share checks, at the least.
CHECKING_SHARE = 1 / 3


@dataclass(frozen=True)
class Parts:
    """One's own clips for a conversion; labels are the bundle's.

    Attributes:
        calibrating, checking: label by label; no clip is in both.
        left_out: clips that cannot be used, and why.
    """

    calibrating: tuple[Clip, ...]
    checking: tuple[Clip, ...]
    left_out: tuple[LeftOut, ...]


def own_parts(own: OwnClips, classes: Sequence[str], seed: int, checks_alone: bool, faces_elsewhere: bool) -> Parts:
    """Part one's own clips. Those of the split test are in neither part.

    The split dev checks where there is one; else some people, a third of the clips or more; of a single person, and
    where nobody is named, every second clip of a label. Files are opened, and not decoded.

    Args:
        classes: labels of the bundle.
        checks_alone: nothing of them calibrates, so that all may check.
        faces_elsewhere: sound alone is enough, as faces come from another data set.

    Raises:
        DataError: fewer than two labels, no sound, no pictures, or nothing to check on.
    """
    chosen = own.to_learn_from(classes)
    left, clips, sound, picture = list(chosen.left_out), [], False, False
    for clip in chosen.clips:
        assert clip.media is not None  # one's own clips are files
        try:
            found = streams(clip.media)
        except DataError as error:
            left.append(LeftOut(clip.id, str(error)))
            continue
        sound, picture = sound or found.audio, picture or found.video
        clips.append(clip)
    if not clips:
        raise DataError(f"{own.path} has no clip that can be read: {reasons(left)}")
    refuse_one_label(clips)
    if not sound or not (picture or faces_elsewhere):
        lacking = "no sound" if not sound else "no pictures, so that no face can be found"
        more = "" if not sound else ", or add --data ferplus:PATH, whose faces are paired with the sound by label"
        raise DataError(f"the {len(clips)} clips of {own.path} have {lacking}: give clips with both{more}")
    if checks_alone:
        return Parts((), tuple(label_by_label(clips, seed)), tuple(left))
    first, second = _parted(clips, seed)
    if not second:
        raise DataError(
            f"{own.path} has {len(clips)} clips, and none is left to check on: give at least two of a label"
        )
    return Parts(tuple(label_by_label(first, seed)), tuple(label_by_label(second, seed)), tuple(left))


def ravdess_order(clips: Sequence[Clip], seed: int) -> list[Clip]:
    """All clips, those of speakers who trained the encoders first, the others last; each part label by label.

    Raises:
        DataError: fewer than two labels.
    """
    strangers = {clip.id for clip in clips if fold_of(clip.speaker) == TUNING_FOLD}
    refuse_one_label(clips)
    known = [clip for clip in clips if clip.id not in strangers]
    return label_by_label(known, seed) + label_by_label([clip for clip in clips if clip.id in strangers], seed)[::-1]


def label_by_label(clips: Sequence[Clip], seed: int) -> list[Clip]:
    """All clips, each label in turn, the clips of a label in random order."""
    rng = np.random.default_rng(seed)
    groups: dict[str, list[Clip]] = {}
    for clip in clips:
        groups.setdefault(clip.label, []).append(clip)
    shuffled = [[group[index] for index in rng.permutation(len(group))] for _, group in sorted(groups.items())]
    longest = max(map(len, shuffled), default=0)
    return [group[turn] for turn in range(longest) for group in shuffled if turn < len(group)]


def refuse_one_label(clips: Sequence[Clip]) -> None:
    """Raises DataError where all clips have one label."""
    if len({clip.label for clip in clips}) < 2:
        raise DataError(
            f"all {len(clips)} clips are labelled {clips[0].label if clips else 'nothing'}: ranges of one label say "
            "nothing of the others; give data with at least two labels"
        )


def _parted(clips: Sequence[Clip], seed: int) -> tuple[list[Clip], list[Clip]]:
    """(those that calibrate, those that check)."""
    dev = [clip for clip in clips if clip.split == DEV]
    if dev and len(dev) < len(clips):
        return [clip for clip in clips if clip.split != DEV], dev
    people = sorted({clip.speaker for clip in clips if clip.person})
    if len(people) > 1 and all(clip.person for clip in clips):
        held: set[int] = set()
        for place in np.random.default_rng(seed).permutation(len(people))[:-1]:
            if sum(clip.speaker in held for clip in clips) >= CHECKING_SHARE * len(clips):
                break
            held.add(people[place])
        return [clip for clip in clips if clip.speaker not in held], [clip for clip in clips if clip.speaker in held]
    counts: dict[str, int] = {}
    parts: tuple[list[Clip], list[Clip]] = ([], [])
    for clip in label_by_label(clips, seed):
        counts[clip.label] = counts.get(clip.label, -1) + 1
        parts[counts[clip.label] % 2].append(clip)
    return parts
