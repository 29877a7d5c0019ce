"""The course of a day of stream as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mer_sdk.cli.run.plot import pyplot
from mer_sdk.report.colours import INK, MODALITIES, PAPER, RULE, SOFT

SHADED = {"camera": "camera away", "microphone": "microphone away", "both": "nothing comes", "sleep": "sleep"}


def draw_day(result: dict[str, Any], path: Path) -> None:
    """Memory, what is kept, losses, and clocks over the hours; long faults are shaded.

    Args:
        result: see `benchmarks.streams.live_day`.
        path: of the image.
    """
    plt = pyplot()
    style = {"text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": RULE, "xtick.color": SOFT, "ytick.color": INK}
    first, second = list(MODALITIES.values())[:2]
    hours = result["hours"]
    at = [one["hour"] for one in hours]
    with plt.rc_context({**style, "font.size": 9.0, "figure.facecolor": PAPER, "axes.facecolor": PAPER}):
        figure, axes = plt.subplots(4, 1, figsize=(9.0, 9.0), sharex=True, layout="constrained")
        memory, kept, losses, clocks = axes
        memory.plot(*zip(*result["memory"], strict=True), color=first, linewidth=1.2)
        memory.set_ylabel("memory, MB")
        memory.set_ylim(0, 1.15 * max(value for _, value in result["memory"]))
        kept.plot(at, [one["baselines"] for one in hours], color=first, label="baselines kept (at most 64)")
        kept.plot(at, [one["remembered"] for one in hours], color=second, label="faces remembered (at most 32)")
        kept.plot(at, [one["highest_id"] + 1 for one in hours], color=SOFT, linestyle=":", label="ids given")
        kept.set_ylabel("persons")
        for key, words, colour in (
            ("dropped", "dropped", first),
            ("late", "late", second),
            ("refused", "refused", SOFT),
        ):
            losses.plot(at, [one[key] for one in hours], color=colour, label=words)
        losses.plot(at, [one["lost"] for one in hours], color=INK, linestyle="--", label="not counted")
        losses.set_ylabel("so far")
        clocks.plot(
            at,
            [one["behind_s"] for one in hours],
            color=first,
            label="most that estimates were behind, s (45 s: a gap)",
        )
        clocks.plot(at, [one["card_error_s"] for one in hours], color=second, label="sound card against clock, s")
        clocks.set_ylabel("seconds")
        clocks.set_xlabel("hour of the day")
        for axis in axes:
            for fault in result["faults"]:
                if fault["kind"] in SHADED and fault["end"] - fault["begin"] > 300:
                    axis.axvspan(fault["begin"] / 3600, fault["end"] / 3600, color=RULE, alpha=0.6, linewidth=0)
                elif fault["kind"] in ("ahead", "back"):
                    axis.axvline(fault["begin"] / 3600, color=SOFT, linewidth=0.8)
            if axis.get_legend_handles_labels()[0]:
                axis.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
            axis.spines[["top", "right"]].set_visible(False)
        memory.set_title(f"{result['hours_asked']:g} hours of stream, {result['bundle']}", loc="left")
        figure.savefig(path, dpi=110)
        plt.close(figure)
