"""Steady output: probabilities smoothed on the step clock, and labels that change only for a clear reason.

The window moves on by one step at a time, so the likeliest label can jump to and fro where two are about as likely.
Smoothing buys a steadier label and costs delay: after a change, an exponential mean has covered 63 % of the way once
its time constant has passed, 86 % after twice that time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mer_sdk.limits import check_number

# A person who was away for longer begins anew: nothing of an earlier mood is carried over a minute.
FORGET_SECONDS = 60.0


@dataclass(frozen=True)
class Smoothing:
    """How steady the output is. The defaults change nothing.

    Attributes:
        seconds: time constant of the exponential mean over the probabilities; 0 leaves them as they are.
        margin: by how much a new label's probability must lead the present label's before the label changes, 0 to 1;
            0 takes the likeliest label at every step.

    Raises:
        OptionError: a value outside these ranges.
    """

    seconds: float = 0.0
    margin: float = 0.0

    def __post_init__(self) -> None:
        wanted = "allowed is 0 (off) or more, such as 1.0"
        check_number("the time constant", self.seconds, wanted, least=0, unit=" s")
        check_number("the margin", self.margin, "allowed is 0 (off) to below 1, such as 0.1", least=0, below=1)


@dataclass(frozen=True, eq=False)
class Smoothed:
    """Smoothed probabilities, float64 [K], and the index of the label that holds."""

    probabilities: np.ndarray
    label: int


@dataclass(eq=False)
class _Timeline:
    probabilities: np.ndarray
    label: int
    time: float


class Smoother:
    """Smooths the timeline of one stream, each person's by itself.

    - The mean weighs by time, not by count: over a gap of `g` seconds (steps left out, a person away) the earlier mean
      keeps the share exp(-g / seconds), so that what is seen after a long gap counts nearly alone.
    - The first step of a timeline is taken as it is.
    - A person is a number, such as a face track's id. Whoever is seen first takes over the timeline heard before;
      anyone else begins a timeline of their own, so that nobody's face is given the mood of the one before.

    Args:
        options: see `Smoothing`.

    Attributes:
        idle: whether the options change nothing, so that a step need not be given.
    """

    def __init__(self, options: Smoothing) -> None:
        self.options = options
        self.idle = options == Smoothing()
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._timelines: dict[int, _Timeline] = {}
        self._person: int | None = None

    def update(self, probabilities: np.ndarray, time: float, person: int | None = None) -> Smoothed:
        """Take one step.

        Args:
            probabilities: [K], sum 1.
            time: seconds, after the last step's.
            person: whose face it is; None where no face was seen, which goes on with the same person.
        """
        current = probabilities
        timeline = self._timeline_of(person, time)
        if timeline is None:
            timeline = _Timeline(current, int(current.argmax()), time)
            self._timelines = {key: one for key, one in self._timelines.items() if time - one.time <= FORGET_SECONDS}
            self._timelines[self._person or 0] = timeline
            return Smoothed(current, timeline.label)
        if self.options.seconds > 0:
            keep = math.exp(-max(0.0, time - timeline.time) / self.options.seconds)
            current = keep * timeline.probabilities + (1.0 - keep) * current
        # Lists of a handful of values are quicker than numpy, whose code is no longer cached after a graph.
        values = current.tolist()
        best = values.index(max(values))
        if best != timeline.label and values[best] - values[timeline.label] >= self.options.margin:
            timeline.label = best
        timeline.probabilities, timeline.time = current, time
        return Smoothed(current, timeline.label)

    def forget(self) -> None:
        """The window held nothing: the present person's timeline ends, and the next step begins it anew."""
        self._timelines.pop(self._person or 0, None)

    def _timeline_of(self, person: int | None, time: float) -> _Timeline | None:
        if person is not None and person != self._person:
            if self._person is None and 0 in self._timelines:
                self._timelines = {person: self._timelines[0]}
            self._person = person
        timeline = self._timelines.get(self._person or 0)
        return None if timeline is None or time - timeline.time > FORGET_SECONDS else timeline
