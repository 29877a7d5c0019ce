"""A timeline of estimates for people: the pieces of a line, what is kept and counted of it, and the plot over time."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mer_sdk.cli.run.plot import draw
from mer_sdk.contract.estimate import UNKNOWN, EmotionEstimate, UtteranceEstimate
from mer_sdk.errors import OptionError, counted, reason_of
from mer_sdk.frontends.face_tracks import FaceOptions
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.smoothing import Smoothing

BLOCK = "█"
# Columns that a step's whole line needs.
WIDE = 108
Estimate = EmotionEstimate | UtteranceEstimate
# What is kept of a timeline that has no end: the last ten minutes for a plot, the last hour of latencies, in steps.
PLOTTED = 2400
TIMED = 14400


def label_text(estimate: Estimate, bar: bool = True) -> str:
    """The emotion with its confidence, and with a bar where that is asked for, in rich's markup."""
    style = "dim" if estimate.emotion == UNKNOWN else "bold"
    text = f"[{style}]{estimate.emotion:<10}[/] {100 * estimate.confidence:3.0f} %"
    return f"{text} [cyan]{BLOCK * round(20 * estimate.confidence):<20}[/]" if bar else text


def shares(estimate: Estimate) -> str:
    """The reliance on each modality."""
    return "  ".join(f"{name} {100 * share:3.0f} %" for name, share in estimate.reliance.items())


def step_line(estimate: EmotionEstimate, wide: bool = True) -> str:
    """A step in one line, in rich's markup; who it is about, further persons and what a live stream lost at its end.

    Where it must not be `wide`, it has neither bar nor reliance, so that it fits 60 columns.
    """
    parts = [
        f"{estimate.time:7.2f} s",
        label_text(estimate, bar=wide),
        # Without the sign of a zero.
        f"V {round(estimate.valence, 2) + 0.0:+.2f}",
        f"A {round(estimate.arousal, 2) + 0.0:+.2f}",
        f"{estimate.state:<10}" if wide else estimate.state,
    ]
    parts += [shares(estimate)] if wide else []
    if estimate.face is not None and (estimate.face.id or estimate.others):
        # Whom the line is about is said once there is somebody else to be taken for.
        parts.append(f"person {estimate.face.id}")
    parts += [other_person(one) for one in estimate.others]
    parts += ["[dim]no speech[/]"] if estimate.speech is False else []
    parts += [f"enrolling, {estimate.enrolling:g} s to go"] if estimate.enrolling else []
    if estimate.live is not None:
        parts += [f"[yellow]no {name}[/]" for name in estimate.live.stale]
        parts += [f"[red]{estimate.live.dropped} dropped[/]"] if estimate.live.dropped else []
        parts += [f"[red]{estimate.live.late} late[/]"] if estimate.live.late else []
    return "  ".join(parts)


def other_person(estimate: EmotionEstimate) -> str:
    """Who else is seen, and how they feel."""
    assert estimate.face is not None  # `EmotionEstimate.others` are of faces
    return f"person {estimate.face.id} {estimate.emotion} {100 * estimate.confidence:.0f} %"


def utterance_line(estimate: UtteranceEstimate) -> str:
    """An utterance in one line, in rich's markup; who said it and the words at its end, where they are known."""
    from rich.markup import escape

    parts = [f"{estimate.index:4}", *([f"{estimate.time:7.2f} s"] if estimate.time is not None else [])]
    parts += [label_text(estimate), f"{estimate.state:<10}", shares(estimate)]
    if estimate.speaker is not None or estimate.text is not None:
        parts.append(escape(f"{estimate.speaker or '?'}: {estimate.text or ''}"))
    return "  ".join(parts)


def utterances_line(estimates: Sequence[UtteranceEstimate], of: str = "") -> str:
    """How many utterances there were (`of` what), their emotions, and the median latency."""
    if not estimates:
        return "no utterance"
    words = _counted(Counter(estimate.emotion for estimate in estimates))
    latency = sorted(estimate.latency_ms for estimate in estimates)[len(estimates) // 2]
    return f"{counted(len(estimates), 'utterance')}{of}: {words}; median {latency:.2f} ms an utterance"


def _counted(emotions: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in emotions.most_common())


@dataclass(frozen=True)
class RunOptions:
    """What `mer run` was asked for, beside the bundle and the input; see its help.

    Attributes:
        trust: public keys of --trust, none to trust every bundle.
        voice: whether sound counts only where somebody speaks; None where that is left to the input.
    """

    json: bool = False
    plot: Path | None = None
    record: Path | None = None
    seconds: float | None = None
    runtime: str | None = None
    threads: int = 1
    detector: str | None = None
    trust: tuple[str, ...] = ()
    baseline: Path | None = None
    save_baseline: Path | None = None
    smoothing: Smoothing | None = None
    faces: FaceOptions | None = None
    voice: bool | None = None
    enrol: float | None = None


class RunSummary:
    """What the last line of a timeline says; its size does not grow with the timeline."""

    def __init__(self) -> None:
        self._emotions: Counter[str] = Counter()
        self._latencies: deque[float] = deque(maxlen=TIMED)
        self._faces = self._dropped = self._late = 0

    def add(self, estimate: EmotionEstimate) -> None:
        """Count a step."""
        self._emotions[estimate.emotion] += 1
        self._faces += estimate.face is not None
        self._latencies.append(estimate.latency_ms)
        if estimate.live is not None:
            self._dropped += estimate.live.dropped
            self._late += estimate.live.late

    def line(self) -> str:
        """Steps, emotions, faces, losses; the median latency is that of the last hour."""
        steps = sum(self._emotions.values())
        if not steps:
            return "no step"
        words = _counted(self._emotions)
        latency = sorted(self._latencies)[len(self._latencies) // 2]
        lost = f"; {self._dropped} dropped, {self._late} late" if self._dropped or self._late else ""
        return f"{counted(steps, 'step')}: {words}; a face in {self._faces}; median {latency:.2f} ms a step{lost}"


class Recorder:
    """Writes estimates to a file as they come, one JSON object a line.

    Sound and pictures are never written.

    Args:
        path: the file; None writes nothing.

    Raises:
        OptionError: it cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._failed = path, False
        try:
            self._file = None if path is None else path.open("w", encoding="utf-8")
        except OSError as error:
            raise self._refused(error) from error

    def close(self) -> None:
        """Close the file.

        Raises:
            OptionError: the disk is full; not again where `write` has said so.
        """
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                if not self._failed:
                    raise self._refused(error) from error

    def write(self, estimate: dict[str, object]) -> None:
        """Write one line, at once.

        Raises:
            OptionError: the disk is full.
        """
        if self._file is not None:
            try:
                self._file.write(json.dumps(estimate) + "\n")
                self._file.flush()
            except OSError as error:
                self._failed = True
                raise self._refused(error) from error

    def _refused(self, error: OSError) -> OptionError:
        return OptionError(f"--record {self._path} cannot be written ({reason_of(error)}); give another place")


class Timeline:
    """The timeline of a run of steps: printed, recorded, counted and drawn; use it in a `with` statement.

    Args:
        labels: the bundle's, in order.
        options: see `RunOptions`.
        kept: how many steps the image shows, the last ones; None all.
        quiet: print no line a step, as something else shows them.

    Attributes:
        steps: how many there were.
        enrolling: see `EmotionEstimate`; of the last step.

    Raises:
        OptionError: see `Recorder`.
    """

    def __init__(
        self, labels: Sequence[str], options: RunOptions, kept: int | None = None, quiet: bool = False
    ) -> None:
        self.steps, self.enrolling = 0, 0.0
        self._person: int | None = None
        self._labels, self._options, self._quiet = tuple(labels), options, quiet
        self._recorder = Recorder(options.record)
        self._summary = RunSummary()
        self._kept: deque[EmotionEstimate] = deque(maxlen=kept)

    def __enter__(self) -> Timeline:
        return self

    def __exit__(self, *_: object) -> None:
        self._recorder.close()

    def add(self, estimate: EmotionEstimate) -> None:
        """Take the next step."""
        self.steps += 1
        self._tell_enrolment(estimate)
        self._recorder.write(estimate.to_json())
        self._summary.add(estimate)
        if self._options.plot is not None:
            self._kept.append(estimate)
        if self._options.json:
            print(json.dumps(estimate.to_json()), flush=True)
        elif not self._quiet:
            say(step_line(estimate, wide=is_wide()))

    def _tell_enrolment(self, estimate: EmotionEstimate) -> None:
        """Say on stderr where somebody else's coming ended an enrolment."""
        other = estimate.face is not None and self._person not in (None, estimate.face.id)
        if self.enrolling and not estimate.enrolling and other:
            print(
                f"mer: the enrolment ended {self.enrolling:g} s early, as another person came to the fore",
                file=sys.stderr,
                flush=True,
            )
        self.enrolling = estimate.enrolling
        self._person = estimate.face.id if estimate.face else self._person

    def end(self, title: str) -> None:
        """Draw the image, print the last line, and say on stderr where an enrolment is not complete.

        Raises:
            OptionError: see `draw`.
        """
        if self._kept and self._options.plot is not None:
            draw(list(self._kept), self._labels, self._options.plot, title)
        if not self._options.json:
            say(self._summary.line())
        if self.enrolling:
            print(f"mer: the enrolment still wants {self.enrolling:g} s of sound or face", file=sys.stderr)


def say(line: str) -> None:
    """Print a line in rich's markup, at once; where the output cannot show blocks, bars are made of #."""
    from rich.console import Console

    console = Console(highlight=False)
    with console.capture() as captured:
        console.print(line, soft_wrap=True)
    text = captured.get()
    # Not by the console itself, which would end the program where nobody reads.
    print(text.replace(BLOCK, "#") if console.options.ascii_only else text, end="", flush=True)


def is_wide() -> bool:
    """Whether a step's whole line fits; always where the output is no terminal."""
    return not sys.stdout.isatty() or shutil.get_terminal_size().columns >= WIDE


def save_profile(baseline: PersonalBaseline, path: Path | None) -> None:
    """Save the profile of --save-baseline, None for none, and say on stderr what it holds.

    Raises:
        OptionError: it cannot be written.
    """
    if path is None:
        return
    baseline.save(path)
    words = {"audio": "sound", "face": "a face"}
    held = {words.get(name, name): count for name, count in baseline.steps.items()}
    if any(held.values()):
        counts = ", ".join(f"{counted(count, 'step')} of {name}" for name, count in held.items())
        tell_notes([f"{path} holds {counts}"])
    else:
        tell_notes([f"{path} is an empty profile, as neither {' nor '.join(held)} counted: record the person again"])


def tell_notes(notes: Sequence[str]) -> None:
    """What is to be known of the input, a line each, on stderr."""
    for note in notes:
        print(f"mer: {note}", file=sys.stderr, flush=True)
