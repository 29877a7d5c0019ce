"""A day of stream in minutes: is memory flat, are ids and baselines bounded, is every loss counted, do steps drift?

    python -m benchmarks.streams.live_day BUNDLE [--hours 24] [--seed 16]

The bundle's graphs, the tracker, the memory of faces and the live sensor are the real ones, at every step; light,
sound, face boxes and clocks are simulated (`benchmarks.streams.day_scene`), as fast as the machine computes. Once in
ten minutes of the stream the process's resident set is read; once in an hour everything that is kept, and a profile is
saved and loaded. Writes docs/results/live_day.json, its picture, and its table in docs/results/live.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.results.result_tables import prose, table, write_result
from benchmarks.streams.day_picture import draw_day
from benchmarks.streams.day_scene import EPOCH, Day, SeenFaces
from benchmarks.streams.live_hour import resident_mb
from mer_sdk import EmotionEstimate, EmotionSensor, LiveOptions, LiveSensor
from mer_sdk.window.baseline import PersonalBaseline

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- day: written by benchmarks/streams/live_day.py -->", "<!-- end of day -->"
# The pushes stay ahead of the estimates by at most so much of the stream, seconds; above `stale_seconds`.
AHEAD, STEP, WINDOW = 1.75, 0.25, 16
HUNG_SECONDS = 60.0


class Keeper:
    """Takes estimates, counts, and looks at what the sensor keeps."""

    def __init__(self, day: Day, folder: Path) -> None:
        self._day, self._profile = day, folder / "person.json"
        self.live: LiveSensor | None = None
        self.estimates = self.told_dropped = self.told_late = self.in_gaps = self.lost = self.faces = 0
        self.highest_id, self.farthest = -1, 0.0
        self.number: int | None = None
        self.first: int | None = None
        self.reached = self.position = EPOCH
        self.time = self.stalled_until = 0.0
        # Where the stream's time jumped last: the time of the day after it, and the stream's time before it.
        self._before = (0.0, 0.0)
        self.memory: list[tuple[float, float]] = []
        self.hours: list[dict[str, Any]] = []

    def __call__(self, estimate: EmotionEstimate) -> None:
        """On the sensor's thread."""
        assert estimate.live is not None
        number = round(estimate.time / STEP) - 1
        if self.number is None:
            self.first = number
        else:
            missing = number - self.number - 1 - estimate.live.dropped
            # A sensor leaves out more than a window of steps that hold nothing, or none.
            self.in_gaps += missing if missing > WINDOW else 0
            self.lost += missing if missing <= WINDOW else 0
        self.number, self.reached = number, estimate.time
        self.estimates += 1
        self.told_dropped += estimate.live.dropped
        self.told_late += estimate.live.late
        if estimate.face is not None:
            self.faces += 1
            self.highest_id = max(self.highest_id, estimate.face.id)
        if self.time >= self.stalled_until:
            self.farthest = max(self.farthest, self.behind(estimate.time))
        share = self._day.seconds / 144
        if self.time >= share * (len(self.memory) + 1):
            gc.collect()
            self.memory.append((self.time / 3600, resident_mb()))
            if len(self.memory) % 6 == 0:
                self._look()
        while self.time < self.stalled_until:  # an app whose screen hangs
            time.sleep(0.0005)

    def push(self, time: float, position: float) -> None:
        """A piece of the stream's time `position` is pushed at `time` seconds of the day."""
        self.time = time
        if position > self.position + WINDOW * STEP:
            self._before = (time, self.position)
        # Stamps of before a jump may come after it, and one that is set back counts once the sensor has noticed.
        self.position = max(self.position, position)

    def behind(self, reached: float) -> float:
        """Seconds of the day that pushes are ahead of the stream's time `reached`."""
        time, position = self._before
        return self.time - time + position - reached if reached <= position else self.position - reached

    def _look(self) -> None:
        assert self.live is not None
        with self.live.between_steps() as sensor:
            baselines = [sensor.baseline_of(person) for person in sensor.persons]
            watch = sensor._steps.watch
            sensor.baseline.save(self._profile)
            again = PersonalBaseline(sensor.manifest.baseline)
            again.load(self._profile)
            assert again.steps == sensor.baseline.steps
            self.hours.append(
                {
                    "hour": round(self.time / 3600, 2),
                    "memory_mb": round(self.memory[-1][1], 2),
                    "baselines": len(baselines),
                    "remembered": 0 if watch is None else len(watch._memory.known),
                    "highest_id": self.highest_id,
                    "most_steps": max(max(one.steps.values()) for one in baselines),
                    "estimates": self.estimates,
                    "dropped": self.live.dropped,
                    "late": self.live.late,
                    "refused": self.live.refused,
                    "in_gaps": self.in_gaps,
                    "lost": self.lost,
                    "behind_s": round(self.farthest, 3),
                    "card_error_s": round(self._day.card_error, 3),
                    "set_back_s": round(self.live.set_back, 3),
                }
            )
        self.farthest = 0.0


def streamed(bundle: str, day: Day, folder: Path) -> dict[str, Any]:
    """Push the day; what came of it."""
    keeper, world, begun, said = Keeper(day, folder), [0.0], time.perf_counter(), time.monotonic()
    stalls = [fault for fault in day.faults if fault.kind == "stall"]
    options = LiveOptions(streams=("audio", "video"))
    sensor = EmotionSensor.open(bundle, detector=SeenFaces())
    with LiveSensor(sensor, options, keeper, now=lambda: world[0]) as live:
        keeper.live = live
        for event in day.events():
            world[0] = event.time
            if not event.wrong:
                keeper.push(event.time, event.stamp + live.set_back)
            while stalls and stalls[0].begin <= event.time:
                keeper.stalled_until = stalls.pop(0).end
            if event.pcm is not None:
                live.push_audio(event.pcm, 16000, event.stamp)
            elif event.rgb is not None:
                live.push_frame(event.rgb, event.stamp)
            waited = time.monotonic() + HUNG_SECONDS
            # After a gap the first stamp waits for a second one that confirms it: no estimate is due yet.
            while event.time >= keeper.stalled_until and AHEAD < keeper.position - keeper.reached < 2 * AHEAD:
                time.sleep(0.001)
                if time.monotonic() > waited:
                    raise SystemExit(f"no estimate for {HUNG_SECONDS:.0f} s at {event.time:.1f} s of the day")
            if time.monotonic() - said > 10:
                said = time.monotonic()
                words = f"{event.time / 3600:.2f} h of the day in {time.perf_counter() - begun:.0f} s"
                print(f"{words}: {keeper.estimates} estimates, {resident_mb():.1f} MB", flush=True)
        live.finish()
        assert keeper.number is not None
        assert keeper.first is not None
        return {
            "wall_s": round(time.perf_counter() - begun, 1),
            "cpu_s": round(time.process_time(), 1),
            "steps": keeper.number - keeper.first + 1,
            "estimates": keeper.estimates,
            "with_face": keeper.faces,
            "in_gaps": keeper.in_gaps,
            "dropped": live.dropped,
            "dropped_told": keeper.told_dropped,
            "late": live.late,
            "late_told": keeper.told_late,
            "refused": live.refused,
            "lost": keeper.lost,
            "wrong_pushed": day.pushed,
            "sound_began_anew": day.stamps_moved,
            "present_share": round(day.present_seconds / day.seconds, 3),
            "stream_seconds": round(keeper.position - EPOCH, 2),
            "behind_at_the_end_s": round(keeper.behind(keeper.reached), 3),
            "set_back_s": round(live.set_back, 3),
            "memory": [(round(hour, 3), round(value, 2)) for hour, value in keeper.memory],
            "hours": keeper.hours,
        }


def section(result: dict[str, Any]) -> list[str]:
    """The table of docs/results/live.md."""
    after = [value for _, value in result["memory"]][6:]
    hours, wrong = result["hours"], result["wrong_pushed"]
    rows = [
        (f"steps of the stream, {_due(result):,} by the clocks", f"{result['steps']:,}"),
        ("of these estimated", f"{result['estimates']:,}, {result['with_face']:,} with a face"),
        ("left out in gaps (nothing came, sleep, the wall clock set ahead)", f"{result['in_gaps']:,}"),
        (
            "dropped while nobody took estimates; told by estimates",
            f"{result['dropped']:,}; {result['dropped_told']:,}",
        ),
        ("neither estimated, nor in a gap, nor counted", str(result["lost"])),
        (
            "pushed late, and stamps a month ahead; counted, with what the fast card gave too much and the first "
            "after gaps",
            f"{wrong['late'] + wrong['far']}; {result['late']}, told {result['late_told']}",
        ),
        ("pictures that are none; counted", f"{wrong['empty']}; {result['refused']}"),
        (
            "most that estimates were behind, but for stalls, the sleep and the clock set ahead; steps of a gap of "
            "45 s are made at its end",
            f"{max(hour['behind_s'] for hour in _without_jumps(result)):.2f} s",
        ),
        ("farthest the sound's stamps were from the clock, read hourly", _most(hours, "card_error_s", "s")),
        ("sound stamps begun anew (drift, gaps, wall clock)", str(result["sound_began_anew"])),
        ("ids given; baselines kept, most; faces remembered, most", _kept(hours)),
        ("steps in one baseline, most", f"{max(h['most_steps'] for h in hours):,}"),
        ("memory after the first hour, at the end", f"{after[0]:.1f} MB, {after[-1]:.1f} MB"),
        ("memory after the first hour, least and most", f"{min(after):.1f} MB, {max(after):.1f} MB"),
    ]
    words = (
        f"{result['hours_asked']:g} hours of stream with {result['bundle']} in {result['wall_s'] / 60:.1f} minutes "
        f"({result['cpu_s'] / 60:.1f} minutes of CPU time) on {result['system']}; seed {result['seed']}. Real: the "
        "bundle's graphs at every step that holds anything, face tracking and recognition, the live sensor, saved "
        "profiles. Simulated: all clocks, 100 faces (textures whose places the detector is told, two frames a second), "
        "sound like a voice while somebody is there and digital silence else (which costs no graph). Somebody was "
        f"there for {100 * result['present_share']:.0f} % of the time. Faults: a sound card 200 ppm fast; a wall clock "
        "as time stamp, set ahead and back by an hour; once an hour camera, microphone or both away and an app that "
        "hangs for 20 s; a sleep of 20 minutes; late frames, wrong stamps, empty pictures."
    )
    return [*prose(words), *table(("what", "measured"), rows), "![A day of stream](live_day.png)", ""]


def _due(result: dict[str, Any]) -> int:
    """Steps from the beginning to the end by the wall clock, which is set ahead by an hour."""
    return round((result["hours_asked"] + 1) * 3600 / STEP)


def _without_jumps(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The hours in which no clock jumps ahead: what the stream is behind by then is what the clock was."""
    jumps = [fault["begin"] / 3600 for fault in result["faults"] if fault["kind"] in ("sleep", "ahead")]
    return [one for one in result["hours"] if not any(one["hour"] - 1 <= jump < one["hour"] for jump in jumps)]


def _most(hours: list[dict[str, Any]], key: str, unit: str) -> str:
    return f"{max(abs(one[key]) for one in hours):.2f} {unit}"


def _kept(hours: list[dict[str, Any]]) -> str:
    most = {key: max(one[key] for one in hours) for key in ("highest_id", "baselines", "remembered")}
    return f"{most['highest_id'] + 1}; {most['baselines']}; {most['remembered']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=16)
    parser.add_argument("--out", type=Path, help="folder for JSON and picture; without it, docs/results and its page")
    options = parser.parse_args()
    day = Day(options.hours * 3600, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        found = streamed(options.bundle, day, Path(folder))
    result = {
        "bundle": Path(options.bundle).stem,
        "hours_asked": options.hours,
        "seed": options.seed,
        "system": f"{platform.machine()}, {os.cpu_count()} CPUs shared with other work",
        "faults": [asdict(fault) for fault in day.faults],
        **found,
    }
    lines = section(result)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "live_day.json").write_text(json.dumps(result, indent=1) + "\n")
        print("\n".join(lines))
    else:
        results = ROOT / "docs" / "results"
        print(write_result(result, results / "live_day.json", results / "live.md", (BEGIN, END), lines), flush=True)
    draw_day(result, (options.out or ROOT / "docs" / "results") / "live_day.png")


if __name__ == "__main__":
    main()
