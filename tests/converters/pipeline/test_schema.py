"""The committed JSON Schema of the manifest is the one that the dataclasses imply."""

from __future__ import annotations

import json
from pathlib import Path

from mer_converters.schema import main, schema_text

COMMITTED = Path(__file__).resolve().parents[3] / "docs" / "manifest.schema.json"


def test_committed_schema_is_current() -> None:
    assert COMMITTED.read_text() == schema_text(), "run: make schema"


def test_command_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    assert main([str(path)]) == 0
    assert json.loads(path.read_text())["title"] == "Manifest"
    assert main([]) == 2
