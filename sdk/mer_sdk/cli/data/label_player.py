"""Programs that play a clip where there is no browser: the first that is installed and fits the clip."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from mer_sdk.evaluation.datasets.clip import IMAGE_SUFFIXES, SOUND_SUFFIXES

# Play anything: what they are called with for sound alone, for video in a window, and for a picture that stays there.
_ANY = {
    "mpv": (
        ("--really-quiet", "--no-video"),
        ("--really-quiet",),
        ("--really-quiet", "--image-display-duration=inf"),
    ),
    "ffplay": (
        ("-loglevel", "quiet", "-autoexit", "-nodisp"),
        ("-loglevel", "quiet", "-autoexit"),
        ("-loglevel", "quiet"),
    ),
}
# Play sound alone, of these kinds.
_SOUND: dict[str, tuple[str, ...]] = {
    "afplay": (".wav", ".mp3", ".m4a", ".aac", ".aiff", ".aif", ".flac"),
    "pw-play": (".wav", ".flac", ".ogg", ".mp3", ".opus"),
    "paplay": (".wav", ".flac", ".ogg"),
    "play": (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif"),
    "aplay": (".wav",),
}


def has_screen() -> bool:
    """Whether windows can be opened."""
    if sys.platform in ("win32", "darwin"):
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def command_for(path: Path) -> tuple[str, ...] | None:
    """The command that plays a clip once, None where no program for it is installed."""
    suffix, screen = path.suffix.lower(), has_screen()
    picture = suffix in IMAGE_SUFFIXES
    for name, (sound, video, still) in _ANY.items():
        if shutil.which(name) and (screen or not picture):
            options = still if picture else video if screen and suffix not in SOUND_SUFFIXES else sound
            return name, *options, str(path)
    for name, kinds in _SOUND.items():
        if suffix in kinds and shutil.which(name):
            return name, str(path)
    return None


class Player:
    """Plays one clip at a time, and stops it where the next one begins; use it in a `with` statement."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._command: tuple[str, ...] = ()
        self._told = True

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def play(self, path: Path) -> str:
        """Begin; the sentence that there is to say about it, "" where it plays."""
        self.stop()
        command = command_for(path)
        if command is None:
            return f"no player for it was found (mpv or ffplay would do); open it yourself: {path.resolve()}"
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            return f"{command[0]} cannot be started ({error.strerror}); open it yourself: {path.resolve()}"
        self._command, self._told = command, False
        return ""

    def failed(self) -> str:
        """Once, after a program could not play its clip: the sentence that says so; else ""."""
        if self._process is None or self._told or (code := self._process.poll()) is None:
            return ""
        self._told = True
        if code == 0:
            return ""
        return f"{self._command[0]} could not play it; open it yourself: {Path(self._command[-1]).resolve()}"

    def stop(self) -> None:
        """End what plays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
