"""MkDocs hook: docs/reference/commands.md from the commands themselves, so that it says what `--help` says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

PAGE = "reference/commands.md"
MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page with every command in place of its mark."""
    return markdown.replace(MARK, "\n".join(lines())) if page.file.src_uri == PAGE else markdown


def all_commands() -> dict[str, Any]:
    """Every command by the words that call it ("mer run", "mer-convert"): Typer's command objects."""
    import typer

    from mer_converters.cli import app as convert
    from mer_sdk.cli import commands

    found = {}
    for name, entry in commands().items():
        app = typer.Typer(add_completion=False)
        app.command(name)(entry.load())
        found[f"mer {name}"] = typer.main.get_command(app)
    found["mer-convert"] = typer.main.get_command(convert)
    return found


def lines() -> Iterator[str]:
    """The Markdown of all commands."""
    for name, command in all_commands().items():
        yield f"## {name}"
        yield ""
        yield from _help(command.help or "")
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        options = [one for one in command.params if one.param_type_name == "option"]
        words = " ".join([*(_argument(one) for one in arguments), *(["[OPTIONS]"] if options else [])])
        yield from ("```text", f"{name} {words}".rstrip(), "```", "")
        if arguments:
            yield from ("| argument | |", "|---|---|")
            yield from (f"| `{_argument(one)}` | {_cell(one.help)} |" for one in arguments)
            yield ""
        if options:
            yield from ("| option | | default |", "|---|---|---|")
            yield from (_option(one) for one in options)
            yield ""


def _help(text: str) -> Iterator[str]:
    """Paragraphs of a docstring; what follows "Example:" or "Examples:" as one block of code."""
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.replace("\b", "").strip())]
    first = next((i for i, part in enumerate(paragraphs) if re.match("Examples?:", part)), len(paragraphs))
    for paragraph in filter(None, paragraphs[:first]):
        yield from (_escaped(paragraph), "")
    examples = [re.sub(r"^Examples?:\s*", "", part) for part in paragraphs[first:]]
    if any(examples):
        yield from ("```sh", *filter(None, examples), "```", "")


def _argument(one: Any) -> str:
    name = (one.metavar or one.name).upper().strip("[]{}")
    return f"{name.rstrip('.')}..." if one.nargs == -1 else name


def _option(one: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*one.opts, *one.secondary_opts))
    default = one.default
    if one.required:
        shown = "required"
    elif callable(default) or default is None or default is False or default is ... or default in ((), [], ""):
        shown = ""
    else:
        shown = f"`{default}`" if default is not True else "on"
    return f"| {names} | {_cell(one.help)} | {shown} |"


def _cell(text: str | None) -> str:
    return _escaped(" ".join((text or "").split())).replace("|", "\\|")


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
