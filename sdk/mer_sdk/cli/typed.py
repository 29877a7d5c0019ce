"""How a command is typed here, so that what is shown can be pasted: `mer`, or the path of the one that runs."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from inspect import getdoc
from pathlib import Path

# What asks for help, in every command.
HELP_NAMES = frozenset({"-h", "--help"})


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


def help_text(command: Callable[..., object] | str) -> str:
    """A command's docstring, or one given: paragraphs are lines, as the terminal breaks them, examples as typed here.

    Examples are the paragraphs after "Examples:" or "Example:".
    """
    given = command if isinstance(command, str) else getdoc(command) or ""
    paragraphs = [" ".join(part.split()) for part in given.split("\n\n")]
    first = next((i for i, part in enumerate(paragraphs) if part in ("Example:", "Examples:")), len(paragraphs))
    examples = (re.sub(r"(?<![\w./-])mer(?:-convert)?(?= )", _typed_word, part) for part in paragraphs[first:])
    return "\n\n".join((*paragraphs[:first], *examples))


def _typed_word(found: re.Match[str]) -> str:
    return typed(found[0])
