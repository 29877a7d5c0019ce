"""`mer phone-check`: a bundle's golden cases and latency in the browser of a real phone."""

from __future__ import annotations

import ipaddress
import json as json_module
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from mer_sdk.cli.bundles import inputs_of, left_out, open_bundle, open_bundles, preference
from mer_sdk.cli.options import BundlesArgument, JsonOption, LabelsOption, actors_of, dataset_path, label_names
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.device_evidence import EVIDENCE, PHONE
from mer_sdk.contract.golden import GoldenCase, load_golden
from mer_sdk.contract.manifest import Manifest
from mer_sdk.contract.output_files import atomic_output, check_outputs
from mer_sdk.errors import OptionError, reason_of
from mer_sdk.phone.evidence import Seen
from mer_sdk.phone.merging import DeviceEntry, describe, device_entry, merge
from mer_sdk.phone.report import read_report
from mer_sdk.phone.server import PhoneServer, local_address
from mer_sdk.phone.session import LOST, Advanced, CheckStarted, Refused, Reported, Service, page_folder
from mer_sdk.phone.tables import show

if TYPE_CHECKING:
    from mer_sdk.evaluation.datasets.clip import Clip
    from mer_sdk.phone.clips import ClipReference

# What the page's runtimes run, onnxruntime-web and LiteRT.js.
TARGETS = ("onnx", "tflite")
# A phone that was not heard of for so long is spoken of, seconds.
WORRY = 15.0
LOOK_SECONDS = 0.5
MOST_STRANGERS = 20
GPU_RUNTIME = "ort/ort-wasm-simd-threaded.jspi.wasm.br"


@dataclass(frozen=True, eq=False)
class _ClipSet:
    """Labelled clips, and what is needed to score the answers."""

    clips: tuple[Clip, ...]
    labels: dict[str, str]
    reference: ClipReference


@dataclass(frozen=True)
class _ClipOptions:
    """Which labelled clips were asked for; `data` is "" for none."""

    data: str
    labels: dict[str, str]
    actors: tuple[int, ...] | None
    clips: int
    reference: str | None


def phone_check(
    bundles: BundlesArgument,
    phones: Annotated[int, typer.Option("--phones", min=1, max=8, help="Phones that may take part at once.")] = 1,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.0, max=60.0, help="Steps without a pause for so long; 0 leaves it out.")
    ] = 2.0,
    rounds: Annotated[int, typer.Option("--rounds", min=10, max=5000, help="Runs of each graph that count.")] = 200,
    warm_up: Annotated[int, typer.Option("--warm-up", min=1, max=500, help="Runs before them, told apart.")] = 20,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="Labelled clips to stream to the phone, for accuracy there: clips:PATH or ravdess_pairs:PATH.",
        ),
    ] = "",
    labels: LabelsOption = "",
    actors: Annotated[str, typer.Option("--actors", help="Actors of the clips, such as 5. Default: all.")] = "",
    clips: Annotated[int, typer.Option("--clips", min=1, max=100, help="Clips to stream, spread over labels.")] = 16,
    reference: Annotated[
        str | None,
        typer.Option("--reference", help="Bundle or checkpoint that the clips' answers are compared with, here."),
    ] = None,
    host: Annotated[str | None, typer.Option("--host", help="Address of this computer that the phone reaches.")] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    wait: Annotated[float, typer.Option("--wait", min=0.01, help="End after so many minutes without a phone.")] = 10.0,
    plot: Annotated[Path | None, typer.Option("--plot", help="Write the sustained run's timeline as .svg.")] = None,
    json: JsonOption = False,
) -> None:
    """Check an ONNX or TFLite bundle on a phone, in its browser: no app, no account, all within the local network.

    Prints an address and its QR code. The page that the phone opens reads the bundle, checks its hashes, runs every
    golden case, measures each graph and then steps without a pause, and sends the result back, which goes into the
    bundle's device_verified. The address is good for one phone (see --phones) and for this run; the certificate is made
    for it, so the browser asks once whether to go on. The command ends by itself. Exit code 1 if a case fails, or no
    phone came.

    A phone checks one bundle a run: of several the best is taken, and the others are named.

    Examples:

    mer phone-check bundles/grjca-tflite-fp32.mer

    mer phone-check bundles/grjca-onnx-fp32.mer --data clips:~/clips/labels.csv
    """
    console = Console(stderr=json, highlight=False)
    if plot is not None and plot.suffix != ".svg":
        raise OptionError(f"--plot {plot} is no .svg file; give a name that ends in .svg")
    check_outputs({"--plot": plot}, {**inputs_of(bundles), "the data set": dataset_path(data)})
    opened = _chosen(bundles)
    assert opened.path is not None  # checkpoints do not fit
    folder = opened.path
    cases = load_golden(opened)
    clip_set = _clip_set(opened, _ClipOptions(data, label_names(labels), actors_of(actors), clips, reference), console)
    count = len(clip_set.clips) if clip_set else 0
    service = Service(
        bundle=folder,
        manifest=opened.manifest,
        settings={
            "bundle": opened.name,
            "seconds": minutes * 60.0,
            "rounds": rounds,
            "warm_up": warm_up,
            "clips": count,
            "webgpu": (page_folder() / GPU_RUNTIME).is_file(),
        },
        read=partial(_entry, manifest=opened.manifest, cases=cases, clip_set=clip_set),
        clips=_packers(clip_set, opened.manifest),
        phones=phones,
    )
    found: list[DeviceEntry] = []
    with _serving(service, host or local_address(), port, console) as server:
        for entry in _entries(server, phones, wait * 60.0, console):
            found.append(entry)
            if not json:
                show(entry, console)
            _tell(entry, folder, plot, console)
    if json:
        print(json_module.dumps([{"bundle": opened.name, **to_json(entry)} for entry in found], indent=2))
    if not found or not all(entry.passed for entry in found):
        raise typer.Exit(1)


def _chosen(given: Sequence[str]) -> Bundle:
    """The bundle to check: of several a window model's before a dialogue's, then as `preference` says."""
    opened = open_bundles(given, _unfit if len(given) > 1 else lambda bundle: _unfit(bundle, bundle.manifest.model))
    opened.sort(key=lambda bundle: (bundle.manifest.dialogue is not None, preference(bundle.name)))
    if len(opened) > 1:
        left_out([bundle.name for bundle in opened[1:]], f"a phone checks one bundle a run, now {opened[0].name}")
    return opened[0]


def _unfit(bundle: Bundle, model: str = "MODEL") -> str:
    """Why a browser cannot check a bundle; `model` is named in the command that makes one that it can."""
    if bundle.manifest.target not in TARGETS or bundle.path is None:
        targets = ",".join(TARGETS)
        return (
            f"a browser runs {' and '.join(TARGETS)} alone: `mer-convert --model {model} --target {targets}` makes both"
        )
    if bundle.manifest.finder is not None:
        return (
            "a face finder, whose golden frames `mer verify` proves; a phone checks a bundle of an emotion model, such "
            "as bundles/grjca-onnx-fp32.mer"
        )
    return ""


def _clip_set(bundle: Bundle, wanted: _ClipOptions, console: Console) -> _ClipSet | None:
    if not wanted.data:
        if wanted.reference is not None or wanted.actors or wanted.labels:
            raise OptionError(
                "--reference, --actors and --labels are for labelled clips; give --data ravdess_pairs:PATH too"
            )
        return None
    from mer_sdk.evaluation.datasets import OwnClips, Ravdess, RavdessPairs, Selection, open_dataset
    from mer_sdk.evaluation.datasets.ravdess import merge_labels
    from mer_sdk.phone.clips import reference_of, spread, with_sound

    dataset = open_dataset(wanted.data, wanted.labels)
    if not isinstance(dataset, OwnClips | Ravdess | RavdessPairs) or bundle.manifest.dialogue is not None:
        raise OptionError(
            f"--data {wanted.data!r}: clips are streamed from clips:PATH, ravdess_pairs:PATH or ravdess:PATH, to "
            "window models"
        )
    if isinstance(dataset, OwnClips):
        if wanted.actors is not None:
            raise OptionError("--actors are of RAVDESS; give a table with the people whom you want")
        found = dataset.to_test(bundle.manifest.labels)
        heard, unheard = with_sound(found.clips)
        for clip in (*found.left_out, *unheard):
            left_out([clip.clip], clip.reason)
        chosen, labels = spread(heard, wanted.clips), found.labels
    else:
        folds = dataset.tested_folds if wanted.actors is None else None
        chosen = spread(dataset.clips(Selection(actors=wanted.actors, folds=folds, paired_only=True)), wanted.clips)
        labels = merge_labels(bundle.manifest.labels)
    other = bundle if wanted.reference is None else open_bundle(wanted.reference)
    with console.status(f"running {other.name} here over {len(chosen)} clips"):
        answers = reference_of(other, chosen, bundle.manifest.labels)
    return _ClipSet(chosen, labels, answers)


def _packers(clip_set: _ClipSet | None, manifest: Manifest) -> list[partial[bytes]]:
    if clip_set is None:
        return []
    from mer_sdk.phone.clips import packed

    return [partial(packed, clip, manifest) for clip in clip_set.clips]


def _entry(
    text: str, seen: Seen, manifest: Manifest, cases: Sequence[GoldenCase], clip_set: _ClipSet | None
) -> DeviceEntry:
    """What the text of a report proves. Raises DataError where it is refused."""
    report = read_report(text, manifest, len(cases), len(clip_set.clips) if clip_set else 0)
    accuracy = None
    if clip_set is not None:
        from mer_sdk.phone.clips import score

        accuracy = score(report.clips, clip_set.clips, clip_set.labels, manifest, clip_set.reference)
    return device_entry(report, seen, manifest.scheme, cases, accuracy)


@contextmanager
def _serving(service: Service, host: str, port: int, console: Console) -> Iterator[PhoneServer]:
    """The server, its address and QR code shown."""
    try:
        # As a browser writes it, which asks for it by that name.
        address = ipaddress.ip_address(host)
        host = str(address)
    except ValueError as error:
        raise OptionError(
            f"--host {host!r} is no IP address; give one of this computer, such as 192.168.1.20"
        ) from error
    if address.is_unspecified:
        raise OptionError(f"--host {host} is every address of this computer; give the one that the phone reaches")
    context = None
    if not address.is_loopback:
        from mer_sdk.phone.certificate import server_context

        context = server_context(host)
    with PhoneServer(service, host, port, context) as server:
        console.print(
            f"Open this on the phone, which must be on the same network:\n\n  {server.address}\n", soft_wrap=True
        )
        _show_code(server.address, console)
        if context is not None:
            console.print(
                "The browser warns once that it does not know the certificate, which was made for this run: go on."
            )
        else:
            console.print(f"{host} is reached from this computer alone; --host takes its address on the local network.")
        yield server


def _show_code(address: str, console: Console) -> None:
    try:
        import segno
    except ImportError:
        console.print("(The QR code needs segno: pip install 'mer-edge[phone]')", markup=False)
        return
    code = segno.make(address, error="l", micro=False)
    rows = [[bool(value) for value in row] for row in code.matrix_iter(border=2)]
    # Two rows of the code a line; light on dark or dark on light, the colours are set.
    for top, bottom in zip(rows[::2], [*rows[1::2], rows[0]], strict=False):
        cells = "".join(
            {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}[a, b] for a, b in zip(top, bottom, strict=True)
        )
        console.print(f"  [white on black]{cells}[/]")


def _entries(server: PhoneServer, phones: int, wait: float, console: Console) -> Iterator[DeviceEntry]:
    """What phones send, as it comes, until there are enough or nobody is there any more."""
    got, strangers, heard, worried = 0, 0, time.monotonic(), set[int]()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[int, TaskID] = {}
        while got < phones:
            event = server.next_event(LOOK_SECONDS)
            if isinstance(event, CheckStarted):
                bars.console.print(f"phone {event.phone}: {event.user_agent or 'a browser'}", markup=False)
                tasks[event.phone] = bars.add_task(f"phone {event.phone}", total=1)
            elif isinstance(event, Advanced) and event.phone in tasks:
                where = f"phone {event.phone}: {event.what}"
                bars.update(tasks[event.phone], description=where, completed=event.done, total=event.total or 1)
                worried.discard(event.phone)
            elif isinstance(event, Refused):
                strangers += not event.phone
                # Whoever tries every address is not to fill the screen.
                if event.phone or strangers <= MOST_STRANGERS:
                    who = f"phone {event.phone}: " if event.phone else "refused: "
                    bars.console.print(f"{who}{event.why}", style="yellow", markup=False)
            elif isinstance(event, Reported):
                got += 1
                yield event.entry
            silence = server.silence()
            for gone in [phone for phone in tasks if phone not in silence]:
                bars.remove_task(tasks.pop(gone))
            for phone in [one for one, quiet in silence.items() if quiet > WORRY and one not in worried]:
                worried.add(phone)
                said = f"phone {phone} has not been heard of for {WORRY:.0f} s"
                bars.console.print(f"{said}: is it on this network, with the page open?", style="yellow")
            if any(quiet < LOST for quiet in silence.values()):
                heard = time.monotonic()
            elif time.monotonic() - heard > wait:
                said = "the phone went away before it sent its result, and was" if silence else "no phone was"
                bars.console.print(f"ended: {said} heard of for {wait / 60:g} minutes", style="red")
                return


def _tell(entry: DeviceEntry, folder: Path, plot: Path | None, console: Console) -> None:
    """Keep what passed, draw the timeline, and say so."""
    device = describe(entry.device)
    if entry.passed:
        merge(folder, entry)
        console.print(f"passed on {device}: in device_verified of {folder}", style="green", markup=False)
        if entry.evidence != PHONE:
            said = f"this was a {EVIDENCE[entry.evidence]}, and counts as no device"
            console.print(f"{said}: open the address on a phone", style="yellow", soft_wrap=True, markup=False)
        failed = [run.provider for run in entry.runs if not run.golden.passed]
        if failed:
            console.print(f"not near enough, and left out: {', '.join(failed)}", style="yellow", markup=False)
    else:
        said = "the golden cases are not near enough; the bundle was left as it is"
        console.print(f"FAILED on {device}: {said}", style="red", markup=False)
    timeline = entry.runs[0].sustained
    if plot is not None and timeline is not None:
        from mer_sdk.phone.curve import curve_svg

        try:
            with atomic_output(plot) as aside:
                aside.write_text(curve_svg(timeline.points, f"{device}: a step of {folder.stem}"), "utf-8")
        except OSError as error:
            raise OptionError(f"--plot {plot} cannot be written ({reason_of(error)}); give another place") from error
        console.print(f"timeline: {plot}", soft_wrap=True, markup=False)
    elif plot is not None:
        console.print("no timeline was drawn: there was no sustained run (--minutes)", style="yellow")
