"""The tables of made scenes, steadiness and emotions in docs/results/faces.md."""

from __future__ import annotations

from typing import Any

from benchmarks.results.result_tables import prose, table


def measured_section(result: dict[str, Any]) -> list[str]:
    """Lines for what `finder_measures` found."""
    made = result["made"]
    detectors = list(next(iter(made.values()))["detectors"])
    lines = prose(
        "Made scenes: held-out persons' real portraits pasted before drawn backgrounds, 640 x 480 pixels: what is "
        "there is known. Each cell: recall in % / mean overlap of what was found / false faces a frame. Cascade and "
        "MediaPipe's model as they come, the published detectors' boxes brought to the project's square first."
    )

    def cell(row: dict[str, Any]) -> str:
        share = "" if row["recall"] is None else f"{100 * row['recall']:.0f}"
        shared = "" if row["overlap"] is None else f"{row['overlap']:.2f}"
        return f"{share} / {shared} / {row['false_per_frame']:.2f}"

    lines += table(
        ("made scenes (faces)", *detectors),
        [
            (f"{name.removeprefix('made: ')} ({one['faces']})", *(cell(one["detectors"][key]) for key in detectors))
            for name, one in made.items()
        ],
    )
    pairs = int(next(iter(result["jitter"].values()))["pairs"])
    lines += prose(
        f"Steadiness: {pairs} pairs of neighbouring frames of the five steady RAVDESS clips (40 frames of each, at "
        "29.97 Hz). Moves: how far the box's centre moves; changes: how much its side changes; both in % of the side, "
        "median and 90th percentile. Movements of the head are in it, the same for every detector. Lost: pairs in "
        "which a frame has no face."
    )
    lines += table(
        ("detector", "moves", "p90", "changes", "p90", "lost %"),
        [
            (name, *(f"{100 * one[key]:.1f}" for key in ("moves", "moves_p90", "changes", "changes_p90", "lost")))
            for name, one in result["jitter"].items()
        ],
    )
    emotions = result["emotions"]
    others = list(next(iter(emotions.values()))["same"])
    lines += prose(
        "The same emotion as with the cascade: steps of the five clips in which the GRJCA student says the same. The "
        "yardstick is the cascade itself in a frame scaled to another width."
    )
    rows = [(clip, str(one["steps"]), *(str(one["same"][name]) for name in others)) for clip, one in emotions.items()]
    steps = sum(one["steps"] for one in emotions.values())
    shares = [sum(one["same"][name] for one in emotions.values()) / steps for name in others]
    rows.append(("all", str(steps), *(f"{100 * share:.0f} %" for share in shares)))
    lines += table(("clip", "steps", *others), rows)
    fit = result["landmarks"]
    return lines + prose(
        f"The square of landmarks (docs/app/faces.md), from MediaPipe's eyes and mouth, on {fit['frames']} frames: "
        f"median overlap {fit['overlap']:.2f} with the cascade's box, side {fit['side']:.2f} of it."
    )
