"""`mer run --plot`: a timeline as an image that is readable for five seconds and for ten minutes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mer_sdk.contract.estimate import UNKNOWN, EmotionEstimate, UtteranceEstimate
from mer_sdk.contract.output_files import atomic_output
from mer_sdk.errors import MissingExtra, OptionError, reason_of
from mer_sdk.report.colours import FURTHER_MODALITY, INK, MODALITIES, PAPER, RULE, SOFT, image_colours, ink_on

Estimate = EmotionEstimate | UtteranceEstimate
# What a plot may be; matplotlib writes more, but these are what browsers and papers take.
PLOT_SUFFIXES = (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".webp")
# As many columns as can be told apart; of more steps the mean of neighbours is drawn.
COLUMNS = 240
# A run of one emotion whose name is written in the band is at least so long, as a share of the width.
NAMED_SHARE = 0.05
# Seconds between ticks, of which the first is taken that gives at most so many.
TICKS, MOST_TICKS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600), 12


@dataclass(frozen=True, eq=False)
class Columns:
    """What is drawn, a column a step or a few.

    Attributes:
        edges: float64 [N + 1], where columns begin, and the last one ends.
        width: steps in a column.
        probabilities: float64 [N, K]; NaN where no step is, and where nothing is heard or seen.
        reliance: float64 [N, M]; likewise.
    """

    edges: np.ndarray
    width: int
    probabilities: np.ndarray
    reliance: np.ndarray


def pyplot():  # type: ignore[no-untyped-def]  # matplotlib has no usable types
    """matplotlib's pyplot, drawing to files.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtra("--plot", "matplotlib", "demo") from error
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


@contextmanager
def saved_figure(figure: Any, path: Path) -> Iterator[None]:
    """Draw on a figure in the block; then it is written, whole or not at all, and closed.

    Raises:
        OptionError: it cannot be drawn or written.
    """
    try:
        yield
        with atomic_output(path) as aside:
            figure.savefig(aside, format=path.suffix.lower().lstrip("."), dpi=120)
    except (OSError, ValueError) as error:
        raise OptionError(
            f"--plot {path} cannot be written ({reason_of(error)}); give another place or .png"
        ) from error
    finally:
        pyplot().close(figure)


def draw(estimates: Sequence[Estimate], labels: Sequence[str], path: Path, title: str) -> None:
    """Write emotions, probabilities, reliance, and what was heard and seen, over time as an image.

    Args:
        estimates: at least one; steps over seconds, utterances over their numbers.
        labels: of the model, in order.
        path: the image; its suffix is one of `PLOT_SUFFIXES`.
        title: of the image.

    Raises:
        MissingExtra: matplotlib is not installed.
        OptionError: the image cannot be written.
    """
    plt = pyplot()
    spans = _spans(estimates)
    names = list(estimates[0].reliance)
    columns = columns_of(estimates, labels, names)
    colours = image_colours(labels)
    style = {"text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": RULE, "xtick.color": SOFT, "ytick.color": INK}
    with plt.rc_context({**style, "font.size": 9.0, "figure.facecolor": PAPER, "axes.facecolor": PAPER}):
        rows = [0.5, 4.0, 1.3, 0.28 * max(1, len(names))]
        figure, axes = plt.subplots(4, 1, figsize=(11, 6.4), sharex=True, height_ratios=rows, layout="constrained")
        with saved_figure(figure, path):
            axes[0].set_title(title, loc="left", fontweight="bold")
            _draw_band(axes[0], estimates, spans, colours)
            timed = isinstance(estimates[0], EmotionEstimate)
            said = "" if columns.width == 1 else f"\n{_width_text(columns, timed)}"
            shown = [colours[label] for label in labels]
            _draw_stack(axes[1], columns, columns.probabilities, labels, shown, f"probability{said}")
            shown = [MODALITIES.get(name, FURTHER_MODALITY) for name in names]
            _draw_stack(axes[2], columns, columns.reliance, names, shown, "reliance")
            _draw_presence(axes[3], estimates, spans, names)
            _draw_axis(axes, spans, timed)


def columns_of(estimates: Sequence[Estimate], labels: Sequence[str], names: Sequence[str]) -> Columns:
    """The columns of a timeline: its steps, or means of neighbours where there are over `COLUMNS`."""
    spans = _spans(estimates)
    step = float(spans[0, 1] - spans[0, 0])
    width = max(1, -(-round((spans[-1, 1] - spans[0, 0]) / step) // COLUMNS))
    count = max(1, -(-round((spans[-1, 1] - spans[0, 0]) / step) // width))
    edges = spans[0, 0] + step * width * np.arange(count + 1)
    place = np.clip(((spans.mean(axis=1) - edges[0]) / (step * width)).astype(int), 0, count - 1)
    edges[-1] = spans[-1, 1]
    sees = np.array([estimate.state != "none" for estimate in estimates])
    probabilities = np.array([[estimate.probabilities[label] for label in labels] for estimate in estimates])
    reliance = np.array([[estimate.reliance.get(name, 0.0) for name in names] for estimate in estimates])
    return Columns(
        edges,
        width,
        _means(probabilities, place, count, sees),
        _means(reliance, place, count, sees),
    )


def _means(values: np.ndarray, place: np.ndarray, count: int, counted: np.ndarray) -> np.ndarray:
    """[N, K] to means by column [count, K]; NaN where a column has none."""
    sums, sizes = np.zeros((count, values.shape[1])), np.zeros(count)
    np.add.at(sums, place[counted], values[counted])
    np.add.at(sizes, place[counted], 1.0)
    return np.divide(sums, sizes[:, None], out=np.full_like(sums, np.nan), where=sizes[:, None] > 0)


def _spans(estimates: Sequence[Estimate]) -> np.ndarray:
    """[N, 2] begin and end of what each is about: a step's time is its end, an utterance is its number."""
    if not isinstance(estimates[0], EmotionEstimate):
        begins = np.arange(len(estimates), dtype=float)
        return np.stack([begins - 0.5, begins + 0.5], axis=1)
    ends = np.array([estimate.time for estimate in estimates if isinstance(estimate, EmotionEstimate)])
    step = float(np.median(np.diff(ends))) if len(ends) > 1 else min(0.25, float(ends[0]) or 0.25)
    return np.stack([ends - step, ends], axis=1)


def _draw_band(axis: Any, estimates: Sequence[Estimate], spans: np.ndarray, colours: dict[str, str]) -> None:
    """Which emotion was said, with its name where there is room."""
    from matplotlib.patches import Patch

    whole = float(spans[-1, 1] - spans[0, 0])
    said = set()
    for begin, end, emotion in runs_of([estimate.emotion for estimate in estimates], spans):
        said.add(emotion)
        axis.axvspan(begin, end, color=colours.get(emotion, FURTHER_MODALITY), linewidth=0)
        if end - begin >= NAMED_SHARE * whole:
            middle = (begin + end) / 2
            ink = ink_on(colours.get(emotion, FURTHER_MODALITY))
            axis.text(middle, 0.5, emotion, ha="center", va="center", fontsize=8, color=ink, clip_on=True)
    axis.set(ylim=(0, 1), yticks=[])
    axis.set_ylabel("said", rotation=0, ha="right", va="center")
    if UNKNOWN in said:
        _legend(axis, [Patch(color=colours[UNKNOWN], label=UNKNOWN)])


def _draw_stack(
    axis: Any, columns: Columns, values: np.ndarray, names: Sequence[str], colours: Sequence[str], what: str
) -> None:
    """Shares on one another, in the order of the legend, from the bottom."""
    from matplotlib.patches import Patch

    stepped = np.vstack([values, values[-1:]])
    axis.stackplot(columns.edges, *stepped.T, colors=colours, step="post", linewidth=0)
    axis.set(ylim=(0, 1), ylabel=what, yticks=[0, 0.5, 1])
    patches = [Patch(color=colour, label=name) for name, colour in zip(names, colours, strict=True)]
    _legend(axis, patches[::-1])


def _draw_presence(axis: Any, estimates: Sequence[Estimate], spans: np.ndarray, names: Sequence[str]) -> None:
    """A row a modality: a bar as long as it is there, so that gaps are seen."""
    for row, name in enumerate(reversed(names)):
        there = [_has(estimate, name) for estimate in estimates]
        bars = [(begin, end - begin) for begin, end, held in runs_of(there, spans) if held]
        axis.broken_barh(bars, (row + 0.15, 0.7), color=MODALITIES.get(name, FURTHER_MODALITY), linewidth=0)
    axis.set(ylim=(0, max(1, len(names))))
    axis.set_yticks([row + 0.5 for row in range(len(names))], [_presence(name) for name in reversed(names)])
    axis.tick_params(axis="y", length=0)


def _has(estimate: Estimate, name: str) -> bool:
    """Whether a step holds a modality: its own face, where faces are read, not that of seconds ago."""
    if name == "face" and isinstance(estimate, EmotionEstimate):
        return estimate.face is not None
    if name == "audio" and isinstance(estimate, EmotionEstimate) and estimate.speech is not None:
        return estimate.speech
    return name in estimate.state.split("+")


def _presence(name: str) -> str:
    return {"audio": "sound", "face": "a face", "text": "words"}.get(name, name)


def _draw_axis(axes: Any, spans: np.ndarray, timed: bool) -> None:
    for axis in axes:
        axis.set_xlim(spans[0, 0], spans[-1, 1])
        for side in ("top", "right", "left"):
            axis.spines[side].set_visible(False)
    axes[0].spines["bottom"].set_visible(False)
    axes[0].tick_params(axis="x", length=0)
    last = axes[-1]
    if not timed:
        from matplotlib.ticker import MaxNLocator

        last.set_xlabel("utterance")
        last.xaxis.set_major_locator(MaxNLocator(integer=True))
        return
    whole = float(spans[-1, 1] - spans[0, 0])
    apart = next((seconds for seconds in TICKS if whole / seconds <= MOST_TICKS), TICKS[-1])
    ticks = np.arange(np.ceil(spans[0, 0] / apart) * apart, spans[-1, 1] + apart / 1000, apart)
    # Of a few seconds, minutes would be zeros.
    last.set_xticks(ticks, [f"{value:g}" if apart < 1 else clock(value) for value in ticks])
    last.set_xlabel("time, s" if apart < 1 else "time, min:s")


def _width_text(columns: Columns, timed: bool) -> str:
    step = float(columns.edges[1] - columns.edges[0]) / columns.width
    return f"means over {columns.width * step:g} s" if timed else f"means of {columns.width} utterances"


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds, such as 2:05; tenths where there are some."""
    minutes, rest = divmod(round(seconds, 1), 60)
    whole = abs(rest - round(rest)) < 0.05
    return f"{minutes:.0f}:{rest:02.0f}" if whole else f"{minutes:.0f}:{rest:04.1f}"


def runs_of(values: Sequence[Any], spans: np.ndarray) -> list[tuple[float, float, Any]]:
    """Equal neighbours together: (begin, end, value); a gap in time ends a run."""
    found: list[tuple[float, float, Any]] = []
    for value, (begin, end) in zip(values, spans.tolist(), strict=True):
        if found and found[-1][2] == value and begin - found[-1][1] <= (end - begin) / 2:
            found[-1] = (found[-1][0], end, value)
        else:
            found.append((begin, end, value))
    return found


def _legend(axis: Any, patches: Sequence[Any]) -> None:
    axis.legend(handles=patches, loc="center left", bbox_to_anchor=(1.005, 0.5), frameon=False, handlelength=1.0)
