"""`mer bench`: what bundles cost on this machine."""

from __future__ import annotations

import json as json_module
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mer_sdk.cli.bundles import is_finder, open_bundles
from mer_sdk.cli.doctor import diagnose
from mer_sdk.cli.options import BundlesArgument, DetectorOption, JsonOption, RuntimeOption, ThreadsOption
from mer_sdk.cli.progress import progress_bars
from mer_sdk.contract.codec import to_json
from mer_sdk.runtimes import available

if TYPE_CHECKING:
    from mer_sdk.bench.result import Machine


def bench(
    bundles: BundlesArgument,
    rounds: Annotated[int, typer.Option("--rounds", min=10, help="Interleaved steps of each bundle that count.")] = 200,
    warm_up: Annotated[int, typer.Option("--warm-up", min=0, help="Steps before them, told apart.")] = 20,
    starts: Annotated[
        int, typer.Option("--starts", min=0, help="Fresh processes for cold start and peak memory; 0 skips them.")
    ] = 5,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.0, help="Then run without a pause for so long, and compare both ends.")
    ] = 0.0,
    input: Annotated[
        Path | None, typer.Option("--input", help="Media file to decode and search. Default: one made from the seed.")
    ] = None,
    detector: DetectorOption = None,
    runtime: RuntimeOption = None,
    threads: ThreadsOption = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the input and of the ratios' intervals.")] = 0,
    json: JsonOption = False,
) -> None:
    """Measure what bundles cost here: time per stage, cold start, memory, real-time factor, heat and power.

    Several bundles run in turn, step by step, because a machine's speed drifts: quote their ratios, which are to the
    first of them. Steps run on as many cores as --threads says. Nothing is downloaded and nothing is kept.

    Examples:

    mer bench bundles/grjca-tflite-fp32.mer

    mer bench bundles/grjca-*.mer --minutes 10 --json
    """
    from mer_sdk.bench.result import Options
    from mer_sdk.bench.run import run_bench
    from mer_sdk.cli.tables.bench import show

    options = Options(
        rounds, warm_up, starts, minutes, threads, seed, runtime, None if input is None else str(input), detector
    )
    opened = open_bundles(bundles, is_finder)
    machine = this_machine()
    with progress_bars(quiet=json) as advance:
        result = run_bench([str(bundle.path) for bundle in opened], machine, options, advance)
    if json:
        print(json_module.dumps(to_json(result), indent=2))
    else:
        show(result)


def this_machine() -> Machine:
    """The facts of `mer doctor`, and those of the board."""
    from mer_sdk.bench.result import Machine, read_board

    board, found = read_board(), diagnose()
    return Machine(
        mer_edge=found.mer_edge,
        python=found.python,
        system=found.system,
        machine=found.machine,
        cpus=found.cpus,
        numpy=found.numpy,
        runtimes={status.name: status.version for status in available() if status.usable},
        **asdict(board),
    )
