"""Files that a command writes: none harms what is read, and none is ever half there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mer_sdk.errors import OptionError, reason_of


@contextmanager
def atomic_output(path: str | Path) -> Iterator[Path]:
    """A place beside `path` to write to; it takes the name of `path` once the block has ended well.

    It is on the disk by then: where the machine fails, the old content is there or the new one. Of several that write
    one path at the same time, the last that ends well is there. A device, such as /dev/null, is written to as it is.
    """
    final = Path(os.path.realpath(path))
    if final.exists() and not final.is_file():
        yield final
        return
    # Its own, whatever other threads and processes write, and within the 255 bytes that a name may have.
    known = os.fsencode(final.name)[:64].decode("utf-8", "ignore")
    aside = final.with_name(f".{known}-{secrets.token_hex(8)}.part")
    try:
        yield aside
        with aside.open("rb+") as written:
            os.fsync(written.fileno())
        aside.replace(final)
    finally:
        aside.unlink(missing_ok=True)


def check_outputs(
    outputs: Mapping[str, str | Path | None],
    inputs: Mapping[str, str | Path | None],
    suffixes: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Refuse outputs before any work is begun, where they cannot be written or would harm something.

    Files are the same by identity, not by spelling: through links, too. Inside a bundle nothing may be written, and of
    another folder that is read nothing is overwritten.

    Args:
        outputs: option -> the file it names, None where it was not given.
        inputs: what it is, such as "the input" -> file or folder that is read.
        suffixes: option -> endings that its file may have; a device, such as /dev/null, has none.

    Raises:
        OptionError: it says which, and what to do.
    """
    given = {option: Path(path) for option, path in outputs.items() if path is not None}
    for option, path in given.items():
        _check_place(option, path)
        check_keeps_inputs(option, path, inputs)
        allowed = (suffixes or {}).get(option, ())
        if allowed and path.suffix.lower() not in allowed and (path.is_file() or not path.exists()):
            listed = " or ".join(filter(None, (", ".join(allowed[:-1]), allowed[-1])))
            raise OptionError(f"{option} {path} must end in {listed}")
    options = list(given)
    for place, option in enumerate(options):
        for other in options[:place]:
            if is_same(given[option], given[other]):
                raise OptionError(f"{other} and {option} name the same file, {given[option]}; give two")


def check_keeps_inputs(option: str, path: Path, inputs: Mapping[str, str | Path | None]) -> None:
    """Refuse one output that is an input, or would overwrite something in one; see `check_outputs`.

    Raises:
        OptionError: it says which.
    """
    for what, other in inputs.items():
        if other is None:
            continue
        inside = is_inside(path, other) and (path.exists() or Path(other, "manifest.json").exists())
        if is_same(path, other) or inside:
            where = "lies in" if inside else "is"
            raise OptionError(f"{option} {path} {where} {what}, which writing there would destroy; give another place")


def is_same(path: str | Path, other: str | Path) -> bool:
    """Whether two paths lead to the same file or folder, or would; devices are never the same."""
    try:
        if os.path.exists(path) and os.path.exists(other):
            return os.path.samefile(path, other) and (os.path.isfile(path) or os.path.isdir(path))
        return os.path.realpath(path) == os.path.realpath(other)
    except (OSError, ValueError):
        return False


def is_inside(path: str | Path, folder: str | Path) -> bool:
    """Whether a path lies in a folder that is there, at any depth."""
    if not os.path.isdir(folder):
        return False
    return any(is_same(parent, folder) for parent in Path(os.path.realpath(path)).parents)


def _check_place(option: str, path: Path) -> None:
    try:
        if path.is_dir():
            raise OptionError(f"{option} {path} is a folder; give a file name")
        folder = path.absolute().parent
        if not folder.is_dir():
            raise OptionError(f"{option} {path}: the folder {path.parent} does not exist; make it first")
        there = path.exists()
    except (OSError, ValueError) as error:
        reason = reason_of(error)
        raise OptionError(f"{option} cannot be written ({reason}); give another name") from error
    if not os.access(path if there and not path.is_file() else folder, os.W_OK):
        raise OptionError(f"{option} {path} cannot be written: this user may not write there; give another place")
