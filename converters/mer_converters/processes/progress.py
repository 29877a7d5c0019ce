"""What a conversion is doing and how far it is, told step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A step that begins.

    Attributes:
        what: the part of the conversion that it belongs to: a stage before the targets, or the name of a target.
        doing: the step, in words.
        share: how much of `what` is done before it, 0-1; 1 is the end of it.
    """

    what: str
    doing: str
    share: float


Say = Callable[[Step], None]


def unheard(step: Step) -> None:
    """Tells nobody."""


class Steps:
    """Tells the steps of one part; called before each with what is done and what it takes beside the others."""

    def __init__(self, what: str, planned: float, say: Say) -> None:
        """`planned` is the sum of the weights; where more comes, the share stays below 1."""
        self._what, self._planned, self._say = what, planned, say
        self._done = 0.0

    def __call__(self, doing: str, weight: float) -> None:
        self._say(Step(self._what, doing, min(self._done / self._planned, 0.98)))
        self._done += weight
