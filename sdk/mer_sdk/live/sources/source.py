"""What a source of live sound or pictures is, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mer_sdk.limits import check_number
from mer_sdk.media.decode import AudioPiece

# Seconds on a clock that all sources of a process share and that never goes back (`time.monotonic`).
Now = Callable[[], float]
# A step of 250 ms looks for a face in at most three frames, so more of them a second are work for nothing.
FRAMES_A_SECOND = 12.0
# The clocks of a sound card and of the computer drift apart, and programs are late now and then; once the sum of both
# exceeds this, the sound's time stamps begin anew by the computer's clock, seconds.
DRIFT_SECONDS = 0.1


@dataclass(frozen=True, eq=False)
class Picture:
    """A frame as uint8 RGB [height, width, 3], and when it was taken, seconds on the sources' clock."""

    rgb: np.ndarray
    time: float


class Source(Protocol):
    """A device, pipe or file that gives sound or pictures as they happen. It is used by one thread at a time.

    Attributes:
        name: for people, such as "camera 0".
        streams: of "audio", "video": what it gives.
        returns: whether it may come back once it has gone, as a device does and a pipe does not.
        lost: pieces of sound that were lost before they could be read, so far.
    """

    name: str
    streams: tuple[str, ...]
    returns: bool
    lost: int

    def open(self) -> None:
        """Begin; called again after `close` to begin anew.

        Raises:
            MediaError: it cannot be opened; the message says what there is.
            MissingExtra: a package is not installed.
        """
        ...

    def read(self) -> AudioPiece | Picture | None:
        """What comes next, with times on the sources' clock; None at the end. It waits a few seconds at most.

        Raises:
            MediaError: it has gone.
        """
        ...

    def close(self) -> None:
        """Let the device go. Closing twice is allowed."""
        ...


def checked_device(kind: str, device: int | str) -> int | str:
    """A device's number, or its name where it is no number.

    Raises:
        OptionError: neither a whole number from 0 nor a string.
    """
    if isinstance(device, str):
        return int(device) if device.isdecimal() else str(device)
    check_number("device", device, f"give the {kind}'s number, from 0, or its name", least=0, whole=True)
    return int(device)


class Thinning:
    """Keeps every so many frames, evenly in the mean.

    Args:
        rate: frames to keep, a second, above 0; infinity keeps them all.

    Raises:
        OptionError: no such number.
    """

    def __init__(self, rate: float) -> None:
        check_number("the rate", rate, "give frames a second, above 0, such as 12", above=0, endless=True)
        self._gap = 1.0 / rate
        self._due = -float("inf")

    def keeps(self, time: float) -> bool:
        """Whether the frame of this time is kept."""
        if time < self._due:
            return False
        self._due = max(self._due, time - self._gap) + self._gap
        return True


class SampleClock:
    """Time stamps of sound that comes without a pause: by counting samples, held to the computer's clock.

    Counted stamps join without a seam, where stamps by arrival would jitter. Sound that was lost shows as a jump.

    Args:
        lead: how far the counted time may be ahead of the computer's clock, seconds: what comes through a pipe comes in
            bursts.
    """

    def __init__(self, lead: float = DRIFT_SECONDS) -> None:
        self._lead = lead
        self._rate = 0
        self._begin = 0.0
        self._samples = 0

    def stamp(self, samples: int, rate: int, arrived: float) -> float:
        """The time of a piece's first sample.

        Args:
            samples: in the piece.
            rate: Hz; another one than before begins anew.
            arrived: when its first sample was recorded, by the computer's clock, as well as that is known.
        """
        due = self._begin + self._samples / rate
        if rate != self._rate or arrived - due > DRIFT_SECONDS or due - arrived > self._lead:
            self._rate, self._begin, self._samples = rate, arrived, 0
            due = arrived
        self._samples += samples
        return due
