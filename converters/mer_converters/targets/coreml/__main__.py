"""`python -m mer_converters.targets.coreml`: check anyone's Core ML package on this machine, without a Mac."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from mer_sdk.errors import MerError, MissingExtra, OptionError

try:
    import numpy as np
    import typer
    from rich import box
    from rich.console import Console
    from rich.table import Table
except ModuleNotFoundError as missing:
    sys.exit(str(MissingExtra("mer_converters.targets.coreml", missing.name or "typer", "convert")))

if TYPE_CHECKING:
    from mer_converters.targets.coreml.interpreter.report import CheckReport, OutputCheck, ValueCheck

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Spec-level check of Core ML packages: the saved ML Program is computed operation by operation."""


@app.command()
def check(
    package: Annotated[Path, typer.Argument(help="A .mlpackage folder with an ML Program.")],
    inputs: Annotated[Path, typer.Option(help=".npz with one array for every input, by its name.")],
    reference: Annotated[
        Path | None, typer.Option(help=".npz with what the outputs should be, by their names; may hold some of them.")
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(help="Allowed error, as a share of an output's largest absolute value. Default: 5e-3 with fp16."),
    ] = None,
    probes: Annotated[
        int, typer.Option(help="fp16 values that are rounded one at a time; the program runs once for each.")
    ] = 400,
    worst: Annotated[int, typer.Option(help="Operations listed.")] = 15,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Run a package on given inputs; compare its outputs, and name the operations that lose most digits.

    Exit code 0 if every output is within the tolerance and no NaN or infinity is made, 1 if not, 2 for bad input.

    Example: python -m mer_converters.targets.coreml check Model.mlpackage --inputs inputs.npz --reference out.npz
    """
    from mer_converters.targets.coreml.interpreter.report import CheckOptions, check_package

    options = CheckOptions(tolerance, probes, worst)
    given, wanted = _arrays(inputs), None if reference is None else _arrays(reference)
    interpreter = _interpreter(package)
    with Console(stderr=True).status("running") as status:
        report = check_package(
            interpreter, given, wanted, options, lambda done, total: status.update(f"probing {done} of {total} values")
        )
    if as_json:
        from mer_sdk.contract.codec import to_json

        print(json.dumps(_finite(to_json(report)), indent=2, allow_nan=False))
    else:
        _show(report)
    if not report.passed:
        raise typer.Exit(1)


@app.command()
def operations(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
) -> None:
    """List every operation of coremltools' operation sets, and whether it can be computed here."""
    from mer_converters.targets.coreml.interpreter.coverage import operation_groups
    from mer_converters.targets.coreml.program import quiet_coremltools

    quiet_coremltools()
    groups = operation_groups()
    if markdown:
        print("| group | operations | not computed |\n|---|---|---|")
        for group in groups:
            known = ", ".join(f"`{name}`" for name in group.known)
            print(f"| {group.name} | {known or '-'} | {', '.join(f'`{n}`' for n in group.unknown) or '-'} |")
        return
    table = Table("group", "operations", "not computed", box=box.SIMPLE_HEAD)
    for group in groups:
        table.add_row(group.name, ", ".join(group.known), ", ".join(group.unknown))
    Console().print(table)


def main() -> None:
    """Entry point."""
    try:
        app(prog_name="python -m mer_converters.targets.coreml")
    except MerError as error:
        print(f"mer_converters.targets.coreml: {error}", file=sys.stderr)
        sys.exit(2)


def _interpreter(package: Path):  # type: ignore[no-untyped-def]  # the class is imported where it is used
    try:
        from mer_converters.targets.coreml.interpreter.interpreter import Interpreter
        from mer_converters.targets.coreml.program import quiet_coremltools
    except ModuleNotFoundError as error:
        raise MissingExtra("checking Core ML packages", error.name or "coremltools", "convert") from error
    quiet_coremltools()
    return Interpreter(package)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise OptionError(f"{path} does not exist; give an .npz file made by numpy.savez") from None
    except (OSError, ValueError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise OptionError(f"{path} is no .npz file of plain arrays ({error}); make one with numpy.savez") from error


def _finite(value: object) -> object:
    """JSON has no infinity: it becomes null."""
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _show(report: CheckReport) -> None:
    console = Console(highlight=False)
    total = sum(report.operations.values())
    console.print(f"[bold]{report.package}[/bold]: {total} operations, {report.half_values} values in fp16")
    console.print(report.note, style="dim")
    if report.outputs:
        console.print(_output_table("Outputs against the reference", report.outputs))
    if report.rounding:
        console.print(_output_table("fp16 against the same program held in float32", report.rounding))
    if report.worst:
        console.print(_value_table("Rounding that adds most to the error of the outputs", report.worst, "adds"))
    if report.faults:
        console.print(_value_table("Where infinities and NaN begin", report.faults, "faults"))
    if report.subnormal:
        console.print(_value_table("fp16 results too small for all their digits", report.subnormal, "subnormal"))
    console.print(_value_table("Largest magnitudes (fp16 ends at 65504)", report.ranges, "range"))
    if report.infinite_constants:
        console.print(f"constants that are infinite in fp16: {', '.join(report.infinite_constants)}", style="red")
    outcome = "passed" if report.passed else "FAILED"
    rule = f"relative error at most {report.tolerance:g}, no new infinity or NaN"
    if not report.outputs:
        rule = "no new infinity or NaN; no reference was given"
    console.print(f"{outcome} ({rule})", style="green" if report.passed else "red")


def _output_table(title: str, outputs: tuple[OutputCheck, ...]) -> Table:
    table = Table("output", "max abs error", "relative", "SQNR dB", "", title=title, box=box.SIMPLE_HEAD)
    for output in outputs:
        table.add_row(
            output.name,
            f"{output.max_abs_error:.2e}",
            f"{output.relative_error:.2e}",
            "-" if output.sqnr_db is None else f"{output.sqnr_db:.1f}",
            "ok" if output.passed else "[red]too far[/]",
        )
    return table


def _value_table(title: str, values: tuple[ValueCheck, ...], what: str) -> Table:
    columns = {
        "adds": ("adds", "error here"),
        "faults": ("overflow", "NaN"),
        "subnormal": ("subnormal", "error here"),
        "range": ("low", "high"),
    }[what]
    table = Table(title=title, box=box.SIMPLE_HEAD)
    with_source = any(value.source for value in values)
    # A name that is cut short cannot be searched for.
    for name in ("operation", "value", *columns, *(["source"] * with_source)):
        table.add_column(name, overflow="fold")
    for value in values:
        figures = {
            "adds": (f"{value.adds or 0.0:.1e}", f"{value.error:.1e}"),
            "faults": (str(value.overflow), str(value.nan)),
            "subnormal": (str(value.subnormal), f"{value.error:.1e}"),
            "range": (f"{value.low:.4g}", f"{value.high:.4g}"),
        }[what]
        table.add_row(f"{value.operation} ({value.kind})", value.name, *figures, *([value.source] * with_source))
    return table


if __name__ == "__main__":
    main()
