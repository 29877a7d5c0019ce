"""Names of inputs: what is a file, a list of files, an address of a network, and how they are written in messages."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

from mer_sdk.errors import MediaError, reason_of
from mer_sdk.limits import check_path

# A name longer than this is shortened in messages.
SHOWN = 160
# A line of a list is a path; the other lists are tables with a column file.
LIST_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def shown(name: str | os.PathLike[str]) -> str:
    """A name as a message may show it: one line, printable, not too long."""
    text = os.fspath(name).encode("utf-8", "backslashreplace").decode("utf-8")
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]}...{text[-SHOWN // 2 :]}"


def is_address(name: str) -> bool:
    """Whether a name is an address of a network, such as https://..., and no file."""
    return _ADDRESS.match(name) is not None and not os.path.lexists(name)


def is_list(name: str) -> bool:
    """Whether a name is a list of files, or a table that may be one."""
    return Path(name).suffix.lower() in LIST_SUFFIXES and os.path.isfile(name)


def is_many(inputs: Sequence[str]) -> bool:
    """Whether the inputs of a command mean more than one file, or may."""
    return len(inputs) > 1 or any(
        os.path.isdir(given) or is_list(given) or (glob.has_magic(given) and not os.path.lexists(given))
        for given in inputs
    )


def check_file(path: str | os.PathLike[str]) -> Path:
    """The path of a file that is there and not empty.

    Raises:
        MediaError: it is not there, empty, a folder, or an address of a network, from which nothing is read.
        OptionError: it is no path.
    """
    check_path("the media file", path, "the path of an audio or video file")
    name = os.fspath(path)
    if is_address(name):
        raise MediaError(
            f"{shown(name)} is an address, and nothing is read from a network: download it, and give the file; live "
            "sound may be piped: ffmpeg -i ADDRESS -f wav - | mer run BUNDLE -"
        )
    try:
        if os.path.isdir(name):
            raise MediaError(f"{shown(name)} is a folder; give an audio or video file")
        size = os.stat(name).st_size
        regular = os.path.isfile(name)
    except FileNotFoundError as error:
        raise MediaError(f"{shown(name)} does not exist; give an audio or video file") from error
    except (OSError, ValueError) as error:
        reason = reason_of(error)
        raise MediaError(f"{shown(name)} cannot be opened ({reason}); give an audio or video file") from error
    if regular and size == 0:
        raise MediaError(f"{shown(name)} is empty (0 bytes); record or copy it again")
    if not regular:
        raise MediaError(
            f"{shown(name)} is no file, but a device or a pipe; give an audio or video file, or pipe sound"
        )
    return Path(name)
