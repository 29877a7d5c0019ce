"""`mer-convert`: a checkpoint to bundles for Core ML, ExecuTorch, TFLite and ONNX, through the parity gate."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from mer_sdk.errors import MissingExtra, OptionError

try:
    import typer
    from rich.console import Console
except ModuleNotFoundError as missing:
    sys.exit(str(MissingExtra("mer-convert", missing.name or "typer", "convert")))

from mer_converters.arguments import (
    FACE_FINDER,
    Arguments,
    check_early,
    check_out,
    data_options,
    shipped_student,
    split_names,
    target_list,
)
from mer_sdk.cli.options import LabelsOption, label_names
from mer_sdk.cli.program import guarded, run_program
from mer_sdk.cli.typed import HELP_NAMES, help_text

if TYPE_CHECKING:
    from mer_converters.emit import EmitRequest
    from mer_converters.pipeline.convert import ConversionResult
    from mer_converters.pipeline.plan import ConvertOptions
    from mer_converters.processes.progress import Say

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _version(value: bool) -> None:
    if value:
        from mer_sdk import __version__

        print(__version__)
        raise typer.Exit


def convert(
    model: Annotated[
        str | None,
        typer.Option(
            help="Model whose shipped student is converted: grjca (default), atsuko, fdrl, amb_dsgdn; or face_finder."
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Your own checkpoint (.safetensors, its .json card beside it) instead of --model."),
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="coreml, executorch, onnx, tflite or all (default); repeatable.")
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
            "clips (your own: a table or folders), ravdess_pairs, ravdess, ferplus; meld for dialogue models."
        ),
    ] = None,
    labels: LabelsOption = "",
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
    app_too: Annotated[
        bool,
        typer.Option(
            "--app",
            help="With --emit: a whole app instead, in NAME-LANGUAGE-app: a project that builds as it stands, with "
            "the code of the face finder that lies beside the bundle.",
        ),
    ] = False,
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

      mer-convert --emit kotlin --emit cpp --target tflite

      mer-convert --emit kotlin:bundles/grjca-tflite-fp32.mer --app

      mer-convert --model face_finder --target onnx --scheme fp32,fp16
    """
    from mer_converters.emit import parse_emit
    from mer_converters.progress_display import shown_steps

    request = parse_emit(emit or [], app_too)
    if request.bundles:
        _emit_alone(request, any((target, scheme, checkpoint, data, check_data)), as_json)
        return
    if checkpoint is not None and model not in (None, FACE_FINDER):
        raise OptionError(f"--model {model} and --checkpoint {checkpoint} name two models; leave one out")
    model = model or "grjca"
    check_out(out, checkpoint=checkpoint)
    arguments = Arguments(
        model=model,
        checkpoint=checkpoint,
        targets=target_list(target or ([] if request.languages else ["all"])) or request.targets,
        schemes=split_names(scheme or ["fp32"]),
        out=out,
        jobs=jobs,
        as_json=as_json,
    )
    request.check(arguments.targets)
    check_early(arguments, coverage)
    if model == FACE_FINDER and any((data, check_data, keep_float)):
        raise OptionError("a face finder is not quantized: leave out --data, --check-data and --keep-float")
    if model == FACE_FINDER:
        request.check_kind("finder", FACE_FINDER, out, arguments.targets)
    with shown_steps(as_json) as say:
        _load_torch(say)
        if model == FACE_FINDER:
            from mer_converters.face_finder_command import convert_face_finder, show_face_finder

            finders = convert_face_finder(checkpoint, arguments.targets, arguments.schemes, out, jobs, say)
            finder_code = {row.path: _emit_for(request, row.target, row.path) for row in finders if row.path}
        else:
            from mer_converters.pipeline.plan import ConvertOptions

            names = label_names(labels)
            if names and not (data or check_data):
                raise OptionError(
                    "--labels renames the labels of your own clips; give --data clips:PATH, or leave it out"
                )
            calibrating = data_options(data, calibration_clips, names)
            apart = not set(data or ()) & set(check_data or ())
            judging = data_options(check_data, calibration_clips, names, checks_alone=apart)
            keep = split_names(keep_float or [])
            options = ConvertOptions(out, force, jobs, calibrating, judging, coverage, keep, fallback)
            converted = _convert_emotion_model(arguments, options, request, say)
    passed = show_face_finder(finders, out, as_json, finder_code) if model == FACE_FINDER else _show(converted, as_json)
    if not passed:
        raise typer.Exit(1)


app.command(help=help_text(convert), context_settings={"help_option_names": sorted(HELP_NAMES)})(guarded(convert))


def main() -> None:
    """Entry point: 0 = every bundle written through the gate, 1 = a gate or a conversion failed, 2 = asked wrongly."""
    run_program("mer-convert", app)


@dataclass(frozen=True)
class _Converted:
    """An emotion model's bundles: the rows, bundle -> its folders of code, and what its card says."""

    rows: tuple[ConversionResult, ...]
    code: dict[Path, list[Path]]
    student_vs_full: str
    dialogue: bool
    seconds: float


def _load_torch(say: Say) -> None:
    """Import what is slow to import: --help does not wait for it, and everybody else is told."""
    from mer_converters.processes.progress import Step

    say(Step("checkpoint", "loading torch", 0.0))
    try:
        import mer_converters.pipeline.convert  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("mer-convert", error.name or "torch", "convert") from error


def _convert_emotion_model(arguments: Arguments, options: ConvertOptions, request: EmitRequest, say: Say) -> _Converted:
    from mer_converters.pipeline import convert as pipeline
    from mer_converters.pipeline.bundle_files import student_vs_full
    from mer_fusion.checkpoint import load_checkpoint

    started, source = time.time(), arguments.checkpoint or shipped_student(arguments.model)
    card = load_checkpoint(source).card
    request.check_kind(
        "window" if card.dialogue is None else "dialogue", card.network.model, options.out, arguments.targets
    )
    rows = pipeline.convert_many(source, arguments.targets, arguments.schemes, options, say)
    code = {row.path: _emit_for(request, row.target, row.path) for row in rows if row.path}
    return _Converted(rows, code, student_vs_full(card), card.dialogue is not None, time.time() - started)


def _show(converted: _Converted, as_json: bool) -> bool:
    """Print the rows; whether every bundle was written through the gate."""
    from mer_converters.result_table import json_row, next_commands, notes, result_table

    rows = converted.rows
    if as_json:
        print(
            json.dumps([json_row(row, converted.code.get(row.path, []) if row.path else []) for row in rows], indent=2)
        )
    else:
        shown = Console()
        shown.print(result_table(rows))
        for note in notes(rows, converted.student_vs_full):
            shown.print(note, style="dim", highlight=False, markup=False)
        count = len([row for row in rows if row.written])
        shown.print(f"{count} of {len(rows)} bundles written in {converted.seconds:.0f} s")
        for folder in [folder for folders in converted.code.values() for folder in folders]:
            shown.print(f"code for apps: {folder}", highlight=False, soft_wrap=True)
    failed = [row for row in rows if row.gate in ("failed", "error")]
    for row in failed:
        text = f"{row.target} {row.scheme}: {row.reason}"
        Console(stderr=True).print(text, style="red", markup=False, highlight=False)
    passed = [row.path for row in rows if row.path and row.gate == "passed"]
    commands = [] if as_json else next_commands(passed, converted.dialogue)
    if commands:
        print("\nNext:", *(f"  {command}" for command in commands), sep="\n")
    return not failed


def _emit_for(request: EmitRequest, target: str, bundle: Path) -> list[Path]:
    """The folders of code written beside one bundle."""
    return [request.write(bundle, language) for language in request.fitting(target)]


def _emit_alone(request: EmitRequest, converting: bool, as_json: bool) -> None:
    """Write code for bundles that are there."""
    if converting:
        raise OptionError("--emit LANGUAGE:BUNDLE converts nothing; leave out --target, --scheme and the other options")
    written = [(bundle, language, request.write(bundle, language)) for language, bundle in request.bundles]
    if as_json:
        rows = [{"bundle": str(a), "language": b, "path": str(c)} for a, b, c in written]
        print(json.dumps(rows, indent=2))
        return
    for bundle, _, folder in written:
        print(f"{folder}: the code for {bundle.name}, with its golden tests; docs/ship/native.md says how to use it")


if __name__ == "__main__":
    main()
