"""Raw sound from a pipe, such as that of `arecord`, `ffmpeg` or `rec`."""

from __future__ import annotations

import math
import os
import select
import sys
import time as clock
from collections.abc import Callable

import numpy as np

from mer_sdk.errors import MediaError, OptionError
from mer_sdk.frontends.audio import RATES
from mer_sdk.live.sources.source import Now, SampleClock
from mer_sdk.media.decode import AudioPiece

PIECE_SECONDS = 0.05
CHANNELS = (1, 64)
# What a pipe may be ahead of the clock beside other streams: its bursts, seconds.
FRESH_LEAD = 1.0
# Pieces that are left out at most: a pipe that always has more is no live one.
WAITING = 400


class PcmPipe:
    """See `Source`. 16-bit little-endian samples, channels interleaved, without a header.

    Args:
        rate: Hz, 1000 to 768000.
        channels: 1 to 64; they are averaged.
        fresh: leave out what waits in the pipe when it is opened, and count it as lost: beside a camera only sound of
            the same time is of use. Without it nothing is left out, and time runs as the samples do.
        read: gives up to so many bytes as soon as some are there, and none at the end; None reads standard input.
        now: see `Source`.

    Raises:
        OptionError: a rate or channels outside these ranges.
    """

    name = "standard input"
    streams: tuple[str, ...] = ("audio",)
    returns = False

    def __init__(
        self,
        rate: int = 16000,
        channels: int = 1,
        fresh: bool = False,
        read: Callable[[int], bytes] | None = None,
        now: Now = clock.monotonic,
    ) -> None:
        if not RATES[0] <= rate <= RATES[1]:
            raise OptionError(f"the sample rate is {rate} Hz; allowed are {RATES[0]} to {RATES[1]}, whole")
        if not CHANNELS[0] <= channels <= CHANNELS[1]:
            raise OptionError(f"there are {channels} channels; allowed are {CHANNELS[0]} to {CHANNELS[1]}")
        self.rate, self.channels = rate, channels
        self._read = read
        self._now = now
        self._fresh = fresh
        self._stamps = SampleClock(FRESH_LEAD if fresh else math.inf)
        self.lost = 0
        self._left = b""
        self._samples = 0

    def open(self) -> None:
        """See `Source.open`.

        Raises:
            MediaError: standard input is a terminal.
        """
        if self._read is None:
            if os.isatty(0):
                raise MediaError(
                    "standard input is a terminal; pipe 16-bit samples into it, such as: "
                    "arecord -f S16_LE -r 16000 | mer run BUNDLE -"
                )
            # Not sys.stdin, whose lock a waiting thread would hold while the interpreter ends.
            self._read = lambda count: os.read(0, count)
            if self._fresh:
                self._leave_out_what_waits()

    def read(self) -> AudioPiece | None:
        """See `Source.read`; it waits for as long as the pipe gives nothing.

        Raises:
            MediaError: the pipe ended without a sample, or in the middle of one.
        """
        assert self._read is not None  # open was called
        size = 2 * self.channels
        while len(self._left) < size:
            more = self._read(size * round(self.rate * PIECE_SECONDS))
            if not more:
                self._check_end()
                return None
            self._left += more
        whole = len(self._left) // size * size
        pcm = np.frombuffer(self._left[:whole], "<i2").astype(np.int16).reshape(-1, self.channels)
        self._left = self._left[whole:]
        self._samples += len(pcm)
        return AudioPiece(pcm, self.rate, self._stamps.stamp(len(pcm), self.rate, self._now() - len(pcm) / self.rate))

    def close(self) -> None:
        """See `Source.close`; whoever opened the pipe closes it."""

    def _leave_out_what_waits(self) -> None:
        if sys.platform == "win32":
            return  # select knows no pipes there
        piece = 2 * self.channels * round(self.rate * PIECE_SECONDS)
        while self.lost < WAITING and select.select([0], [], [], 0)[0]:
            more = os.read(0, piece)
            if not more:
                return
            # Samples must stay whole: what is left of one waits for its end.
            self._left = (self._left + more)[len(self._left + more) // (2 * self.channels) * 2 * self.channels :]
            self.lost += 1

    def _check_end(self) -> None:
        if self._left or not self._samples:
            what = f"{len(self._left)} bytes of a sample" if self._left else "no sample"
            raise MediaError(
                f"standard input ended after {self._samples / self.rate:.2f} s with {what}; it must be 16-bit samples "
                f"(s16le) of {self.channels} channels: see --channels"
            )
