"""An hour of streamed input, faster than real time: does memory grow, and is every lost step counted?

    python -m benchmarks.streams.live_hour BUNDLE CLIP [--minutes 60] [--voice]

The clip's sound and frames (5 a second) are pushed again and again into a `LiveSensor`, with time stamps that go on.
First without losses: the pushes wait for the estimates. Then for a tenth of the time without waiting at all, so that
steps must be dropped. Memory is the process's resident set, read once in a minute of the stream. Writes
docs/results/live_hour.json and its table in docs/results/live.md.
"""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results.result_tables import table, write_result
from mer_sdk import LiveOptions, LiveSensor
from mer_sdk.frontends.audio import to_mono
from mer_sdk.frontends.voice_activity import VoiceOptions
from mer_sdk.media.decode import AudioPiece, MediaFile

ROOT = Path(__file__).resolve().parents[2]
FRAME_SECONDS, PIECE_SECONDS = 0.2, 0.1
# The pushes stay ahead of the estimates by at most so much of the stream, seconds; below the queue's 2 s.
AHEAD = 1.0
BEGIN, END = "<!-- hour: written by benchmarks/streams/live_hour.py -->", "<!-- end of hour -->"


class Loop:
    """A clip that begins again at its end: sound in pieces of 0.1 s, and frames."""

    def __init__(self, path: Path) -> None:
        pcm, self._frames = [], []
        with MediaFile(path) as media:
            for item in media.read():
                if isinstance(item, AudioPiece):
                    pcm.append(to_mono(item.pcm))
                    self.rate = item.sample_rate
                elif item.time >= len(self._frames) * FRAME_SECONDS:
                    self._frames.append(item.rgb())
        self._pcm = np.concatenate(pcm)
        self._piece = round(self.rate * PIECE_SECONDS)
        self._at = self._shown = 0

    def push(self, live: LiveSensor, until: float) -> None:
        """Push up to a time of the stream, seconds."""
        while self._at * PIECE_SECONDS < until:
            begin = self._at * self._piece % (len(self._pcm) - self._piece)
            live.push_audio(self._pcm[begin : begin + self._piece], self.rate, self._at * PIECE_SECONDS)
            self._at += 1
            while self._shown * FRAME_SECONDS < self._at * PIECE_SECONDS:
                live.push_frame(self._frames[self._shown % len(self._frames)], self._shown * FRAME_SECONDS)
                self._shown += 1


class Taker:
    """Takes estimates, and keeps nothing but counts and the process's memory, once a minute of the stream."""

    def __init__(self) -> None:
        self.estimates = self.told = self.faces = 0
        self.reached = 0.0
        self.memory: list[float] = []

    def __call__(self, estimate: Any) -> None:
        self.estimates += 1
        self.told += estimate.live.dropped
        self.faces += estimate.face is not None
        self.reached = estimate.time
        if estimate.time >= 60 * (len(self.memory) + 1):
            self.memory.append(resident_mb())


def resident_mb() -> float:
    """The process's resident set, MB (10^6 bytes); Linux."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def streamed(bundle: str, clip: Path, minutes: float, voice: bool, waits: bool) -> dict[str, Any]:
    """One stream's counts."""
    taker, loop, begun = Taker(), Loop(clip), time.perf_counter()
    options = LiveOptions(streams=("audio", "video"), stale_seconds=60.0)
    voiced = VoiceOptions() if voice else None
    with LiveSensor.open(bundle, voice=voiced, options=options, on_estimate=taker) as live:
        for number in range(round(minutes * 60 / PIECE_SECONDS)):
            loop.push(live, number * PIECE_SECONDS)
            while waits and number * PIECE_SECONDS - taker.reached > AHEAD:
                time.sleep(0.0005)
        live.finish()
        seconds = time.perf_counter() - begun
        step = live.manifest.clock.step_ms / 1000
        steps = round(taker.reached / step)
        return {
            "minutes": minutes,
            "wall_s": round(seconds, 1),
            "steps": steps,
            "estimates": taker.estimates,
            "dropped": live.dropped,
            "dropped_told": taker.told,
            "late": live.late,
            "uncounted": steps - taker.estimates - live.dropped,
            "faces": taker.faces,
            "memory_mb": [round(value, 2) for value in taker.memory],
        }


def section(result: dict[str, Any]) -> list[str]:
    """The table of docs/results/live.md."""
    rows = []
    for name in ("waiting", "flooded"):
        one = result[name]
        memory = one["memory_mb"]
        grown = f"{memory[0]:.1f}, {memory[-1]:.1f}, {max(memory):.1f}" if memory else "too short"
        counts = [str(one[key]) for key in ("steps", "estimates", "dropped", "late", "uncounted")]
        rows.append((name, f"{one['minutes']:g}", f"{one['wall_s']:.0f}", *counts, grown))
    words = f"{result['bundle']}, a real clip of {result['clip_seconds']:.1f} s again and again, with face detection"
    lines = [words + (", voice activity on." if result["voice"] else "."), ""]
    header = ("run", "minutes of stream", "seconds", "steps", "estimates", "dropped", "late", "not counted")
    return [*lines, *table((*header, "MB after 1 min, at the end, most"), rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("clip", type=Path, help="a video with sound")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--voice", action="store_true", help="with voice activity")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "live_hour.json")
    options = parser.parse_args()
    with MediaFile(options.clip) as media:
        length = max(item.time for item in media.read())
    runs = {
        "waiting": streamed(options.bundle, options.clip, options.minutes, options.voice, True),
        "flooded": streamed(options.bundle, options.clip, options.minutes / 10, options.voice, False),
    }
    result = {
        "bundle": Path(options.bundle).stem,
        "clip_seconds": round(length, 2),
        "voice": options.voice,
        "system": platform.platform(),
        **runs,
    }
    print(
        write_result(result, options.out, ROOT / "docs" / "results" / "live.md", (BEGIN, END), section(result)),
        flush=True,
    )


if __name__ == "__main__":
    main()
