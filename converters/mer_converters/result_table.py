"""What came of a conversion: the table, its notes, the rows as JSON, and what to run next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from mer_converters.targets import find_target
from mer_quantization.schemes import SCHEMES
from mer_sdk.cli.typed import typed
from mer_sdk.contract.codec import to_json
from mer_sdk.runtimes import runtime_note

if TYPE_CHECKING:
    from mer_converters.pipeline.convert import ConversionResult
    from mer_converters.pipeline.gate import Distance


def result_table(rows: Sequence[ConversionResult]) -> Table:
    """A line a bundle, narrow enough for 80 columns."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title="Differences of the logits of golden cases; of clips, agreement and UAR",
        pad_edge=False,
    )
    for name in ("target", "scheme"):
        table.add_column(name, no_wrap=True)
    for name in ("kB", "s", "fp32 vs\ntorch", "scheme\nvs fp32"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("gate", no_wrap=True)
    for row in rows:
        same = "same" if row.scheme == "fp32" else _scheme(row)
        table.add_row(
            row.target,
            row.scheme,
            f"{row.bytes / 1000:.0f}" if row.bytes else "-",
            f"{row.seconds:.1f}",
            _logits(row.conversion),
            same if row.conversion else "not run",
            row.gate,
        )
    return table


def notes(rows: Sequence[ConversionResult], student_vs_full: str) -> list[str]:
    """What the table's columns mean, and what they do not say; `student_vs_full` is the card's sentence or ""."""
    found = [student_vs_full] if student_vs_full else []
    if any(row.quantization is not None and row.quantization.sqnr_db is not None and not row.accuracy for row in rows):
        found.append("dB: signal to quantization noise of the logits; quantized schemes need 20 dB")
    judged = next((row.accuracy for row in rows if row.accuracy), None)
    if judged:
        found.append(
            f"%, points: same label as fp32, and UAR gained, in {judged.answers} answers on {judged.clips} clips "
            "that did not calibrate; needed are 98 % and -1 point"
        )
    moved = [(f"{row.target} {row.scheme}", ", ".join(row.moved)) for row in rows if row.moved]
    found += [f"{bundle}: in float, so that the gate lets it through: {layers}" for bundle, layers in moved]
    sure = next((row.confidence for row in rows if row.confidence), None)
    if sure:
        found.append(
            f"every bundle's temperature and threshold are fitted to its own {sure.answers} answers, to answer "
            f"{sure.coverage:.0%} of them; mer inspect shows them"
        )
    if any(row.gate == "failed" and not row.written for row in rows):
        found.append("failed: further away than the gate allows, so not written; --force writes it, marked as failed")
    for target in dict.fromkeys(row.target for row in rows):
        note = runtime_note(find_target(target).runtime)
        if note:
            found.append(f"{target}: {note}")
    return found


def json_row(row: ConversionResult, written: Sequence[Path]) -> dict[str, object]:
    """A row as JSON, with the folders of code that were written beside the bundle."""
    value: dict[str, object] = to_json(replace(row, path=None))
    return value | {"path": str(row.path) if row.path else None, "code": [str(folder) for folder in written]}


def next_commands(paths: Sequence[Path], dialogue: bool) -> list[str]:
    """What to run with the bundles that were written, as it is typed here.

    Args:
        paths: of the bundles.
        dialogue: whether they read dialogues.
    """
    if not paths:
        return []
    # The SDK's default runtime first.
    best = next((path for path in paths if "-tflite-" in path.name), paths[0])
    mer, bundle = typed("mer"), shlex.quote(str(best))
    commands = [f"{mer} inspect {bundle}", f"{mer} verify {bundle}"]
    # A camera and a microphone need no file to be named; not every computer has them.
    commands += [f"{mer} run {bundle} {given}" for given in (("dialogue.csv",) if dialogue else ("camera", "clip.mp4"))]
    if len(paths) > 1:
        commands.append(f"{mer} compare {' '.join(shlex.quote(str(path)) for path in paths[:3])}")
    return commands


def _logits(value: Distance | None) -> str:
    return "not run" if value is None else f"{value.logits:.1e}"


def _scheme(row: ConversionResult) -> str:
    """What the gate judges a scheme by: difference, SQNR, or agreement with fp32 and UAR lost."""
    if row.accuracy is not None:
        return f"{row.accuracy.agreement:.1%}, {100 * (row.accuracy.uar - row.accuracy.uar_fp32):+.1f}"
    if SCHEMES[row.scheme].quantized and row.quantization is not None and row.quantization.sqnr_db is not None:
        return f"{row.quantization.sqnr_db:.1f} dB"
    return _logits(row.quantization)
