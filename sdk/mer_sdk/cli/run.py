"""`mer run`: estimates of a media file, one line per step, or of a dialogue, one line per utterance."""

from __future__ import annotations

import json as json_module
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from mer_sdk.bundle import Bundle
from mer_sdk.cli.course import draw, pyplot, shares, verdict
from mer_sdk.cli.options import BundleArgument, JsonOption, RuntimeOption, ThreadsOption, writable
from mer_sdk.cli.run_dialogues import run_dialogues
from mer_sdk.errors import MerError, OptionError
from mer_sdk.estimate import EmotionEstimate
from mer_sdk.runtimes import runtime_note
from mer_sdk.sensor import EmotionSensor

STATES = ("none", "face", "audio", "audio+face")


def run(
    bundle: BundleArgument,
    media: Annotated[
        Path,
        typer.Argument(metavar="INPUT", help="Audio or video file; for dialogue bundles a csv file."),
    ],
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
    """Estimate emotions in a sound or video file, every 250 ms; or in a dialogue, utterance by utterance.

    With --json each line is one JSON object: time, emotion, confidence, probabilities, valence, arousal, state
    (audio+face, audio, face or none), reliance per modality, face box, latency; for dialogues index, speaker and text.

    A dialogue is a csv file with the columns Speaker and Utterance, as in MELD; Dialogue_ID and StartTime are optional.

    Example: mer run grjca clip.mp4 --plot clip.png
    """
    writable(plot, "--plot")
    writable(save_baseline, "--save-baseline")
    if plot is not None:
        pyplot()
    opened = Bundle.open(bundle)
    note = runtime_note(runtime or opened.runtime)
    if note:
        typer.echo(note, err=True)
    if opened.manifest.dialogue is not None:
        given = {"--detector": detector, "--baseline": baseline, "--save-baseline": save_baseline}
        for option, value in given.items():
            if value is not None:
                raise OptionError(
                    f"{option} is for window bundles; {opened.name} is a dialogue bundle, and its csv file holds text "
                    "alone: leave it out"
                )
        run_dialogues(opened, media, json, plot, runtime, threads)
        return
    if media.suffix.lower() == ".csv":
        raise OptionError(
            f"{media} is a csv file, and {opened.name} reads {' and '.join(opened.manifest.modalities)}: give a sound "
            "or video file, or run a dialogue bundle (such as amb_dsgdn) on it"
        )
    estimates: list[EmotionEstimate] = []
    with EmotionSensor.open(opened, runtime, threads, detector, baseline) as sensor:
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
                draw(estimates, [estimate.time for estimate in estimates], "time (s)", labels, STATES, plot, media.name)
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

    Console(highlight=False).print(
        f"{estimate.time:7.2f} s  {verdict(estimate)}  V {estimate.valence:+.2f}  A {estimate.arousal:+.2f}  "
        f"{estimate.state:<10}  {shares(estimate)}",
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
