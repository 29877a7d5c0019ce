"""One clock that only goes forward, from the stamps that a container gives."""

from __future__ import annotations

from dataclasses import dataclass

from mer_sdk.errors import counted

# A stream that steps back by more than this begins again; less is an overlap, as at the joins of clips, seconds.
RESTART = 0.5
# A single stamp further ahead than this counts only once the next of its stream confirms it, seconds.
FAR = 4.0
# Packets of one stream that come in decoding order, stamped in showing order, step back by up to so many pictures.
REORDERED = 20
# The streams of a recording begin within about so much of each other, seconds.
LEAD = 0.5
# Stamps of sound jitter by some milliseconds; only a larger difference is a gap or an overlap, seconds.
GAP_SECONDS = 0.05


@dataclass
class TimelineFindings:
    """What was found wrong with a file's stamps and packets, counted.

    Attributes:
        restarts: how often the clock of the file began again.
        overlaps, overlap_seconds: pieces that began before the one before had ended, and what was left out of them.
        mended: stamps that no neighbour confirms.
        gaps, gap_seconds: pauses of over `FAR` seconds, and their length.
        damaged: packets that could not be decoded.
        strangers: packets of streams that the file did not hold at its beginning.
        skipped: seconds at the beginning that depend on pictures which the file does not hold.
    """

    restarts: int = 0
    overlaps: int = 0
    overlap_seconds: float = 0.0
    mended: int = 0
    gaps: int = 0
    gap_seconds: float = 0.0
    damaged: int = 0
    strangers: int = 0
    skipped: float = 0.0

    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that was found."""
        found = []
        if self.skipped:
            found.append(
                f"the first {self.skipped:.2f} s of pictures are left out: the file begins between two whole pictures"
            )
        if self.damaged:
            found.append(f"{counted(self.damaged, 'damaged packet')} left out")
        if self.strangers:
            found.append(f"{counted(self.strangers, 'packet')} of streams that begin within the file left out")
        if self.restarts:
            found.append(f"the clock of the file begins again {_times(self.restarts)}; time goes on from where it was")
        if self.overlaps:
            overlaps = counted(self.overlaps, "overlap")
            found.append(f"{overlaps} of sound or pictures left out, {self.overlap_seconds:.2f} s in all")
        if self.gaps:
            found.append(f"{counted(self.gaps, 'pause')} of {self.gap_seconds:.0f} s in all, in which nothing is there")
        if self.mended:
            found.append(f"{counted(self.mended, 'wrong time stamp')} mended")
        return tuple(found)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


@dataclass
class _Track:
    """One stream: the seconds to add to its stamps, and where its last packet ended on the one clock."""

    shift: float
    era: int = 0
    # How much later than the file its first packet began: parts that were joined mostly begin alike.
    lead: float = 0.0
    end: float | None = None
    # Where what was shown or heard of it ends: pictures are decoded before they are shown.
    shown: float = 0.0
    length: float = 0.0


class Timeline:
    """Places the packets of several streams on one clock, in seconds from the file's beginning.

    Args:
        origin: the stamp at which the file says that it begins, seconds.
        declared: how long it says that it is, seconds; 0 where it does not say.
        told: where it is counted what was found.
    """

    def __init__(self, origin: float, declared: float, told: TimelineFindings) -> None:
        self._declared, self._told = declared, told
        self._tracks: dict[int, _Track] = {}
        self._shift, self._era = -origin, 0

    @property
    def reached(self) -> float:
        """Where what was read of any stream ends."""
        return max((track.shown for track in self._tracks.values()), default=0.0)

    def end_of(self, stream: int) -> float:
        """Where the last packet of a stream ended, 0 before the first."""
        track = self._tracks.get(stream)
        return track.end if track is not None and track.end is not None else 0.0

    def jumps(self, stream: int, stamp: float, length: float, reordered: bool) -> bool:
        """Whether a packet lies so far ahead or behind that the next of its stream must confirm it."""
        track = self._track(stream)
        if track.end is None:
            return bool(self.reached) and stamp + track.shift - self.reached > FAR
        time = stamp + track.shift
        return time - track.end > FAR or time < track.end - self._slack(track, length, reordered)

    def confirms(self, stream: int, stamp: float | None, following: float | None) -> bool:
        """Whether the packet after one that jumps lies nearer to it than to where the stream was before."""
        if stamp is None or following is None:
            return False
        track = self._track(stream)
        expected = (track.end if track.end is not None else self.reached) - track.shift
        return abs(following - stamp) <= abs(following - expected)

    def may_end(self, stream: int, stamp: float) -> bool:
        """Whether a packet that jumps may be the last of its stream: such a one is a picture that is held."""
        track = self._track(stream)
        return 0 < stamp + track.shift <= self._declared + GAP_SECONDS

    def place(
        self, stream: int, stamp: float | None, length: float, reordered: bool = False, shown: float | None = None
    ) -> float:
        """Seconds to add to the stamps of a packet, and note that it was read.

        Args:
            stream: its index.
            stamp: when it is decoded, or where that is unknown shown, seconds; None where it has no stamp.
            length: seconds, 0 where unknown.
            reordered: the stamp says when it is shown, so that stamps may step back a little.
            shown: when it is shown, where that is another stamp.
        """
        track = self._track(stream)
        track.length = length or track.length
        if stamp is None:
            track.end = (track.end or 0.0) + length
            track.shown = max(track.shown, track.end)
            return track.shift
        if track.end is not None and track.era != self._era and not self._continues(track, stamp):
            # Another stream began again before this one.
            track.shift, track.era = self._shift, self._era
        time = stamp + track.shift
        if track.end is not None and time < track.end - self._slack(track, length, reordered):
            self._begin_again(track, stamp)
            time = stamp + track.shift
        elif track.end is None:
            if time < -FAR:
                # What the header says of the beginning is wrong.
                self._shift = track.shift = -stamp
                time = 0.0
            track.lead = min(max(time, -LEAD), LEAD)
        if track.end is not None and time - track.end > FAR:
            self._told.gaps += 1
            self._told.gap_seconds += time - track.end
        track.end = max(time + length, track.end if reordered and track.end is not None else -1e18)
        track.shown = max(track.shown, track.end, -1.0 if shown is None else shown + track.shift + length)
        return track.shift

    def mend(self, stream: int, stamp: float, length: float) -> float:
        """Seconds to add to the stamps of a packet whose stamp is wrong: it stands where its stream was."""
        track = self._track(stream)
        self._told.mended += 1
        begin = track.end if track.end is not None else 0.0
        track.end = begin + length
        track.shown = max(track.shown, track.end)
        return begin - stamp

    def _slack(self, track: _Track, length: float, reordered: bool) -> float:
        """By how much a packet may begin before the one before it ended."""
        length = length or track.length
        return length + (max(RESTART, REORDERED * length) if reordered else RESTART)

    def _track(self, stream: int) -> _Track:
        if stream not in self._tracks:
            self._tracks[stream] = _Track(self._shift, self._era)
        return self._tracks[stream]

    def _continues(self, track: _Track, stamp: float) -> bool:
        assert track.end is not None  # it was asked for
        return abs(stamp + track.shift - track.end) <= max(GAP_SECONDS, 2 * track.length)

    def _begin_again(self, track: _Track, stamp: float) -> None:
        self._era += 1
        self._shift = self.reached - stamp + track.lead
        track.shift, track.era = self._shift, self._era
        self._told.restarts += 1
