"""From pieces of sound and frames, each in order, to what every step reads."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from mer_sdk.contract.manifest import Manifest
from mer_sdk.errors import SignalError
from mer_sdk.frontends.audio import AudioFrontend
from mer_sdk.frontends.face_tracks import Frame, searched

STREAMS = ("audio", "video")
# Time stamps are compared with this slack, seconds.
SLACK = 1e-6


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

    Args:
        manifest: of a window bundle: the clock and the sound's contract.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._step = manifest.clock.step_ms / 1000.0
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
        self._frames: dict[int, list[Frame]] = {}
        self._began_video = False
        self.video_time = 0.0
        self._frame_gap = 0.0

    @property
    def audio_time(self) -> float:
        """Seconds up to which sound was given."""
        return self._audio_base * self._step + self._audio.time

    def add_audio(self, pcm: np.ndarray, sample_rate: int, time: float | None) -> None:
        """See `EmotionSensor.push_audio`."""
        relative = None if time is None else time - self._audio_base * self._step
        self._queue(self._audio.push(pcm, sample_rate, relative))
        self.expected.add("audio")
        self.audio_rate = sample_rate

    def add_frame(self, pixels: Callable[[], np.ndarray], time: float) -> None:
        """See `EmotionSensor.push_frame`; `pixels` gives the frame when it is looked at."""
        if not math.isfinite(time) or time < self.video_time - SLACK:
            raise SignalError(f"a frame at {time} s came after one at {self.video_time:.3f} s; push frames in order")
        self.expected.add("video")
        # A frame is shown until the next one: the last frame's end is guessed from the gap before it.
        self._frame_gap = time - self.video_time if self._began_video else 0.0
        number, last = self._number(time), self._number(self.video_time)
        if number > last and last in self._frames:
            self._frames[last] = _kept(self._frames[last])
        self._began_video, self.video_time = True, time
        if number >= self.done:
            self._frames.setdefault(number, []).append((time, pixels))

    def restart_audio(self, time: float) -> None:
        """Sound goes on at `time` seconds after a long gap, or at another rate; what was left of it is cut into steps.

        The new sound has nothing before it: its first chunks begin with silence, and the rest of a step that the old
        sound had begun stays without it.
        """
        self._queue(self._audio.flush())
        self._audio = AudioFrontend(self._manifest.audio, self._manifest.clock)
        self._audio_base = self._audio_made = max(self._audio_made, self._number(time))

    def ready(self, patience: float, without: Collection[str] = ()) -> bool:
        """Whether the next step is over.

        Args:
            patience: seconds by which a stream may lag behind the other before a step does without it.
            without: streams that are not waited for.
        """
        late = {name for name in STREAMS if self.lags(name) and self._lead() > patience}
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
        self.done = self._first = self._number(time)
        self.video_time = self.done * self._step

    def end(self) -> int:
        """End the streams: the number of steps that there are in all. `take` gives those still due.

        An incomplete last step counts where at least half of it is there, or where it is the only one.
        """
        self._queue(self._audio.flush())
        video_end = self.video_time + min(self._frame_gap, self._step)
        video_steps = int(video_end / self._step + 0.5) if self._began_video else 0
        return max(self._audio_made, video_steps, self.done + 1 if self._frames and self.done == self._first else 0)

    def _lead(self) -> float:
        """Seconds by which the stream that is ahead has passed the next step's end."""
        return max(self._audio_made * self._step, self.video_time) - (self.done + 1) * self._step

    def _number(self, time: float) -> int:
        return math.floor((time + SLACK) / self._step)

    def _queue(self, steps: list[tuple[np.ndarray, bool]]) -> None:
        for chunk, covered in steps:
            if self._audio_made >= self.done:
                self._audio_steps.append((self._audio_made, chunk, covered))
            self._audio_made += 1


def _kept(frames: Sequence[Frame]) -> list[Frame]:
    """Those of a step's frames that may be looked at; the others need not be kept."""
    return [frames[pick] for pick in searched(len(frames))]
