"""The committed JSON Schema of the manifest is the one that the dataclasses imply."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mer_converters.schema import main, schema_text

ROOT = Path(__file__).resolve().parents[3]
COMMITTED = ("docs/manifest.schema.json", "web/sensor/src/contract/manifest.schema.json")


@pytest.mark.parametrize("path", COMMITTED)
def test_committed_schema_is_current(path: str) -> None:
    assert (ROOT / path).read_text() == schema_text(), "run: make schema"


def test_command_writes_it(tmp_path: Path) -> None:
    paths = tmp_path / "schema.json", tmp_path / "copy.json"
    assert main([str(path) for path in paths]) == 0
    assert [json.loads(path.read_text())["title"] for path in paths] == ["Manifest", "Manifest"]
    assert main([]) == 2
