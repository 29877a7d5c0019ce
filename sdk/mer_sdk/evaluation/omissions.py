"""What an evaluation leaves out of what was asked for, because the clips cannot give it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mer_sdk.errors import DataError
from mer_sdk.evaluation.conditions import STATES, holds, without_neutral
from mer_sdk.evaluation.datasets.clip import Clip, LeftOut
from mer_sdk.evaluation.features import ClipFeatures

# People whom a note names.
SHOWN_PEOPLE = 5


@dataclass
class Omissions:
    """What an evaluation leaves out instead of raising an error: it is filled as the work goes on.

    Attributes:
        clips: those that cannot be used, and why.
        notes: sentences on states, protocols and people.
    """

    clips: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def possible_protocols(requested: Sequence[str], clips: Sequence[Clip], omissions: Omissions) -> tuple[str, ...]:
    """The protocols that these people can have; what is left out is noted.

    Raises:
        DataError: none is left.
    """
    left = list(requested)
    if "warm" in left and all(clip.person == "" for clip in clips):
        left.remove("warm")
        omissions.notes.append("warm is left out: no clip says who speaks; name people in a column speaker")
    if "enrolled" in left:
        names = {clip.speaker: clip.person or str(clip.speaker) for clip in clips}
        lacking = without_neutral(clips)
        if len(lacking) == len(names):
            left.remove("enrolled")
            omissions.notes.append("enrolled is left out: nobody has a clip labelled neutral")
        elif lacking:
            known = [
                names[who] for who in lacking if not all(clip.person == "" for clip in clips if clip.speaker == who)
            ]
            said = f"{', '.join(known[:SHOWN_PEOPLE])}{' and others' if len(known) > SHOWN_PEOPLE else ''}"
            strangers = len(lacking) - len(known)
            said += f"{' and ' if known and strangers else ''}{f'{strangers} unnamed people' if strangers else ''}"
            omissions.notes.append(f"enrolled leaves out {said}: no clip of theirs is labelled neutral")
    if not left:
        raise DataError(f"no protocol is left: {'; '.join(omissions.notes)}; add --protocol cold")
    return tuple(left)


def possible_states(requested: Sequence[str], encoded: Sequence[ClipFeatures], omissions: Omissions) -> tuple[str, ...]:
    """The states that some clip holds; "audio+face" only where some clip has both."""
    if not encoded:
        raise DataError(f"no clip could be read: {omissions.clips[0].clip}: {omissions.clips[0].reason}")
    there = {name for name in ("audio", "face") if any(holds(item, name) for item in encoded)}
    left = tuple(state for state in requested if set(STATES[state]) <= there)
    for state in requested:
        if state not in left:
            missing = " or ".join(
                {"audio": "sound", "face": "a face"}[name] for name in STATES[state] if name not in there
            )
            omissions.notes.append(f"{state} is left out: no clip holds {missing}")
    if not left:
        raise DataError(f"no state is left: {'; '.join(omissions.notes)}")
    return left
