"""Text templates: `@name@` is replaced, and lines between `//#if NAME`, `//#else` and `//#end` depend on the bundle."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from importlib.resources import files

# "//" in the languages, "#" in build files.
_DIRECTIVE = re.compile(r"^\s*(?://)?#(if|else|end)\b\s*(\w*)\s*$")
_NAME = re.compile(r"@(\w+)@")


def read_template(path: str) -> str:
    """The text of `templates/PATH`."""
    return files("mer_converters.emit").joinpath("templates", *path.split("/")).read_text(encoding="utf-8")


def fill(template: str, values: Mapping[str, str], conditions: Collection[str]) -> str:
    """The template with its names replaced and the lines left out whose condition does not hold.

    Raises:
        KeyError: a name that has no value.
        ValueError: an `//#else` or `//#end` without `//#if`, or an `//#if` without end.
    """
    lines: list[str] = []
    # For each open //#if, whether its lines are kept.
    kept: list[bool] = []
    for line in template.splitlines():
        found = _DIRECTIVE.match(line)
        if found is None:
            if all(kept):
                lines.append(_NAME.sub(lambda match: values[match[1]], line))
            continue
        kind, name = found.groups()
        if kind == "if":
            kept.append(name in conditions)
        elif not kept:
            raise ValueError(f"#{kind} without #if")
        elif kind == "else":
            kept[-1] = not kept[-1]
        else:
            kept.pop()
    if kept:
        raise ValueError("#if without #end")
    return "\n".join(lines) + "\n"


def wrapped(values: Collection[str], indent: str, width: int = 120) -> str:
    """Values with commas between, in lines of at most `width` characters, the first line without its indent."""
    lines, line = [], ""
    for value in values:
        piece = f"{value}, "
        if line and len(indent) + len(line) + len(piece) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece
    return f"\n{indent}".join([*lines, line.rstrip(", ")])
