"""`mer report`: one HTML page over several bundles."""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mer_sdk.cli.bundles import inputs_of, is_finder, open_bundle, open_bundles
from mer_sdk.cli.doctor import diagnose
from mer_sdk.cli.options import (
    BundlesArgument,
    JsonOption,
    LabelsOption,
    SplitOption,
    ThreadsOption,
    actors_of,
    dataset_path,
    label_names,
    names_of,
)
from mer_sdk.cli.progress import progress_bars
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.output_files import check_outputs
from mer_sdk.errors import OptionError

if TYPE_CHECKING:
    from mer_sdk.phone.devices import DeviceResult
    from mer_sdk.report.contents import Contents

PAGE_SUFFIXES = (".html", ".htm")


def report(
    bundles: BundlesArgument,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            help="Measure accuracy: clips:PATH (your own), ravdess_pairs:PATH or ravdess:PATH for window models, "
            "meld:PATH for dialogues; repeatable.",
        ),
    ] = None,
    labels: LabelsOption = "",
    evaluation: Annotated[
        list[Path] | None,
        typer.Option("--evaluation", help="Saved `mer evaluate --json` or `mer report --json`; repeatable."),
    ] = None,
    devices: Annotated[
        list[Path] | None,
        typer.Option(
            "--devices",
            help="Compare devices: saved `mer phone-check --json`, or another bundle that was checked; repeatable. "
            "What the bundles of the page carry is shown anyway.",
        ),
    ] = None,
    latency: Annotated[
        int, typer.Option("--latency", min=0, help="Time this many interleaved steps of every bundle; 0 does not.")
    ] = 0,
    actors: Annotated[str, typer.Option(help="Actors of RAVDESS to test on, such as 5 or 5,12. Default: all.")] = "",
    split: SplitOption = "",
    protocol: Annotated[
        str, typer.Option(help="Where the personal baseline stands: cold, warm, enrolled, none.")
    ] = "cold,warm",
    orders: Annotated[int, typer.Option(min=1, help="Random orders of a person's clips in 'warm'.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the orders, of the bootstrap and of latency's input.")] = 0,
    threads: ThreadsOption = 1,
    worst: Annotated[
        int,
        typer.Option(min=0, help="Of your own clips so many of the worst are in the page, to be played; 0 for none."),
    ] = 8,
    out: Annotated[Path, typer.Option(help="The page.")] = Path("report.html"),
    json: JsonOption = False,
) -> None:
    """Write one HTML page over bundles: accuracy against size and latency, gate, confusion, confidence, int8 shares.

    Without options the page shows what the bundles carry: size, gate, distances, proof of quantization. --data measures
    accuracy on labelled data, --latency times a step on this machine. --json prints what was measured, which
    --evaluation reads again.

    Examples:

    mer report bundles/*.mer

    mer report bundles/grjca-*.mer --data clips:~/clips/labels.csv --latency 200

    mer report bundles/grjca-onnx-fp32.mer --devices pixel.json --devices iphone.json
    """
    from mer_sdk.evaluation.datasets.own.clips import reasons
    from mer_sdk.phone.devices import device_section, result_of
    from mer_sdk.report.contents import Contents, entries_of, key_of, with_measured, with_saved
    from mer_sdk.report.page import write_page
    from mer_sdk.report.results import read_measurements
    from mer_sdk.report.run import RunOptions, measure_all, time_all

    check_outputs(
        {"--out": out},
        {
            **inputs_of(bundles),
            **{f"the evaluation {path}": path for path in evaluation or []},
            **{f"the check {path}": path for path in devices or []},
            **{f"the data set {item}": dataset_path(item) for item in data or []},
        },
        {"--out": PAGE_SUFFIXES},
    )
    if data and evaluation:
        raise OptionError("--data measures and --evaluation takes saved results; give one of them")
    opened = {key_of(bundle): bundle for bundle in open_bundles(bundles, is_finder)}
    saved = [item for path in evaluation or [] for item in read_measurements(path)]
    others = [item for path in devices or [] for item in _checked(path)]
    entries = with_saved(entries_of(list(opened.values())), saved)
    machine = _machine()
    renamed = label_names(labels)
    options = RunOptions(names_of(protocol), actors_of(actors) or None, split, orders, seed, threads, renamed, worst)
    with progress_bars(quiet=json) as progress:
        measured = measure_all(opened, data, machine, options, progress, _warn) if data else {}
        timed = time_all(opened, latency, seed, progress, _warn) if latency else {}
    checked = [result_of(one.name, item) for one in opened.values() for item in one.manifest.device_verified]
    found = [*checked, *others]
    contents = Contents(with_measured(entries, measured, timed), machine, latency, seed, device_section(found))
    write_page(out, contents)
    if json:
        print(json_module.dumps({**_plain(contents), "devices": to_json(found)}, indent=2))
    else:
        print(out)
    left = [omitted for entry in contents.entries for item in entry.measurements for omitted in item.report.left_out]
    if data and left:
        _warn(f"left out: {reasons(tuple(dict.fromkeys(left)))}")


def _plain(contents: Contents) -> dict[str, Any]:
    """What was measured, without the bundles' own reports, which lie beside them."""
    timed = {entry.name: to_json(entry.latency) for entry in contents.entries if entry.latency}
    return {
        "machine": contents.machine,
        "evaluations": [to_json(item) for entry in contents.entries for item in entry.measurements],
        "latency_ms": {"rounds": contents.latency_rounds, "seed": contents.latency_seed, "bundles": timed},
    }


def _checked(path: Path) -> list[DeviceResult]:
    """The devices of a saved check, or of a bundle."""
    from mer_sdk.phone.devices import read_devices, result_of

    if not path.is_dir():
        return read_devices(path)
    bundle = open_bundle(str(path))
    return [result_of(bundle.name, item) for item in bundle.manifest.device_verified]


def _machine() -> str:
    """The facts of `mer doctor` in one line."""
    found = diagnose()
    return (
        f"{found.system}, {found.cpus} CPUs ({found.machine}), Python {found.python}, numpy {found.numpy}, "
        f"mer-edge {found.mer_edge}"
    )


def _warn(said: str) -> None:
    print(f"mer: {said}", file=sys.stderr, flush=True)
