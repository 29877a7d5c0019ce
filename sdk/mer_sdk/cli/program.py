"""What every command-line program of mer-edge does around its work: streams, errors and exit codes."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from types import ModuleType
from typing import Any, NoReturn

from mer_sdk.errors import MerError, reason_of
from mer_sdk.limits import check_number

# What a shell shows for a program that Ctrl-C ended, and for one whose reader went away.
INTERRUPTED, UNREAD = 130, 141
# What services, `timeout` and a terminal that is closed send.
ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
FAILED = 1
# Modules that Typer's pages import -> the class that they take of each. Markdown is one of Typer's ways to write help,
# which no command here uses, and tracebacks are left to Python (`pretty_exceptions_enable`). Both bring packages of
# their own, and take longer to import than Typer itself.
UNUSED = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}


def run_program(name: str, work: Callable[[], object]) -> None:
    """Run a program: exit code 0 for success, 1 where something went wrong, 2 where it was asked wrongly.

    Every error that is meant for people is one sentence on stderr. Where nobody reads the output any more, as with
    `| head`, it ends without a word. SIGTERM and SIGHUP end it as Ctrl-C does: folders that were made for a while are
    removed, devices are closed.
    """
    prepare_streams()
    piped = _is_pipe()
    try:
        try:
            with interruptible():
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
    except (BrokenPipeError, OutputClosed):
        leave_output()
        raise SystemExit(UNREAD) from None
    except (KeyboardInterrupt, Interrupted):
        _ignore_signals()  # what is removed at the end is removed, whatever is pressed
        _end(name, "interrupted", INTERRUPTED)
    except MemoryError:
        _end(name, "the memory of this machine is not enough for that; close other programs, or give less", FAILED)
    except OSError as error:
        leave_output()
        _end(name, f"{reason_of(error)}{f': {error.filename}' if error.filename else ''}", FAILED)


class OutputClosed(Exception):
    """Nobody reads the output any more. Typer, which would end with 1 at a `BrokenPipeError`, lets it through."""


class Interrupted(Exception):
    """Somebody ended the program. Typer, which would end it without a word, lets it through."""


def guarded(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command as Typer calls it, whose options hold no NaN.

    It raises `OutputClosed` where nobody reads its output, `Interrupted` for an interrupt, and OptionError where a
    number is not finite or beyond all arithmetic: NaN passes Typer's own bounds.
    """

    @wraps(command)
    def run(**options: Any) -> Any:
        for name, value in options.items():
            if isinstance(value, float):
                check_number(f"--{name.replace('_', '-')}", value, "give a number, such as 1.5")
        try:
            return command(**options)
        except BrokenPipeError as error:
            raise OutputClosed from error
        except KeyboardInterrupt as error:
            raise Interrupted from error

    return run


@contextmanager
def interruptible() -> Iterator[None]:
    """Let what services send end the work as Ctrl-C does; a signal that is ignored, as under nohup, stays ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    mine = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in mine:
            signal.signal(number, interrupt)
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def _ignore_signals() -> None:
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, *ENDING):
            signal.signal(number, signal.SIG_IGN)


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


def import_help_pages() -> None:
    """Import Typer's help pages with empty classes in place of `UNUSED`; who imports those later gets the real ones."""
    absent = [name for name in UNUSED if name not in sys.modules]
    for name in absent:
        stand_in = ModuleType(name)
        setattr(stand_in, UNUSED[name], type(UNUSED[name], (), {}))
        sys.modules[name] = stand_in
    try:
        import typer.rich_utils  # noqa: F401  # Typer imports it by itself where a page is shown
    finally:
        for name in absent:
            del sys.modules[name]
