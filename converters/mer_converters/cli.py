"""`mer-convert`: a checkpoint to bundles for Core ML, ExecuTorch, TFLite and ONNX, through the parity gate."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from mer_sdk.contract.output_files import is_inside, is_same
from mer_sdk.errors import MissingExtra, OptionError

try:
    import typer
    from rich import box
    from rich.console import Console
    from rich.table import Table
except ModuleNotFoundError as missing:
    sys.exit(str(MissingExtra("mer-convert", missing.name or "typer", "convert")))

from mer_sdk.cli.program import run_program

if TYPE_CHECKING:
    from mer_converters.emit import EmitRequest
    from mer_converters.pipeline.convert import ConversionResult
    from mer_converters.pipeline.gate import Distance
    from mer_fusion.checkpoint import Distillation

FACE_FINDER = "face_finder"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _version(value: bool) -> None:
    if value:
        from mer_sdk import __version__

        print(__version__)
        raise typer.Exit


@app.command()
def convert(
    model: Annotated[
        str,
        typer.Option(help="Model whose shipped student is converted: grjca, atsuko, fdrl, amb_dsgdn; or face_finder."),
    ] = "grjca",
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Your own checkpoint (.safetensors, its .json card beside it) instead of --model."),
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="coreml, executorch, onnx, tflite or all; repeatable.")
    ] = None,
    scheme: Annotated[
        list[str] | None,
        typer.Option(
            help="fp32, fp16, w8, dyn8, int8, w4, as far as the target has them; see docs/models/quantization.md. "
            "Repeatable, or a list with commas. Default: fp32."
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Data set as NAME:PATH, repeatable: calibrates int8; other clips of it are those of --check-data. "
            "ravdess and ferplus, or meld for dialogue models."
        ),
    ] = None,
    check_data: Annotated[
        list[str] | None,
        typer.Option(
            help="Data set as NAME:PATH, repeatable: labelled clips that judge quantized schemes and fit how sure "
            "every bundle is. Default: other clips of --data."
        ),
    ] = None,
    calibration_clips: Annotated[
        int, typer.Option(min=8, help="Clips (or dialogues) that calibrate; others judge.")
    ] = 64,
    coverage: Annotated[
        float,
        typer.Option(help="Share of answers to give, the least confident become unknown; used with labelled clips."),
    ] = 0.9,
    keep_float: Annotated[
        list[str] | None,
        typer.Option(help="GRAPH.LAYER that stays in float in quantized schemes, such as fusion.network.classifier."),
    ] = None,
    fallback: Annotated[
        bool,
        typer.Option(help="Move the fewest sensitive layers to float where a quantized scheme fails the gate."),
    ] = True,
    out: Annotated[Path, typer.Option(help="Folder for the bundles.")] = Path("bundles"),
    jobs: Annotated[int, typer.Option(min=1, help="Targets converted at the same time.")] = 2,
    emit: Annotated[
        list[str] | None,
        typer.Option(
            help="Also write code for apps beside each bundle, with its golden test: swift (Core ML), kotlin (LiteRT, "
            "ONNX Runtime), cpp (LiteRT, ONNX Runtime, ExecuTorch). LANGUAGE:BUNDLE writes it for a bundle that is "
            "there, and converts nothing. Repeatable; see docs/ship/native.md."
        ),
    ] = None,
    force: Annotated[bool, typer.Option(help="Write a bundle although the gate failed; its manifest says so.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON instead of a table.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Convert a trained model to bundles that run on devices.

    Each target is converted in a process of its own, the artifact is run right after writing, and its numbers are held
    against the model in torch. A bundle appears only when it is whole and the gate lets it through.

    Examples:

      mer-convert --model grjca --target tflite

      mer-convert --checkpoint my.safetensors --target all --scheme fp32,fp16 --out bundles

      mer-convert --target coreml --scheme w8,int8 --data ravdess:PATH --data ferplus:PATH

      mer-convert --emit kotlin:bundles/grjca-tflite-fp32.mer

      mer-convert --model face_finder --target onnx --scheme fp32,fp16
    """
    from mer_converters.emit import parse_emit

    request = parse_emit(emit or [])
    if request.bundles:
        _emit_alone(request, any((target, scheme, checkpoint, data, check_data)), as_json)
        return
    _check_out(out, checkpoint=checkpoint)
    # Tools and torch are slow to import; --help must not wait for them.
    try:
        from mer_converters.pipeline.convert import ConvertOptions, convert_many
        from mer_fusion.checkpoint import load_checkpoint, shipped_checkpoint
        from mer_quantization.recordings import DataOptions
    except ModuleNotFoundError as error:
        raise MissingExtra("mer-convert", error.name or "torch", "convert") from error

    if model == FACE_FINDER:
        from mer_converters.face_finder_command import convert_face_finder

        if not convert_face_finder(
            checkpoint, _targets(_split(target or ["all"])), _split(scheme or ["fp32"]), out, as_json
        ):
            raise typer.Exit(1)
        return
    started = time.time()
    console = Console(stderr=True)
    source = checkpoint or shipped_checkpoint(model)
    chosen, checking = (DataOptions(tuple(item), calibration_clips) if item else None for item in (data, check_data))
    card = load_checkpoint(source).card
    targets = _targets(_split(target or ([] if request.languages else ["all"]))) or request.targets
    if request.languages and card.dialogue is not None:
        raise OptionError(f"--emit writes code for window models; {card.network.model} reads dialogues: leave it out")
    request.check(targets)
    options = ConvertOptions(out, force, jobs, chosen, checking, coverage, tuple(_split(keep_float or [])), fallback)
    with console.status("starting the converters") as status:
        rows = convert_many(source, targets, _split(scheme or ["fp32"]), options, status.update)
        written: dict[Path | None, list[Path]] = {
            row.path: _emit_for(request, row.target, row.path) for row in rows if row.path
        }
    if as_json:
        print(json.dumps([_json_row(row, written.get(row.path, [])) for row in rows], indent=2))
    else:
        shown = Console()
        shown.print(_table(rows))
        for note in _notes(rows):
            shown.print(note, style="dim", highlight=False)
        shown.print(
            f"{len([r for r in rows if r.written])} of {len(rows)} bundles written in {time.time() - started:.0f} s"
        )
        for folder in [folder for folders in written.values() for folder in folders]:
            shown.print(f"code for apps: {folder}", highlight=False, soft_wrap=True)
    for row in rows:
        if row.gate in ("failed", "error"):
            console.print(f"{row.target} {row.scheme}: {row.reason}", style="red", markup=False, highlight=False)
    if not as_json:
        _next_commands([row.path for row in rows if row.path and row.gate == "passed"], card.dialogue is not None)
    if any(row.gate in ("failed", "error") for row in rows):
        raise typer.Exit(1)


def main() -> None:
    """Entry point: 0 = every bundle written through the gate, 1 = a gate or a conversion failed, 2 = asked wrongly."""
    run_program("mer-convert", app)


def _check_out(out: Path, **inputs: Path | None) -> None:
    """Refuse an --out in which a bundle that is replaced would take an input with it.

    Raises:
        OptionError: it says which.
    """
    if out.exists() and not out.is_dir():
        raise OptionError(f"--out {out} is a file; give a folder for the bundles")
    for what, path in inputs.items():
        if path is None:
            continue
        if is_same(out, path) or is_inside(out, path):
            raise OptionError(f"--out {out} lies in {what} {path}, which is read; give another folder")
        between = [parent for parent in Path(os.path.realpath(path)).parents if is_inside(parent, out)]
        if any(parent.suffix == ".mer" for parent in between):
            raise OptionError(f"{what} {path} lies in a bundle in --out, which may be replaced; give another folder")


def _split(values: list[str]) -> tuple[str, ...]:
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    return tuple(dict.fromkeys(names))


def _targets(names: tuple[str, ...]) -> tuple[str, ...]:
    from mer_converters.targets import target_names

    return target_names() if "all" in names else names


def _table(rows: tuple[ConversionResult, ...]) -> Table:
    # Narrow enough for 80 columns.
    table = Table(box=box.SIMPLE_HEAD, title="Largest difference on the logits of the golden cases", pad_edge=False)
    for name in ("target", "scheme"):
        table.add_column(name, no_wrap=True)
    for name in ("kB", "s", "student vs\nfull model", "fp32 vs\ntorch", "scheme\nvs fp32"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("gate", no_wrap=True)
    for row in rows:
        same = "same" if row.scheme == "fp32" else _scheme(row)
        table.add_row(
            row.target,
            row.scheme,
            f"{row.bytes / 1000:.0f}" if row.bytes else "-",
            f"{row.seconds:.1f}",
            _distilled(row.distillation),
            _logits(row.conversion),
            same if row.conversion else "not run",
            row.gate,
        )
    return table


def _logits(value: Distance | None) -> str:
    return "not run" if value is None else f"{value.logits:.1e}"


def _scheme(row: ConversionResult) -> str:
    """What the gate judges a scheme by: difference, SQNR, or agreement with fp32 and UAR lost."""
    from mer_quantization.schemes import SCHEMES

    if row.accuracy is not None:
        return f"{row.accuracy.agreement:.1%}, {100 * (row.accuracy.uar - row.accuracy.uar_fp32):+.1f}"
    if SCHEMES[row.scheme].quantized and row.quantization is not None and row.quantization.sqnr_db is not None:
        return f"{row.quantization.sqnr_db:.1f} dB"
    return _logits(row.quantization)


def _distilled(value: Distillation | None) -> str:
    """Mean difference of the log-probabilities, and on how many answers both name the same label."""
    return "not said" if value is None else f"{value.mean_abs_log_probability:.2f}, {value.agreement:.0%}"


def _notes(rows: tuple[ConversionResult, ...]) -> list[str]:
    from mer_converters.targets import find_target
    from mer_sdk.runtimes import runtime_note

    notes = []
    student = next((row.distillation for row in rows if row.distillation), None)
    if student:
        notes.append(
            "student vs full model: mean difference of log-probabilities, same label; measured when it was distilled, "
            f"{student.data}"
        )
    if any(row.quantization is not None and row.quantization.sqnr_db is not None and not row.accuracy for row in rows):
        notes.append("dB: signal to quantization noise of the logits; quantized schemes need 20 dB")
    judged = next((row.accuracy for row in rows if row.accuracy), None)
    if judged:
        notes.append(
            f"%, points: same label as fp32, and UAR gained, in {judged.answers} answers on {judged.clips} clips "
            "that did not calibrate; needed are 98 % and -1 point"
        )
    moved = [(f"{row.target} {row.scheme}", ", ".join(row.moved)) for row in rows if row.moved]
    notes += [f"{bundle}: in float, so that the gate lets it through: {layers}" for bundle, layers in moved]
    sure = next((row.confidence for row in rows if row.confidence), None)
    if sure:
        notes.append(
            f"every bundle's temperature and threshold are fitted to its own {sure.answers} answers, to answer "
            f"{sure.coverage:.0%} of them; mer inspect shows them"
        )
    if any(row.gate == "failed" and not row.written for row in rows):
        notes.append("failed: further away than the gate allows, so not written; --force writes it, marked as failed")
    for target in dict.fromkeys(row.target for row in rows):
        note = runtime_note(find_target(target).runtime)
        if note:
            notes.append(f"{target}: {note}")
    return notes


def _emit_for(request: EmitRequest, target: str, bundle: Path) -> list[Path]:
    """The folders of code written beside one bundle."""
    from mer_converters.emit import emit

    return [emit(bundle, language) for language in request.fitting(target)]


def _emit_alone(request: EmitRequest, converting: bool, as_json: bool) -> None:
    """Write code for bundles that are there."""
    from mer_converters.emit import emit

    if converting:
        raise OptionError("--emit LANGUAGE:BUNDLE converts nothing; leave out --target, --scheme and the other options")
    written = [(bundle, language, emit(bundle, language)) for language, bundle in request.bundles]
    if as_json:
        rows = [{"bundle": str(a), "language": b, "path": str(c)} for a, b, c in written]
        print(json.dumps(rows, indent=2))
        return
    for bundle, _, folder in written:
        print(f"{folder}: the code for {bundle.name}, with its golden test; docs/ship/native.md says how to use it")


def _json_row(row: ConversionResult, written: list[Path]) -> dict[str, object]:
    from dataclasses import replace

    from mer_sdk.contract.codec import to_json

    value: dict[str, object] = to_json(replace(row, path=None))
    return value | {"path": str(row.path) if row.path else None, "code": [str(folder) for folder in written]}


def _next_commands(paths: list[Path], dialogue: bool) -> None:
    if not paths:
        return
    # The SDK's default runtime first.
    best = next((path for path in paths if "-tflite-" in path.name), paths[0])
    print("\nNext:")
    print(f"  mer run {best} {'DIALOGUE.csv' if dialogue else 'VIDEO_OR_SOUND_FILE'}")
    print(f"  mer evaluate {best} --data {'meld' if dialogue else 'ravdess'}:PATH")
    print(f"  mer inspect {best}")
    if len(paths) > 1:
        print(f"  mer compare {' '.join(str(path) for path in paths[:3])}")


if __name__ == "__main__":
    main()
