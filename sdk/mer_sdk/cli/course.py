"""A course of estimates for people: the pieces of a line, and the plot over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mer_sdk.errors import MissingExtra, OptionError
from mer_sdk.estimate import UNKNOWN, EmotionEstimate, UtteranceEstimate

Estimate = EmotionEstimate | UtteranceEstimate


def verdict(estimate: Estimate) -> str:
    """The emotion with its confidence and a bar, in rich's markup."""
    style = "dim" if estimate.emotion == UNKNOWN else "bold"
    bar = "█" * round(20 * estimate.confidence)
    return f"[{style}]{estimate.emotion:<10}[/] {100 * estimate.confidence:3.0f} % [cyan]{bar:<20}[/]"


def shares(estimate: Estimate) -> str:
    """The reliance on each modality."""
    return "  ".join(f"{name} {100 * share:3.0f} %" for name, share in estimate.reliance.items())


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


def draw(
    estimates: Sequence[Estimate],
    places: Sequence[float],
    axis: str,
    labels: Sequence[str],
    states: Sequence[str],
    path: Path,
    title: str,
) -> None:
    """Write probabilities, reliance and state over time as an image.

    Args:
        estimates: at least one.
        places: where each stands on the axis that is called `axis`.
        states: those that may occur, from nothing to everything.

    Raises:
        OptionError: the image cannot be written.
    """
    plt = pyplot()
    figure, axes = plt.subplots(3, 1, figsize=(10, 7), sharex=True, height_ratios=[5, 2, 1], layout="constrained")
    for label in labels:
        axes[0].plot(places, [estimate.probabilities[label] for estimate in estimates], label=label)
    axes[0].set(ylabel="probability", ylim=(0, 1), title=title)
    axes[0].legend(ncols=4, fontsize="small")
    names = list(estimates[0].reliance)
    axes[1].stackplot(places, *([estimate.reliance[name] for estimate in estimates] for name in names), labels=names)
    axes[1].set(ylabel="reliance", ylim=(0, 1))
    axes[1].legend(fontsize="small")
    axes[2].step(places, [states.index(estimate.state) for estimate in estimates], where="post")
    axes[2].set(xlabel=axis, ylim=(-0.5, len(states) - 0.5))
    axes[2].set_yticks(range(len(states)), states, fontsize="small")
    aside = path.with_name(f".{path.name}.part")
    try:
        figure.savefig(aside, format=path.suffix.lstrip(".") or "png", dpi=120)
        aside.replace(path)
    except (OSError, ValueError) as error:
        raise OptionError(f"--plot {path} cannot be written ({error}); give another place or .png") from error
    finally:
        plt.close(figure)
        aside.unlink(missing_ok=True)
