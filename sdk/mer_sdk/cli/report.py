"""`mer report`: one HTML page over several bundles."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mer_sdk.cli.doctor import diagnose
from mer_sdk.cli.options import JsonOption, ThreadsOption, actors_of, names_of, progress_bars, writable
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.errors import OptionError

if TYPE_CHECKING:
    from mer_sdk.evaluation.evaluate import Progress
    from mer_sdk.report.contents import Contents


def report(
    bundles: Annotated[
        list[str], typer.Argument(metavar="BUNDLE...", help="Bundles, in any order; those of one model stand together.")
    ],
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", help="Measure accuracy: ravdess:PATH for window models, meld:PATH for dialogues; repeatable."
        ),
    ] = None,
    evaluation: Annotated[
        list[Path] | None,
        typer.Option("--evaluation", help="Saved `mer evaluate --json` or `mer report --json`; repeatable."),
    ] = None,
    latency: Annotated[
        int, typer.Option("--latency", min=0, help="Time this many interleaved steps of every bundle; 0 does not.")
    ] = 0,
    actors: Annotated[str, typer.Option(help="Actors of RAVDESS to test on, such as 5 or 5,12. Default: all.")] = "",
    split: Annotated[str, typer.Option(help="Part of MELD: train, dev or test.")] = "dev",
    protocol: Annotated[
        str, typer.Option(help="Where the personal baseline stands: cold, warm, enrolled, none.")
    ] = "cold,warm",
    orders: Annotated[int, typer.Option(min=1, help="Random orders of a person's clips in 'warm'.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the orders, of the bootstrap and of latency's input.")] = 0,
    threads: ThreadsOption = 1,
    out: Annotated[Path, typer.Option(help="The page.")] = Path("report.html"),
    json: JsonOption = False,
) -> None:
    """Write one HTML page over bundles: accuracy against size and latency, gate, confusion, confidence, int8 shares.

    Without options the page shows what the bundles carry: size, gate, distances, proof of quantization. --data measures
    accuracy on labelled data, --latency times a step on this machine. --json prints what was measured, which
    --evaluation reads again.

    Example: mer report build/grjca-*.mer --data ravdess:~/data/RAVDESS --actors 5 --latency 200
    """
    from mer_sdk.report.contents import Contents, entries_of, key_of, with_measured, with_saved
    from mer_sdk.report.page import write_page
    from mer_sdk.report.results import read_measurements
    from mer_sdk.report.run import RunOptions, measure_all, time_all

    writable(out, "--out")
    if data and evaluation:
        raise OptionError("--data measures and --evaluation takes saved results; give one of them")
    opened = {key_of(bundle): bundle for bundle in map(Bundle.open, bundles)}
    saved = [item for path in evaluation or [] for item in read_measurements(path)]
    entries = with_saved(entries_of(list(opened.values())), saved)
    machine = _machine()
    options = RunOptions(names_of(protocol), actors_of(actors) or None, split, orders, seed, threads)
    with _progress() as (progress, warn):
        measured = measure_all(opened, data, machine, options, progress, warn) if data else {}
        timed = time_all(opened, latency, seed, progress, warn) if latency else {}
    contents = Contents(with_measured(entries, measured, timed), machine, latency, seed)
    write_page(out, contents)
    if json:
        print(json_module.dumps(_plain(contents), indent=2))
    else:
        print(out)


def _plain(contents: Contents) -> dict[str, Any]:
    """What was measured, without the bundles' own reports, which lie beside them."""
    timed = {entry.name: to_json(entry.latency) for entry in contents.entries if entry.latency}
    return {
        "machine": contents.machine,
        "evaluations": [to_json(item) for entry in contents.entries for item in entry.measurements],
        "latency_ms": {"rounds": contents.latency_rounds, "seed": contents.latency_seed, "bundles": timed},
    }


def _machine() -> str:
    """The facts of `mer doctor` in one line."""
    found = diagnose()
    return (
        f"{found.system}, {found.cpus} CPUs ({found.machine}), Python {found.python}, numpy {found.numpy}, "
        f"mer-edge {found.mer_edge}"
    )


@contextmanager
def _progress() -> Iterator[tuple[Progress, Callable[[str], None]]]:
    """Bars on stderr, and a way to say what was left out."""
    from rich.console import Console

    console = Console(stderr=True)
    with progress_bars(console, hide_done=True) as advance:
        yield advance, lambda said: console.print(said, style="yellow", highlight=False, markup=False)
