"""`mer data check --plot`: balance, lengths, levels, light and faces in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mer_sdk.cli.run.plot import pyplot, saved_figure
from mer_sdk.errors import counted
from mer_sdk.evaluation.data_check import BRIGHT, DARK, QUIET, DataCheck
from mer_sdk.report.colours import INK, PAPER, RULE, SOFT, image_colours

# Splits are told apart by how dark they are.
_SHADES = ("#3c6e91", "#7fa6bf", "#b9a36a", "#8a8f98")
_BINS = 24
MOST_PEOPLE = 30


def draw(found: DataCheck, path: Path) -> None:
    """Write the picture.

    Raises:
        MissingExtra: matplotlib is not installed.
        OptionError: it cannot be written.
    """
    plt = pyplot()
    style = {"text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": RULE, "xtick.color": SOFT, "ytick.color": INK}
    with plt.rc_context({**style, "font.size": 9.0, "figure.facecolor": PAPER, "axes.facecolor": PAPER}):
        figure, axes = plt.subplots(2, 3, figsize=(11, 6.4), layout="constrained")
        with saved_figure(figure, path):
            figure.suptitle(f"{found.data}: {counted(len(found.clips), 'clip')}", x=0.01, ha="left", fontweight="bold")
            _stacked(axes[0, 0], found.labels, "clips per label")
            _histogram(axes[0, 1], [clip.seconds for clip in found.clips if clip.seconds], "length, s")
            _stacked(axes[0, 2], found.people, "clips per person")
            levels = [clip.level for clip in found.clips if clip.level is not None]
            _histogram(axes[1, 0], levels, "level, dB (0 is full scale)", (QUIET,))
            lights = [clip.light for clip in found.clips if clip.light is not None]
            _histogram(axes[1, 1], lights, "light of the pictures, 0 to 255", (DARK, BRIGHT))
            _faces(axes[1, 2], found)


def _stacked(axis: Any, counts: dict[str, dict[str, int]], title: str) -> None:
    """Bars, a split a shade."""
    names = sorted({name for found in counts.values() for name in found})
    if len(names) > MOST_PEOPLE:
        totals = [sum(found.get(name, 0) for found in counts.values()) for name in names]
        _histogram(axis, [float(total) for total in totals], f"{title}, of {len(names)}")
        return
    left = np.zeros(len(names))
    for place, (split, found) in enumerate(counts.items()):
        widths = np.array([found.get(name, 0) for name in names], float)
        axis.barh(names, widths, left=left, color=_SHADES[place % len(_SHADES)], label=split or "no split")
        left += widths
    axis.set_yticks(range(len(names)), [name or "not named" for name in names])
    # A few bars do not fill the whole height.
    axis.set_ylim(max(len(names), 5) - 0.5, -0.5)
    if len(counts) > 1:
        axis.legend(frameon=False, fontsize=8)
    axis.locator_params(axis="x", integer=True)
    _plain(axis, title)


def _histogram(axis: Any, values: Sequence[float], title: str, marks: Sequence[float] = ()) -> None:
    """How many clips have which value; `marks` are the limits of what is told."""
    if not values:
        axis.text(0.5, 0.5, "none", ha="center", color=SOFT, transform=axis.transAxes)
    else:
        axis.hist(values, bins=_BINS, color=_SHADES[0])
        low, high = axis.get_xlim()
        for mark in marks:
            if low < mark < high:
                axis.axvline(mark, color="#b3261e", linewidth=1, linestyle="--")
        axis.locator_params(axis="y", integer=True)
    axis.set_ylabel("clips", color=SOFT)
    _plain(axis, title)


def _faces(axis: Any, found: DataCheck) -> None:
    """Share of the pictures with a face, by label."""
    names = sorted({clip.label for clip in found.clips})
    colours = image_colours(names)
    shares = []
    for name in names:
        mine = [clip for clip in found.clips if clip.label == name]
        looks = sum(clip.looks for clip in mine)
        shares.append(100 * sum(clip.faces for clip in mine) / looks if looks else 0.0)
    axis.barh(names, shares, color=[colours[name] for name in names])
    axis.set_xlim(0, 100)
    axis.invert_yaxis()
    _plain(axis, "pictures with a face, %")


def _plain(axis: Any, title: str) -> None:
    axis.set_title(title, loc="left", fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)
