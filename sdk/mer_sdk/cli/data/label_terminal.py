"""Labelling in the terminal: a clip is played, a key gives its label."""

from __future__ import annotations

import os
import re
import select
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mer_sdk.cli.data.label_player import Player
from mer_sdk.cli.data.label_sheet import LabelSheet
from mer_sdk.errors import OptionError
from mer_sdk.media.names import shown

AGAIN, LATER, BACK, STOP = " ", "s", "z", "q"
# Keys of labels, in their order.
LABEL_KEYS = "123456789" + "".join(key for key in "abcdefghijklmnopqrstuvwxyz" if key not in (LATER, BACK, STOP))
# What Ctrl-D sends.
END = "\x04"
# What arrows and function keys send.
_SEQUENCE = re.compile(r"\x1b(\[[0-9;]*[A-Za-z~]|O[A-Z]|)")
# How often it is looked whether the player failed, seconds.
LOOK = 0.2


def is_terminal() -> bool:
    """Whether keys can be read and be answered."""
    try:
        import termios  # noqa: F401
    except ImportError:
        return False
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def label_in_terminal(sheet: LabelSheet, choices: Sequence[str]) -> None:
    """Ask for the label of every file that has none, until there are no more or somebody stops.

    Args:
        sheet: is filled.
        choices: the labels.

    Raises:
        OptionError: there is no terminal, there are more labels than keys, or the table cannot be written.
    """
    if not is_terminal():
        raise OptionError("--terminal reads keys, and this is no terminal that it can read them from; leave it out")
    if len(choices) > len(LABEL_KEYS):
        raise OptionError(f"--choices names {len(choices)} labels, and there are {len(LABEL_KEYS)} keys; give fewer")
    keys = dict(zip(LABEL_KEYS, choices, strict=False))
    _say("  ".join(f"{key} {label}" for key, label in keys.items()))
    _say("space plays again  s later  z takes the last one back  q stops")
    queue = sheet.open
    with Player() as player, _keys() as keyboard:
        while queue:
            number = queue[0]
            done = len(sheet.files) - len(sheet.open)
            path = sheet.files[number]
            keyboard.forget()
            _say(f"\n{done} of {len(sheet.files)} have a label; now {shown(sheet.name(number))}{_size(path)}")
            key = _asked(player, path, keyboard, {*keys, LATER, BACK, STOP})
            player.stop()
            if key == STOP:
                return
            if key == LATER:
                queue.append(queue.pop(0))
                _say("later")
            elif key == BACK:
                back = sheet.undo()
                if back is None:
                    _say("there is no answer of this session to take back")
                else:
                    _say(f"{shown(sheet.name(back))} has no label again")
                    queue = [back, *(other for other in queue if other != back)]
            else:
                sheet.give(number, keys[key])
                queue.pop(0)
                _say(keys[key])


def _asked(player: Player, path: Path, keyboard: _Keyboard, known: set[str]) -> str:
    """Play, as often as space is pressed, until one of the known keys is."""
    while True:
        if said := player.play(path):
            _say(said)
        while (key := keyboard.wait()) != AGAIN:
            if key in known:
                return key
            if said := player.failed():
                _say(said)


def _size(path: Path) -> str:
    try:
        return "" if path.stat().st_size else " (0 bytes: there is nothing in it)"
    except OSError:
        return " (it is gone)"


def _say(text: str) -> None:
    print(text, flush=True)


class _Keyboard:
    """Single keys of the terminal that standard input is."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pressed = ""

    def wait(self) -> str:
        """The key that was pressed, "" where none was for a moment or it is none of this program's.

        Where the terminal is gone it is that which stops.
        """
        if not self._pressed:
            ready, _, _ = select.select([self._descriptor], [], [], LOOK)
            if not ready:
                return ""
            try:
                read = os.read(self._descriptor, 1024)
            except OSError:
                return STOP
            self._pressed = _SEQUENCE.sub("", read.decode("utf-8", "ignore")) if read else END
        key, self._pressed = self._pressed[:1], self._pressed[1:]
        return STOP if key == END else key.lower()

    def forget(self) -> None:
        """Drop what was pressed before the clip was there, so that a key pressed twice does not label the next one."""
        import termios

        termios.tcflush(self._descriptor, termios.TCIFLUSH)
        self._pressed = ""


@contextmanager
def _keys() -> Iterator[_Keyboard]:
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        # Ctrl-C goes on to interrupt.
        tty.setcbreak(descriptor)
        yield _Keyboard(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
