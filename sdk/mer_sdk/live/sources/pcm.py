"""Raw sound from a pipe, such as that of `arecord`, `ffmpeg` or `rec`."""

from __future__ import annotations

import math
import os
import select
import sys
import time as clock
from collections.abc import Callable

from mer_sdk.errors import MediaError, OptionError
from mer_sdk.frontends.resampling import RATES, check_rate
from mer_sdk.limits import check_number
from mer_sdk.live.sources.source import Now, SampleClock
from mer_sdk.media.decode import AudioPiece
from mer_sdk.media.wav_header import BEGINNING, PcmFormat, is_wav, read_header

PIECE_SECONDS = 0.05
CHANNELS = (1, 64)
# What a pipe may be ahead of the clock beside other streams: its bursts, seconds.
FRESH_LEAD = 1.0
# Pieces that are left out at most: a pipe that always has more is no live one.
WAITING = 400


class PcmPipe:
    """See `Source`. 16-bit little-endian samples, channels interleaved; or wav, whose header says what they are.

    Args:
        rate: Hz, 1000 to 768000; a wav header goes before it.
        channels: 1 to 64; likewise. How they become one: see `mer_sdk.media.layout.Downmix`.
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
        check_rate(rate, OptionError)
        wanted = f"allowed are {CHANNELS[0]} to {CHANNELS[1]}"
        check_number("the number of channels", channels, wanted, least=CHANNELS[0], most=CHANNELS[1], whole=True)
        self._format = PcmFormat(int(rate), int(channels))
        self._begun = False
        self._read = read
        self._now = now
        self._fresh = fresh
        self._stamps = SampleClock(FRESH_LEAD if fresh else math.inf)
        self.lost = 0
        self._left = b""
        # Bytes of sound still to come, None where that is not known.
        self._due: int | None = None
        self._samples = 0

    @property
    def rate(self) -> int:
        """Hz; known for sure once the first piece was read."""
        return self._format.rate

    @property
    def channels(self) -> int:
        """How many; known for sure once the first piece was read."""
        return self._format.channels

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
        if not self._begun:
            self._begin()
        size = self._format.size
        while len(self._left) < size:
            more = self._more(size * max(1, round(self.rate * PIECE_SECONDS)))
            if not more:
                self._check_end()
                return None
            self._left += more
        whole = len(self._left) // size * size
        pcm = self._format.samples(self._left[:whole])
        self._left = self._left[whole:]
        self._samples += len(pcm)
        return AudioPiece(pcm, self.rate, self._stamps.stamp(len(pcm), self.rate, self._now() - len(pcm) / self.rate))

    def close(self) -> None:
        """See `Source.close`; whoever opened the pipe closes it."""

    def _begin(self) -> None:
        """Read the header where there is one.

        Raises:
            MediaError: see `is_wav` and `read_header`; or a rate or channels outside the ranges.
        """
        self._begun = True
        beginning = self._exactly(BEGINNING)
        if not is_wav(beginning):
            self._left = beginning + self._left
            return
        found = read_header(self._exactly)
        if not (RATES[0] <= found.rate <= RATES[1] and CHANNELS[0] <= found.channels <= CHANNELS[1]):
            raise MediaError(
                f"standard input is a wav file of {found.rate} Hz and {found.channels} channels; allowed are "
                f"{RATES[0]} to {RATES[1]} Hz and {CHANNELS[0]} to {CHANNELS[1]} channels"
            )
        self._format = found
        self._due = None if found.length is None else found.length - len(self._left)
        if self._due is not None and self._due < 0:
            self._left, self._due = self._left[: self._due], 0

    def _exactly(self, count: int) -> bytes:
        """The next bytes, fewer at the end."""
        assert self._read is not None  # open was called
        while len(self._left) < count:
            # As much as of sound at a time, so that a pipe without a header is read as ever.
            more = self._read(self._format.size * max(1, round(self.rate * PIECE_SECONDS)))
            if not more:
                break
            self._left += more
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def _more(self, count: int) -> bytes:
        """Up to so many bytes of sound, none at its end: what stands behind it in a wav file is none."""
        assert self._read is not None  # open was called
        if self._due is None:
            return self._read(count)
        more = self._read(min(count, self._due)) if self._due else b""
        self._due -= len(more)
        return more

    def _leave_out_what_waits(self) -> None:
        if sys.platform == "win32":
            return  # select knows no pipes there
        if select.select([0], [], [], 0)[0]:
            self._begin()
            # What came with the header waited, too.
            self.lost += bool(self._left)
        size = self._format.size
        self._left = self._left[len(self._left) // size * size :]
        piece = size * max(1, round(self.rate * PIECE_SECONDS))
        while self.lost < WAITING and select.select([0], [], [], 0)[0]:
            more = self._more(piece)
            if not more:
                return
            # Samples must stay whole: what is left of one waits for its end.
            self._left = (self._left + more)[len(self._left + more) // size * size :]
            self.lost += 1

    def _check_end(self) -> None:
        if self._left or not self._samples:
            what = f"{len(self._left)} bytes of a sample" if self._left else "no sample"
            raise MediaError(
                f"standard input ended after {self._samples / self.rate:.2f} s with {what}; it must be 16-bit samples "
                f"(s16le) of {self.channels} channels: see --channels"
            )
