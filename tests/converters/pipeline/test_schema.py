"""The committed JSON Schemas are those that the dataclasses imply."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mer_converters.schema import SCHEMAS, main, schema_text

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("path", SCHEMAS)
def test_committed_schemas_are_current(path: str) -> None:
    assert (ROOT / path).read_text() == schema_text(path), "run: make schema"


def test_the_command_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in SCHEMAS:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    main()
    assert {path: json.loads(Path(path).read_text())["title"] for path in SCHEMAS} == {
        "docs/manifest.schema.json": "Manifest",
        "web/sensor/src/contract/manifest.schema.json": "Manifest",
        "docs/bench.schema.json": "BenchResult",
    }
