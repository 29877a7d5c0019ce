"""What `mer run` was given: one input, or many files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mer_sdk.errors import OptionError
from mer_sdk.live.names import is_live
from mer_sdk.media.names import is_many


@dataclass(frozen=True)
class ManyOptions:
    """What `mer run` was asked for many files, beside `RunOptions`; see its help."""

    out: Path | None = None
    jobs: int | None = None
    cluster: str | None = None
    overwrite: bool = False
    retry: bool = False
    audio_track: int | None = None


def refuse_with_out(given: Mapping[str, bool]) -> None:
    """Raise an `OptionError` where an option was given (option -> whether) that says nothing to many files."""
    for option, there in given.items():
        if there:
            raise OptionError(f"{option} is for one file or stream, and --out for many: leave one out")


def refuse_off_pipe(media: str, given: Mapping[str, bool]) -> None:
    """Raise an `OptionError` where an option of standard input was given (option -> whether), and none is read."""
    if is_live(media) and not media.startswith("play:") and "-" in media.split("+"):
        return
    for option, there in given.items():
        if there:
            raise OptionError(f"{option} is of sound on standard input, and {media} is none: leave it out")


def single_input(inputs: Sequence[str], many: ManyOptions) -> str:
    """The only input, where there is no --out.

    Raises:
        OptionError: it means several files, or an option was given that is for many.
    """
    for option, there in {
        "--jobs": many.jobs is not None,
        "--cluster": many.cluster is not None,
        "--overwrite": many.overwrite,
        "--retry": many.retry,
    }.items():
        if there:
            raise OptionError(f"{option} is for many files: say with --out where their estimates go")
    if any(name.rstrip("/").lower().endswith(".mer") for name in inputs):
        raise OptionError("the bundle comes first, and then what it is run on: mer run BUNDLE INPUT")
    # A csv file may be a dialogue, which is an input by itself.
    if is_many(inputs) and not (len(inputs) == 1 and inputs[0].lower().endswith(".csv")):
        what = f"{inputs[0]} may be many files" if len(inputs) == 1 else f"{len(inputs)} inputs are given"
        # A list of files looks like a text, which may be meant as a dialogue.
        talk = "; a dialogue is a csv file" if len(inputs) == 1 and inputs[0].lower().endswith(".txt") else ""
        raise OptionError(f"{what}: say where their estimates go, such as --out estimates.csv{talk}")
    return inputs[0]
