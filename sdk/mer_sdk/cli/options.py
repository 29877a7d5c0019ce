"""The arguments that several subcommands share, so that one thing has one name everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mer_sdk.errors import OptionError

BundleArgument = Annotated[
    str,
    typer.Argument(
        metavar="BUNDLE", help="Bundle folder (NAME.mer), name of a packaged bundle, or checkpoint (.safetensors)."
    ),
]
RuntimeOption = Annotated[
    str | None,
    typer.Option("--runtime", help="litert, onnx, executorch, coreml or coreml-spec; default: the bundle's own."),
]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, help="CPU threads a graph may use.")]
# Shares of the answers at which the tables show the accuracy of the most confident ones.
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.5)
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def writable(path: Path | None, option: str) -> Path | None:
    """The path itself, once its folder is known to exist.

    Raises:
        OptionError: the folder is missing, or the path is a folder.
    """
    if path is None:
        return None
    if path.is_dir():
        raise OptionError(f"{option} {path} is a folder; give a file name")
    if not path.absolute().parent.is_dir():
        raise OptionError(f"{option} {path}: the folder {path.parent} does not exist; make it first")
    return path
