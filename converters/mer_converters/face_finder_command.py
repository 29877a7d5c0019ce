"""`mer-convert --model face_finder`: the table, and what to run next."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mer_converters.face_finder import MODEL, FinderRow, convert_finder
from mer_converters.processes.progress import Say
from mer_fusion.checkpoint import SHIPPED
from mer_sdk.cli.typed import typed
from mer_sdk.contract.codec import to_json


def convert_face_finder(
    checkpoint: Path | None, targets: Sequence[str], schemes: Sequence[str], out: Path, jobs: int, say: Say
) -> list[FinderRow]:
    """Convert the shipped finder, or another.

    Raises:
        OptionError, CheckpointError, ConversionError: see `convert_finder`.
    """
    return convert_finder(checkpoint or SHIPPED / f"{MODEL}.safetensors", targets, schemes, out, jobs, say)


def show_face_finder(rows: Sequence[FinderRow], out: Path, as_json: bool, code: Mapping[Path, Sequence[Path]]) -> bool:
    """Show what came of it, and the folders of code beside each bundle; whether every bundle was written."""
    if as_json:
        shown = [{**to_json(row), "path": str(row.path) if row.path else None} for row in rows]
        for one, row in zip(shown, rows, strict=True):
            if row.path is not None and row.path in code:
                one["code"] = [str(folder) for folder in code[row.path]]
        print(json.dumps(shown, indent=2))
    else:
        table = Table("target", "scheme", "kB", "scores", "boxes", "gate", title="Largest difference from torch")
        for row in rows:
            apart = (f"{row.apart[name]:.1e}" for name in ("scores", "boxes"))
            table.add_row(row.target, row.scheme, f"{row.bytes / 1000:.0f}", *apart, row.gate)
        Console().print(table)
        for folder in [folder for folders in code.values() for folder in folders]:
            Console().print(f"code for apps: {folder}", highlight=False, soft_wrap=True)
        written = next((row for row in rows if row.path), None)
        beside = sorted(out.glob("grjca-*.mer"))
        if written and not beside:
            print(f"\nNext:\n  {shlex.join((typed('mer'), 'inspect', str(written.path)))}")
        elif written:
            # One that the same runtime runs, at full precision where it is there.
            emotion = min(beside, key=lambda path: (written.target not in path.stem, "fp32" not in path.stem))
            command = (typed("mer"), "run", str(emotion), "camera", "--detector", str(written.path))
            print(f"\nNext:\n  {shlex.join(command)}")
    return all(row.path for row in rows)
