"""`mer label --terminal` on a pseudo terminal: keys, a player that is there or not, a table that is gone on with."""

from __future__ import annotations

import csv
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mer_sdk.cli.data import label_player
from mer_sdk.cli.data.label_sheet import LabelSheet, media_files
from mer_sdk.cli.data.label_terminal import LABEL_KEYS, label_in_terminal
from mer_sdk.errors import OptionError

fcntl, pty, termios = (pytest.importorskip(name, reason="POSIX alone has it") for name in ("fcntl", "pty", "termios"))
PATIENCE = 60.0
PLAYER = '#!/bin/sh\nfor last; do :; done\necho "$last" >> "$PLAYED"\ncase "$last" in *bad*) exit 1;; esac\n'


def _take_terminal() -> None:
    """In the child: Ctrl-C comes from its terminal, and counts, which it would not in the background of a shell."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Person:
    """Somebody before a terminal in which the command runs."""

    def __init__(self, folder: Path, *options: str, player: bool = True) -> None:
        (folder / "bin").mkdir(exist_ok=True)
        if player:
            (folder / "bin" / "ffplay").write_text(PLAYER)
            (folder / "bin" / "ffplay").chmod(0o755)
        bare = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")}
        # Nothing else of this machine is found: no browser, no player.
        path = f"{folder / 'bin'}" + (":/bin:/usr/bin" if player else "")
        self._screen, inside = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mer_sdk.cli", "label", "in", "--choices", "happy,sad", *options],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            cwd=folder,
            env={**bare, "PATH": path, "PLAYED": str(folder / "played"), "TERM": "dumb"},
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(inside)
        self._read, self._seen = "", 0

    def sees(self, text: str) -> None:
        """Wait for it, after what was waited for before."""
        end = time.monotonic() + PATIENCE
        while (at := self._read.find(text, self._seen)) < 0:
            ready, _, _ = select.select([self._screen], [], [], end - time.monotonic())
            assert ready, f"{text!r} did not come: {self._read}"
            try:
                self._read += os.read(self._screen, 4096).decode().replace("\r\n", "\n")
            except OSError:
                pytest.fail(f"it ended without {text!r}: {self._read}")
        self._seen = at + len(text)

    def presses(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    def signals(self, number: int) -> None:
        self._process.send_signal(number)

    def leaves(self) -> int:
        """Close the terminal's window."""
        os.close(self._screen)
        return self._process.wait(PATIENCE)

    def ends(self) -> int:
        code = self._process.wait(PATIENCE)
        os.close(self._screen)
        return code

    def __enter__(self) -> Person:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def folder(tmp_path):
    for name in ("a.wav", "bad.wav", "c.mp4"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"media")
    return tmp_path


def _rows(folder):
    with (folder / "labels.csv").open() as file:
        return [(row["file"], row["label"], row["speaker"]) for row in csv.DictReader(file)]


def _waits_for(path, lines):
    end = time.monotonic() + PATIENCE
    while not path.exists() or path.read_text().count("\n") < lines:
        assert time.monotonic() < end
        time.sleep(0.01)
    return [Path(line).name for line in path.read_text().splitlines()]


def test_keys_label_play_again_wait_and_take_back(folder):
    with Person(folder, "--terminal", "--speaker", "anna") as person:
        person.sees("1 happy  2 sad")
        person.sees("0 of 3 have a label; now in/a.wav")
        assert _waits_for(folder / "played", 1) == ["a.wav"]
        person.presses(" ")
        assert _waits_for(folder / "played", 2) == ["a.wav", "a.wav"]
        # Neither an arrow nor a key without a label says anything, and the 1 is too early for the next clip.
        person.presses("\x1b[A9\xe921")
        person.sees("sad\n\n1 of 3 have a label; now in/bad.wav")
        person.sees("ffplay could not play it; open it yourself: ")
        person.presses("s")
        person.sees("later\n\n1 of 3 have a label; now in/c.mp4")
        person.presses("z")
        person.sees("in/a.wav has no label again\n\n0 of 3 have a label; now in/a.wav")
        person.presses("z")
        person.sees("there is no answer of this session to take back")
        person.sees("now in/a.wav")
        person.presses("1")
        person.sees("now in/c.mp4")
        person.presses("2")
        person.sees("2 of 3 have a label; now in/bad.wav")
        person.presses("q")
        person.sees("2 of 3 clips have a label in labels.csv\nNext: ")
        assert person.ends() == 0
    assert _rows(folder) == [("in/a.wav", "happy", "anna"), ("in/c.mp4", "sad", "anna")]

    # Without --terminal, as no browser is there; and without a player.
    (folder / "bin" / "ffplay").unlink()
    with Person(folder, player=False) as person:
        person.sees("1 of 3 clips have no label yet")
        person.sees("2 of 3 have a label; now in/bad.wav")
        person.sees(
            f"no player for it was found (mpv or ffplay would do); open it yourself: {folder / 'in' / 'bad.wav'}"
        )
        person.presses("1")
        person.sees("3 of 3 clips have a label")
        assert person.ends() == 0
    assert _rows(folder)[2] == ("in/bad.wav", "happy", "")


@pytest.mark.parametrize("how", ["Ctrl-C", "Ctrl-D", "SIGTERM", "gone"])
def test_whatever_ends_it_what_was_said_is_kept(folder, how):
    with Person(folder, "--terminal") as person:
        person.sees("now in/a.wav")
        person.presses("1")
        person.sees("now in/bad.wav")
        if how == "gone":
            person.leaves()
        else:
            person.presses({"Ctrl-C": "\x03", "Ctrl-D": "\x04", "SIGTERM": ""}[how])
            if how == "SIGTERM":
                person.signals(signal.SIGTERM)
            person.sees("1 of 3 clips have a label")
            assert person.ends() == 0
    assert _rows(folder) == [("in/a.wav", "happy", "")]


def test_what_is_no_terminal_has_no_keys(folder):
    sheet = LabelSheet(folder / "labels.csv", media_files([folder / "in"]))
    with pytest.raises(OptionError, match="is no terminal that it can read them from; leave it out"):
        label_in_terminal(sheet, ("happy", "sad"))
    assert len(set(LABEL_KEYS)) == len(LABEL_KEYS) == 32


@pytest.mark.parametrize(
    ("there", "screen", "file", "command"),
    [
        ({"mpv", "aplay"}, True, "a.mp4", ("mpv", "--really-quiet", "a.mp4")),
        ({"mpv"}, False, "a.mp4", ("mpv", "--really-quiet", "--no-video", "a.mp4")),
        ({"ffplay"}, True, "a.wav", ("ffplay", "-loglevel", "quiet", "-autoexit", "-nodisp", "a.wav")),
        ({"ffplay"}, True, "a.jpg", ("ffplay", "-loglevel", "quiet", "a.jpg")),
        ({"ffplay"}, False, "a.jpg", None),
        ({"aplay"}, True, "a.wav", ("aplay", "a.wav")),
        ({"aplay"}, True, "a.opus", None),
        ({"aplay"}, True, "a.mp4", None),
    ],
)
def test_a_player_that_fits_the_clip_is_chosen(monkeypatch, there, screen, file, command):
    monkeypatch.setattr(label_player.shutil, "which", lambda name: f"/bin/{name}" if name in there else None)
    monkeypatch.setattr(label_player, "has_screen", lambda: screen)
    assert label_player.command_for(Path(file)) == command
