"""How a command is typed here, so that what is shown can be pasted: `mer`, or the path of the one that runs."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path


def typed(program: str) -> str:
    """What starts a program of this installation from the current folder.

    Args:
        program: "mer" or "mer-convert".

    Returns:
        The bare name where the shell finds this installation's; else its path, relative below the current folder, such
        as ".venv/bin/mer"; the bare name, too, where this installation has no such program.
    """
    here = Path(sys.executable).parent / program
    if not here.is_file():
        return program
    found = shutil.which(program)
    if found is not None and Path(found).resolve() == here.resolve():
        return program
    # Not resolved: the interpreter of a virtual environment is a link to the system's.
    absolute = Path(os.path.abspath(here))
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute)


def pasteable(text: str) -> str:
    """A help text with the commands of its examples as they are typed here.

    Examples are lines of their own after "Example:" or "Examples:".
    """
    head, colon, examples = re.split(r"(Examples?:)", text, maxsplit=1) if "Example" in text else (text, "", "")
    return head + colon + re.sub(r"(?<![\w./-])(mer(?:-convert)?)(?= )", lambda found: typed(found[1]), examples)
