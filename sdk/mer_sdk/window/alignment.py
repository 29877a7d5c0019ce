"""From pieces of sound and frames, each in order, to what every step reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mer_sdk.contract.manifest import Manifest
from mer_sdk.errors import SignalError
from mer_sdk.frontends.audio import AudioFrontend
from mer_sdk.frontends.face_tracks import Frame, searched
from mer_sdk.frontends.input_checks import checked_sound, checked_time
from mer_sdk.media.frame_selection import SLACK, step_number

STREAMS = ("audio", "video")
# A picture lasts until the next one, for so long at most, seconds: the one before a pause says nothing of the pause.
HELD_SECONDS = 10.0


@dataclass(frozen=True, eq=False)
class StepInput:
    """What one step reads.

    Attributes:
        number: of the step, from 0; it ends at (number + 1) steps.
        chunk: float32 [chunk_samples], or None where the step's sound is missing.
        frames: the frames that may be searched for a face, in order: see `mer_sdk.frontends.face_tracks.searched`.
    """

    number: int
    chunk: np.ndarray | None
    frames: tuple[Frame, ...]


class StreamAlignment:
    """Cuts two streams into steps. A step is over once every stream that is waited for has passed its end.

    Time counts from 0 or, where the first stamp is over a window later, from the step of that stamp: any clock will do.
    Sound that goes on after a gap of over a window, or at another rate, begins anew: what it costs does not grow with
    the gap.

    Args:
        manifest: of a window bundle: the clock and the sound's contract.

    Attributes:
        begins_after: a first stamp after so many seconds is where time begins.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._step = manifest.clock.step_ms / 1000.0
        self._window = self.begins_after = manifest.clock.window_steps * self._step
        self.reset()

    def reset(self) -> None:
        """Begin a new stream at time 0."""
        self.done = self._first = 0
        self.expected: set[str] = set()
        self._audio = AudioFrontend(self._manifest.audio, self._manifest.clock)
        self._audio_base = 0
        self._audio_made = 0
        # (step number, chunk, covered) of the steps whose sound is complete and which are not taken yet.
        self._audio_steps: deque[tuple[int, np.ndarray, bool]] = deque()
        self.audio_rate: int | None = None
        self._still = 0
        self._choice = ""
        self._frames: dict[int, list[Frame]] = {}
        # The picture that is shown, and until when at the latest.
        self._held: tuple[Frame, float] | None = None
        self._began = self._began_video = self._ended = False
        self.video_time = 0.0
        self._video_end = 0.0

    @property
    def begun(self) -> bool:
        """Whether anything was given since the last reset."""
        return bool(self.expected) or self.done > 0

    @property
    def audio_time(self) -> float:
        """Seconds up to which sound was given."""
        return self._audio_base * self._step + self._audio.time

    @property
    def still_seconds(self) -> float:
        """Seconds of sound that was recorded and is missing, as it is silent; see `AudioFrontend`."""
        return (self._still + self._audio.still_steps) * self._step

    @property
    def choice(self) -> str:
        """Which channels are heard, in words; empty for all: see `Downmix`."""
        return self._audio.choice or self._choice

    def add_audio(self, pcm: np.ndarray, sample_rate: int, time: float | None, channels: Sequence[str] = ()) -> None:
        """See `EmotionSensor.push_audio` and `AudioFrontend.push`."""
        self._check_open()
        samples = checked_sound(pcm, sample_rate, self._audio.taken)
        given = time
        if time is not None:
            time = checked_time("sound", time)
        elif self.done * self._step - self.audio_time > self._window:
            time = self.done * self._step  # what was missed is over
        changed = self.audio_rate not in (None, sample_rate)
        if changed and time is None:
            time = self.audio_time
        if time is not None:
            anew = changed or time - self.audio_time > self._window
            base = max(self._audio_made, self._number(time)) if anew else self._audio_base
            if (anew or self._audio.time == 0) and base * self._step - time > self._window:
                raise SignalError(
                    f"sound at {time:.3f} s, and the stream began at {base * self._step:.3f} s: stamp sound and "
                    "pictures by one clock"
                )
            if given is not None:
                self._begin(time)
            if changed or time - self.audio_time > self._window:
                self.restart_audio(time)
        relative = None if time is None else time - self._audio_base * self._step
        self._queue(self._audio.push_checked(samples, sample_rate, relative, channels))
        self._began = True
        self.expected.add("audio")
        self.audio_rate = sample_rate

    def add_frame(self, pixels: Callable[[], np.ndarray], time: float, duration: float | None = None) -> None:
        """See `EmotionSensor.push_frame`; `pixels` gives the frame when it is looked at.

        Args:
            duration: seconds for which it is shown at least, None where unknown: until the next one comes.
        """
        self._check_open()
        time = checked_time("a frame", time)
        if time < self.video_time - SLACK:
            raise SignalError(f"a frame at {time} s came after one at {self.video_time:.3f} s; push frames in order")
        self._begin(time)
        self.expected.add("video")
        self._hold(self._number(time), time)
        # A frame is shown until the next one: the last frame's end is what its file says, or guessed from the gap
        # before it.
        gap = min(time - self.video_time, self._step) if self._began_video else 0.0
        number, last = self._number(time), self._number(self.video_time)
        if number > last and last in self._frames:
            self._frames[last] = _kept(self._frames[last])
        self._began = self._began_video = True
        self.video_time = time
        self._video_end = time + (gap if duration is None else min(duration, HELD_SECONDS))
        self._held = ((time, pixels), time + HELD_SECONDS)
        if number >= self.done:
            self._frames.setdefault(number, []).append((time, pixels))

    def restart_audio(self, time: float) -> None:
        """Sound goes on at `time` seconds after a long gap, or at another rate; what was left of it is cut into steps.

        The new sound has nothing before it: its first chunks begin with silence, and the rest of a step that the old
        sound had begun stays without it.
        """
        self._queue(self._audio.flush())
        self._still += self._audio.still_steps
        self._choice = self._audio.choice or self._choice
        self._audio = AudioFrontend(self._manifest.audio, self._manifest.clock)
        self._audio_base = self._audio_made = max(self._audio_made, self._number(time))

    def ready(self, patience: float | Mapping[str, float], without: Collection[str] = ()) -> bool:
        """Whether the next step is over.

        Args:
            patience: seconds by which a stream may lag behind the other before a step does without it; for all, or by
                stream.
            without: streams that are not waited for.
        """
        allowed = patience if isinstance(patience, Mapping) else dict.fromkeys(STREAMS, patience)
        late = {name for name in STREAMS if self.lags(name) and self._lead() > allowed[name]}
        waits = [name for name in self.expected if name not in late and name not in without and self.lags(name)]
        return not waits and not all(self.lags(name) for name in STREAMS)

    def waits(self) -> bool:
        """Whether one stream has passed the next step's end, and another that is waited for has not."""
        lagging = [name for name in STREAMS if self.lags(name)]
        return len(lagging) == 1 and lagging[0] in self.expected

    def lags(self, stream: str) -> bool:
        """Whether a stream has not passed the next step's end."""
        if stream == "audio":
            return self._audio_made <= self.done
        # A frame at the very end belongs to the next step, so it also proves that this step is over.
        return self.video_time < (self.done + 1) * self._step - SLACK

    def take(self) -> StepInput:
        """The next step, with what is there of it."""
        number = self.done
        self.done += 1
        chunk = None
        while self._audio_steps and self._audio_steps[0][0] <= number:
            owner, samples, covered = self._audio_steps.popleft()
            if owner == number and covered:
                chunk = samples
        return StepInput(number, chunk, tuple(_kept(self._frames.pop(number, []))))

    def skip_empty(self, least: int) -> None:
        """Where the next step is over: go on to the first that can hold anything, if over `least` before it cannot."""
        starts = [self._audio_steps[0][0]] if self._audio_steps else []
        starts += [min(self._frames)] if self._frames else []
        if not starts:
            places = {"audio": self._audio_made, "video": self._number(self.video_time)}
            starts = [place for name, place in places.items() if not self.lags(name)]
        if starts and min(starts) - self.done > least:
            self.done = min(starts)

    def begin_at(self, time: float) -> None:
        """Let the first step be the one that holds `time` seconds; nothing was given or taken yet."""
        self.done = self._first = self._audio_base = self._audio_made = self._number(time)
        self.video_time = self.done * self._step

    def end(self) -> int:
        """End the streams: the number of steps that there are in all. `take` gives those still due; nothing more comes.

        An incomplete last step counts where at least half of it is there, or where it is the only one.
        """
        self._ended = True
        self._queue(self._audio.flush())
        video_steps = int(self._video_end / self._step + 0.5) if self._began_video else 0
        self._hold(self._number(self._video_end) + 1, self._video_end)
        return max(self._audio_made, video_steps, self.done + 1 if self._frames and self.done == self._first else 0)

    def _check_open(self) -> None:
        if self._ended:
            raise SignalError("the stream was ended by flush(): reset() begins another one, to push to")

    def _lead(self) -> float:
        """Seconds by which the stream that is ahead has passed the next step's end."""
        return max(self._audio_made * self._step, self.video_time) - (self.done + 1) * self._step

    def _begin(self, time: float) -> None:
        """Where this is the first stamp, and far from 0, begin there."""
        if not self._began and time > self.begins_after:
            self.begin_at(time)
        self._began = True

    def _hold(self, number: int, until: float) -> None:
        """Show the present picture up to `until` seconds in the steps before `number`, which have none of their own."""
        if self._held is None:
            return
        (begin, pixels), latest = self._held
        last = min(number, self._number(min(until, latest) - 2 * SLACK) + 1)
        for place in range(max(self.done, self._number(begin) + 1), last):
            self._frames[place] = [(place * self._step, pixels)]

    def _number(self, time: float) -> int:
        return step_number(time, self._step)

    def _queue(self, steps: list[tuple[np.ndarray, bool]]) -> None:
        for chunk, covered in steps:
            if self._audio_made >= self.done:
                self._audio_steps.append((self._audio_made, chunk, covered))
            self._audio_made += 1


def _kept(frames: Sequence[Frame]) -> list[Frame]:
    """Those of a step's frames that may be looked at; the others need not be kept."""
    return [frames[pick] for pick in searched(len(frames))]
