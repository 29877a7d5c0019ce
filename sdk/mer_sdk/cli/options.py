"""The arguments that several subcommands share, so that one thing has one name everywhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from mer_sdk.errors import OptionError
from mer_sdk.limits import MOST_THREADS

if TYPE_CHECKING:
    from mer_sdk.jobs import Workers

# How often work is begun whose process is killed or crashes; as often as a Dask scheduler does by default.
TRIES = 4

BundleArgument = Annotated[
    str,
    typer.Argument(
        metavar="BUNDLE",
        help="Bundle folder (NAME.mer), name of a packaged bundle or one in ./bundles, or checkpoint (.safetensors).",
    ),
]
BundlesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="BUNDLE",
        help="Bundles as folders (NAME.mer), names of packaged bundles or of those in ./bundles, or checkpoints "
        "(.safetensors). Of a whole folder (bundles/*.mer), what cannot be used is left out, and told.",
    ),
]
RuntimeOption = Annotated[
    str | None,
    typer.Option("--runtime", help="litert, onnx, executorch, coreml or coreml-spec; default: the bundle's own."),
]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, max=MOST_THREADS, help="CPU threads a graph may use.")]
DetectorOption = Annotated[
    str | None,
    typer.Option(
        "--detector",
        help="finder (default, packaged), haar (OpenCV's cascade), the path of a YuNet .onnx file, or the bundle of a "
        "face finder (.mer).",
    ),
]
LabelsOption = Annotated[
    str,
    typer.Option(
        "--labels",
        help="Labels of your clips in the bundle's words, such as joy=happy,rage=angry. Common words are understood.",
    ),
]
SplitOption = Annotated[
    str,
    typer.Option(
        "--split",
        help="Part of the data: train, dev, test. Default: dev of MELD; of your own clips test, where there is one.",
    ),
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="Let the workers of this Dask cluster do it, in place of processes of this machine: tcp://HOST:8786, or "
        "the path of the scheduler's file (.json).",
    ),
]
TrustOption = Annotated[
    list[str] | None,
    typer.Option(
        "--trust",
        metavar="KEY",
        help="Refuse bundles that this public key did not sign: ed25519:..., or the file that holds it; repeatable.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def dataset_path(spec: str) -> str | None:
    """Where a data set lies that is named as NAME:PATH, None where it is not."""
    _, _, path = spec.partition(":")
    return os.path.expanduser(path) or None


def names_of(text: str) -> tuple[str, ...]:
    """The names of a list with commas, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def label_names(text: str) -> dict[str, str]:
    """The table of --labels: label of the clips -> label of the bundle.

    Raises:
        OptionError: a pair without =, or one label twice with different meanings.
    """
    found: dict[str, str] = {}
    for pair in names_of(text):
        old, sign, new = (part.strip() for part in pair.partition("="))
        if not (old and sign and new):
            raise OptionError(f"--labels {text!r}: {pair!r} is no pair OLD=NEW; write for example joy=happy,rage=angry")
        if found.setdefault(old, new) != new:
            raise OptionError(f"--labels gives {old!r} two meanings, {found[old]} and {new}; give one")
    return found


def actors_of(text: str) -> tuple[int, ...] | None:
    """The numbers of --actors, None where none was given.

    Raises:
        OptionError: something else than numbers.
    """
    return _numbers_of(text, "--actors", "5 or 5,12 (1 to 24)")


def folds_of(text: str) -> tuple[int, ...] | None:
    """The numbers of --folds, None where none was given.

    Raises:
        OptionError: something else than numbers.
    """
    return _numbers_of(text, "--folds", "3 or 0,1 (0 to 4)")


def _numbers_of(text: str, option: str, example: str) -> tuple[int, ...] | None:
    if not text.strip():
        return None
    try:
        return tuple(int(number) for number in names_of(text))
    except ValueError as error:
        raise OptionError(f"{option} {text!r} is no list of numbers; write for example {example}") from error


def open_workers(jobs: int | None, cluster: str | None, threads: int = 1) -> Workers:
    """The processes that --jobs or --cluster ask for; the default is one for each processor.

    Args:
        threads: of each process's graphs and matrices.

    Raises:
        OptionError: both are given, or no cluster answers.
        MissingExtra: distributed is not installed.
    """
    if cluster is not None and jobs is not None:
        raise OptionError("--jobs is for processes of this machine, and --cluster has its own; leave one out")
    if cluster is not None:
        from mer_sdk.jobs.cluster import ClusterWorkers

        return ClusterWorkers(cluster)
    from mer_sdk.jobs import LocalWorkers, processors

    environment = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return LocalWorkers(jobs or processors(), environment, tries=TRIES)
