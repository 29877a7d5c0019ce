"""The arguments that several subcommands share, so that one thing has one name everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mer_sdk.errors import OptionError

if TYPE_CHECKING:
    from rich.console import Console

BundleArgument = Annotated[
    str,
    typer.Argument(
        metavar="BUNDLE", help="Bundle folder (NAME.mer), name of a packaged bundle, or checkpoint (.safetensors)."
    ),
]
RuntimeOption = Annotated[
    str | None,
    typer.Option("--runtime", help="litert, onnx, executorch, coreml or coreml-spec; default: the bundle's own."),
]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, help="CPU threads a graph may use.")]
DetectorOption = Annotated[
    str | None,
    typer.Option(
        "--detector", help="haar (default), the path of a YuNet .onnx file, or the bundle of a face finder (.mer)."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def writable(path: Path | None, option: str) -> Path | None:
    """The path itself, once its folder is known to exist.

    Raises:
        OptionError: the folder is missing, or the path is a folder.
    """
    if path is None:
        return None
    if path.is_dir():
        raise OptionError(f"{option} {path} is a folder; give a file name")
    if not path.absolute().parent.is_dir():
        raise OptionError(f"{option} {path}: the folder {path.parent} does not exist; make it first")
    return path


def names_of(text: str) -> tuple[str, ...]:
    """The names of a list with commas, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def actors_of(text: str) -> tuple[int, ...] | None:
    """The numbers of --actors, None where none was given.

    Raises:
        OptionError: something else than numbers.
    """
    return _numbers_of(text, "--actors", "5 or 5,12 (1 to 24)")


def folds_of(text: str) -> tuple[int, ...] | None:
    """The numbers of --folds, None where none was given.

    Raises:
        OptionError: something else than numbers.
    """
    return _numbers_of(text, "--folds", "3 or 0,1 (0 to 4)")


def _numbers_of(text: str, option: str, example: str) -> tuple[int, ...] | None:
    if not text.strip():
        return None
    try:
        return tuple(int(number) for number in names_of(text))
    except ValueError as error:
        raise OptionError(f"{option} {text!r} is no list of numbers; write for example {example}") from error


@contextmanager
def progress_bars(console: Console, hide_done: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for everything that is named: called with what is done, how many are done, and how many there are."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total, visible=done < total or not hide_done)

        yield advance
