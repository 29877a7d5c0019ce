"""`mer-convert --model face_finder`: the table, and what to run next."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mer_converters.face_finder import MODEL, convert_finder
from mer_fusion.checkpoint import SHIPPED
from mer_sdk.contract.codec import to_json


def convert_face_finder(
    checkpoint: Path | None, targets: Sequence[str], schemes: Sequence[str], out: Path, as_json: bool
) -> bool:
    """Convert the shipped finder, or another, and show what came of it; whether every bundle was written.

    Raises:
        OptionError, CheckpointError, ConversionError: see `convert_finder`.
    """
    with Console(stderr=True).status("converting the face finder"):
        rows = convert_finder(checkpoint or SHIPPED / f"{MODEL}.safetensors", targets, schemes, out)
    if as_json:
        print(json.dumps([{**to_json(row), "path": str(row.path) if row.path else None} for row in rows], indent=2))
    else:
        table = Table("target", "scheme", "kB", "scores", "boxes", "gate", title="Largest difference from torch")
        for row in rows:
            apart = (f"{row.apart[name]:.1e}" for name in ("scores", "boxes"))
            table.add_row(row.target, row.scheme, f"{row.bytes / 1024:.0f}", *apart, row.gate)
        Console().print(table)
        written = next((row.path for row in rows if row.path), None)
        if written:
            print(f"\nNext:\n  mer run BUNDLE VIDEO_FILE --detector {written}")
    return all(row.path for row in rows)
