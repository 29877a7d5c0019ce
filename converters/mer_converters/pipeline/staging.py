"""The output folder: bundles appear there whole or not at all, and never in place of something else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mer_sdk.errors import BundleError, ConversionError, reason_of
from mer_sdk.jobs.temporary import temporary_folder


def put_in_place(folder: Path, final: Path, staging: Path) -> None:
    """Move a whole bundle to its name; one that was there is moved aside first and back if that fails.

    Folders cannot be renamed over one another: between two renames there is no bundle, but never half of one.
    """
    old = staging / f"old-{final.name}"
    if final.exists():
        os.rename(final, old)
    try:
        os.rename(folder, final)
    except OSError:
        if old.exists():
            os.rename(old, final)
        raise


def refuse_other(path: Path) -> None:
    """Only a bundle is ever replaced.

    Raises:
        ConversionError: something else is there.
    """
    if not path.exists() or (path.is_dir() and not path.is_symlink() and (path / "manifest.json").is_file()):
        return
    raise ConversionError(f"{path} is there and is not a bundle; move it away or give another --out")


@contextmanager
def staging_folder(out: Path) -> Iterator[Path]:
    """A folder for unfinished bundles, inside `out`, which is made where it is missing; it is gone afterwards.

    Raises:
        ConversionError: it cannot be made.
    """
    with ExitStack() as stack:

        def make() -> Path:
            out.mkdir(parents=True, exist_ok=True)
            # In the output folder, so that the last step is a rename within one file system.
            return stack.enter_context(temporary_folder(".mer-convert-", out))

        yield writing(make, out)


def writing(action: Callable[[], Path | None], out: Path) -> Path:
    """Run something that writes below `out`; the system's refusals become one sentence.

    Raises:
        ConversionError: that sentence.
    """
    try:
        return action() or out
    except BundleError as error:
        raise ConversionError(f"the bundle that was just written does not open: {error}") from error
    except OSError as error:
        raise ConversionError(
            f"{out} cannot be written ({reason_of(error)}): free some space or give another --out; "
            "nothing was left there"
        ) from error
