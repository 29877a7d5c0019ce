"""What every command-line program of mer-edge does around its work: streams, errors and exit codes."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, NoReturn

from mer_sdk.errors import MerError

# What a shell shows for a program that Ctrl-C ended, and for one whose reader went away.
INTERRUPTED, UNREAD = 130, 141
FAILED = 1


def run_program(name: str, work: Callable[[], object]) -> None:
    """Run a program: exit code 0 for success, 1 where something went wrong, 2 where it was asked wrongly.

    Every error that is meant for people is one sentence on stderr. Where nobody reads the output any more, as with
    `| head`, it ends without a word.
    """
    prepare_streams()
    piped = _is_pipe()
    try:
        try:
            work()
        finally:
            flush_output()
    except SystemExit as ended:
        # Rich ends the program itself where nobody reads, and puts the null device in place of the pipe.
        if ended.code == FAILED and piped and not _is_pipe():
            raise SystemExit(UNREAD) from None
        raise
    except MerError as error:
        _end(name, str(error), error.exit_code)
    except (BrokenPipeError, Unread):
        leave_output()
        raise SystemExit(UNREAD) from None
    except KeyboardInterrupt:
        _end(name, "interrupted; nothing was left behind", INTERRUPTED)
    except MemoryError:
        _end(name, "the memory of this machine is not enough for that; close other programs, or give less", FAILED)
    except OSError as error:
        leave_output()
        _end(name, f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", FAILED)


class Unread(Exception):
    """Nobody reads the output any more. Typer, which would end with 1 at a `BrokenPipeError`, lets it through."""


def lets_go(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command that raises `Unread` where its output is not read any more."""

    @wraps(command)
    def run(*given: Any, **options: Any) -> Any:
        try:
            return command(*given, **options)
        except BrokenPipeError as error:
            raise Unread from error

    return run


def prepare_streams() -> None:
    """Let output be written whatever the terminal's code page: what it lacks is replaced by a question mark."""
    for name in ("stdout", "stderr"):
        # Closed by whoever started the program.
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # as long as the program
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            with suppress(ValueError, OSError):
                reconfigure(errors="replace")


def _is_pipe() -> bool:
    try:
        kind = os.fstat(sys.stdout.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)


def flush_output() -> None:
    """Write what waits, so that a full disk is told here and not by the interpreter at its end."""
    if sys.stdout is not None:
        sys.stdout.flush()


def leave_output() -> None:
    """Write nothing more to stdout, which nobody reads, also at the end of the interpreter."""
    with suppress(OSError, ValueError, AttributeError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


def _end(name: str, sentence: str, code: int) -> NoReturn:
    with suppress(OSError, ValueError):
        print(f"{name}: {' '.join(sentence.split())}", file=sys.stderr, flush=True)
    raise SystemExit(code)
