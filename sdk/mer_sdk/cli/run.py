"""`mer run`: estimates of a media file, one line per step."""

from __future__ import annotations

import json as json_module
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from mer_sdk.cli.options import BundleArgument, JsonOption, RuntimeOption, ThreadsOption, writable
from mer_sdk.errors import MerError, MissingExtra, OptionError
from mer_sdk.estimate import EmotionEstimate
from mer_sdk.sensor import EmotionSensor


def run(
    bundle: BundleArgument,
    media: Annotated[Path, typer.Argument(metavar="INPUT", help="Audio or video file.")],
    json: JsonOption = False,
    plot: Annotated[Path | None, typer.Option("--plot", help="Write the course over time as an image (.png).")] = None,
    runtime: RuntimeOption = None,
    threads: ThreadsOption = 1,
    detector: Annotated[
        str | None, typer.Option("--detector", help="haar (default), or the path of a YuNet .onnx file.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Begin with this person's saved profile instead of cold.")
    ] = None,
    save_baseline: Annotated[
        Path | None, typer.Option("--save-baseline", help="Save the person's profile after the file.")
    ] = None,
) -> None:
    """Estimate emotions in a sound or video file, every 250 ms.

    With --json each line is one JSON object: time, emotion, confidence, probabilities, valence, arousal, state
    (audio+face, audio, face or none), reliance per modality, face box, latency.

    Example: mer run grjca clip.mp4 --plot clip.png
    """
    writable(plot, "--plot")
    writable(save_baseline, "--save-baseline")
    if plot is not None:
        _pyplot()
    estimates: list[EmotionEstimate] = []
    with EmotionSensor.open(bundle, runtime, threads, detector, baseline) as sensor:
        labels = sensor.manifest.labels
        broken: MerError | None = None
        try:
            for estimate in sensor.stream(media):
                estimates.append(estimate)
                _print(estimate, json)
        except MerError as error:
            # What a damaged file gave before it broke off is kept; the error still ends the command.
            broken = error
        if estimates:
            if plot is not None:
                _plot(estimates, labels, plot, media.name)
            if save_baseline is not None:
                sensor.baseline.save(save_baseline)
            if not json:
                _summary(estimates)
        if broken is not None:
            raise broken


def _print(estimate: EmotionEstimate, as_json: bool) -> None:
    if as_json:
        print(json_module.dumps(estimate.to_json()), flush=True)
        return
    from rich.console import Console

    reliance = "  ".join(f"{name} {100 * share:3.0f} %" for name, share in estimate.reliance.items())
    style = "dim" if estimate.emotion == "unknown" else "bold"
    bar = "█" * round(20 * estimate.confidence)
    Console(highlight=False).print(
        f"{estimate.time:7.2f} s  [{style}]{estimate.emotion:<10}[/] {100 * estimate.confidence:3.0f} % "
        f"[cyan]{bar:<20}[/]  V {estimate.valence:+.2f}  A {estimate.arousal:+.2f}  {estimate.state:<10}  {reliance}",
        soft_wrap=True,
    )


def _summary(estimates: list[EmotionEstimate]) -> None:
    from rich.console import Console

    counts = Counter(estimate.emotion for estimate in estimates)
    faces = sum(estimate.face is not None for estimate in estimates)
    latency = sorted(estimate.latency_ms for estimate in estimates)[len(estimates) // 2]
    words = ", ".join(f"{name} {count}" for name, count in counts.most_common(3))
    Console(highlight=False).print(
        f"{len(estimates)} steps: {words}; a face in {faces}; median {latency:.2f} ms a step", soft_wrap=True
    )


def _pyplot():  # type: ignore[no-untyped-def]  # matplotlib has no usable types
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtra("--plot", "matplotlib", "demo") from error
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def _plot(estimates: list[EmotionEstimate], labels: tuple[str, ...], path: Path, title: str) -> None:
    plt = _pyplot()
    times = [estimate.time for estimate in estimates]
    figure, axes = plt.subplots(3, 1, figsize=(10, 7), sharex=True, height_ratios=[5, 2, 1], layout="constrained")
    for label in labels:
        axes[0].plot(times, [estimate.probabilities[label] for estimate in estimates], label=label)
    axes[0].set(ylabel="probability", ylim=(0, 1), title=title)
    axes[0].legend(ncols=4, fontsize="small")
    names = list(estimates[0].reliance)
    axes[1].stackplot(times, *([estimate.reliance[name] for estimate in estimates] for name in names), labels=names)
    axes[1].set(ylabel="reliance", ylim=(0, 1))
    axes[1].legend(fontsize="small")
    states = ["none", "face", "audio", "audio+face"]
    axes[2].step(times, [states.index(estimate.state) for estimate in estimates], where="post")
    axes[2].set(xlabel="time (s)", ylim=(-0.5, 3.5))
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
