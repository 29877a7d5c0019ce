"""What apps push is checked whole before any of it counts, so that a piece that is refused changes nothing."""

from __future__ import annotations

import math
from typing import SupportsFloat

import numpy as np

from mer_sdk.errors import SignalError
from mer_sdk.frontends.resampling import check_rate
from mer_sdk.limits import given
from mer_sdk.media.samples import to_float

# Seconds; more are milliseconds, microseconds or nanoseconds of a clock, and no arithmetic of steps holds them.
LATEST = 1e11


def checked_sound(pcm: np.ndarray, sample_rate: int, start: int = 0) -> np.ndarray:
    """Float32 [n] or [n, channels] of sound as apps give it.

    Args:
        start: position of the first sample in the stream, for messages.

    Raises:
        SignalError: NaN, a wrong shape, type or rate.
    """
    check_rate(sample_rate)
    return to_float(pcm, start)


def checked_time(what: str, time: SupportsFloat) -> float:
    """A time stamp, seconds.

    Args:
        what: is stamped, for messages, such as "a frame".

    Raises:
        SignalError: it is no number, not finite, or too large for seconds.
    """
    try:
        value = math.nan if isinstance(time, str | bytes | bool | np.bool_) else float(time)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise SignalError(
            f"{what} at {given(time, ' s')}: give a number of seconds, on the clock that all streams share"
        )
    if abs(value) > LATEST:
        raise SignalError(f"{what} at {value:g} s: give seconds; divide milliseconds by 1e3 and nanoseconds by 1e9")
    return value
