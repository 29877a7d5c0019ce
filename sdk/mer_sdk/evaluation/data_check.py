"""What is wrong with a set of labelled clips before anything learns from it or is scored on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mer_sdk.errors import DataError
from mer_sdk.evaluation.clip_facts import ClipFacts, clip_facts
from mer_sdk.evaluation.datasets.clip import Clip, LeftOut
from mer_sdk.frontends.face_detection import FaceDetector, open_detector

# The softest clips of RAVDESS's actor 05 have -54 dB. Of dark and of burnt pictures a face is hard to tell.
QUIET, DARK, BRIGHT = -60.0, 40.0, 225.0
# Share of samples at full scale that is heard; a clip that is shorter has no full window, seconds.
CLIPPED, SHORT = 0.001, 1.0
# Labels with fewer clips have no score worth the name; the most frequent may outnumber the rarest so many times.
FEW, UNEVEN = 5, 5.0
# Of fewer clips than this an interval says little: where all are right it has no width.
FEW_IN_ALL = 20
# Clips that a sentence names.
NAMED = 3


@dataclass(frozen=True)
class DataCheck:
    """What `check_clips` found.

    Attributes:
        data: what was looked at.
        clips: one each, in the order of the data set.
        left_out: clips that cannot be used, and why.
        labels: split ("" where there is none) -> label -> clips.
        people: split -> speaker -> clips; "" is whoever is not named.
        twins: ids of clips with the same content, those of one content together.
        leaks: sentences on what is in two splits, by content and by speaker.
        warnings: sentences on what is likely to spoil a score.
    """

    data: str
    clips: tuple[ClipFacts, ...]
    left_out: tuple[LeftOut, ...]
    labels: dict[str, dict[str, int]]
    people: dict[str, dict[str, int]]
    twins: tuple[tuple[str, ...], ...]
    leaks: tuple[str, ...]
    warnings: tuple[str, ...] = field(default=())


def check_clips(
    data: str,
    clips: Sequence[Clip],
    left_out: Sequence[LeftOut] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DataCheck:
    """Read every clip, and say what is there and what is wrong with it.

    Args:
        data: name for the report.
        clips: any data set's.
        left_out: what its reader left out.
        progress: told how many clips are done, and how many there are.

    Raises:
        DataError: no clip can be read.
        MissingExtra: a package that reads them is not installed.
    """
    opened: list[FaceDetector] = []

    def detector() -> FaceDetector:
        if not opened:
            opened.append(open_detector(None))
        return opened[0]

    found, left = [], list(left_out)
    for number, clip in enumerate(clips):
        progress(number, len(clips))
        try:
            found.append(clip_facts(clip, detector))
        except DataError as error:
            left.append(LeftOut.because(clip, error))
    progress(len(clips), len(clips))
    if not found:
        raise DataError(
            f"{data}: no clip can be read: {left[0].clip}: {left[0].reason}" if left else f"{data} is empty"
        )
    twins = _twins(found)
    return DataCheck(
        data=data,
        clips=tuple(found),
        left_out=tuple(left),
        labels=_counts(found, lambda clip: clip.label),
        people=_counts(found, lambda clip: clip.speaker),
        twins=tuple(tuple(clip.clip for clip in same) for same in twins),
        leaks=(*_content_leaks(twins), *_people_leaks(found)),
        warnings=tuple(_warnings(found, twins)),
    )


def _counts(clips: Sequence[ClipFacts], of: Callable[[ClipFacts], str]) -> dict[str, dict[str, int]]:
    splits = sorted({clip.split for clip in clips})
    return {split: dict(sorted(Counter(of(c) for c in clips if c.split == split).items())) for split in splits}


def _twins(clips: Sequence[ClipFacts]) -> list[list[ClipFacts]]:
    groups: dict[str, list[ClipFacts]] = {}
    for clip in clips:
        if clip.sha256:
            groups.setdefault(clip.sha256, []).append(clip)
    return [group for group in groups.values() if len(group) > 1]


def _content_leaks(twins: Sequence[Sequence[ClipFacts]]) -> list[str]:
    said = []
    for same in twins:
        splits = sorted({clip.split or "no split" for clip in same})
        if len(splits) > 1:
            said.append(f"{_named([c.clip for c in same])} hold the same and are in {' and '.join(splits)}: keep one")
    return said


def _people_leaks(clips: Sequence[ClipFacts]) -> list[str]:
    """People in two splits; of a single person there is no other way."""
    places: dict[str, set[str]] = {}
    for clip in clips:
        if clip.speaker:
            places.setdefault(clip.speaker, set()).add(clip.split or "no split")
    if len(places) < 2:
        return []
    shared = {who: sorted(found) for who, found in places.items() if len(found) > 1}
    return [
        f"{who} is in {' and '.join(found)}: a score on {found[-1]} says nothing of people who are new"
        for who, found in sorted(shared.items())
    ]


def few_clips(counts: Mapping[str, int]) -> list[str]:
    """Sentences on labels and on a set that have too few clips for a score; `counts` is label -> clips."""
    said, total = [], sum(counts.values())
    few = {label: number for label, number in sorted(counts.items()) if number < FEW}
    if few:
        listed = ", ".join(f"{label} ({number})" for label, number in few.items())
        said.append(f"few clips: {listed}; with fewer than {FEW} a label's recall moves by 20 points a clip and more")
    if total < FEW_IN_ALL:
        said.append(
            f"few clips: {total} in all; with fewer than {FEW_IN_ALL} a score says little, and its interval is too "
            "narrow: label more"
        )
    return said


def _warnings(clips: Sequence[ClipFacts], twins: Sequence[Sequence[ClipFacts]]) -> list[str]:
    said = []
    counts = Counter(clip.label for clip in clips)
    said += few_clips(counts)
    if len(counts) > 1 and max(counts.values()) > UNEVEN * min(counts.values()):
        most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
        said.append(f"{most} has {counts[most]} clips and {least} {counts[least]}: look at UAR and not at the accuracy")
    tests = (
        ("too quiet", lambda c: c.level is not None and c.level < QUIET, f"the level is below {QUIET:g} dB"),
        ("clipped", lambda c: c.clipped > CLIPPED, f"over {CLIPPED:.1%} of the samples are at full scale"),
        ("dark", lambda c: c.light is not None and c.light < DARK, f"the pictures' mean is below {DARK:g} of 255"),
        ("too bright", lambda c: c.light is not None and c.light > BRIGHT, f"the mean is above {BRIGHT:g} of 255"),
        ("without a face", lambda c: c.looks > 0 and not c.faces, "none was found in one picture a second"),
        ("shorter than a second", lambda c: 0 < c.seconds < SHORT, "a window holds 4 s"),
    )
    for what, holds, why in tests:
        named = [clip.clip for clip in clips if holds(clip)]
        if named:
            said.append(f"{len(named)} {what} ({why}): {_named(named)}")
    for same in twins:
        labels = sorted({clip.label for clip in same})
        if len(labels) > 1:
            said.append(f"{_named([c.clip for c in same])} hold the same and are labelled {' and '.join(labels)}")
    if any(not clip.speaker for clip in clips):
        number = sum(not clip.speaker for clip in clips)
        said.append(
            f"{number} clips do not say who speaks: a column speaker gives warm baselines and scores per person"
        )
    return said


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """(least, median, most) of at least one value."""
    low, middle, high = np.quantile(np.asarray(values, np.float64), [0.0, 0.5, 1.0])
    return float(low), float(middle), float(high)


def _named(ids: Sequence[str]) -> str:
    more = len(ids) - NAMED
    return ", ".join(ids[:NAMED]) + (f" and {more} more" if more > 0 else "")
