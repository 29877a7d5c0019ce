"""The fusion graphs of the other window models on every target: they convert, run and agree, gaps included."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mer_converters.targets import target_names

pytestmark = pytest.mark.slow

MODELS = ("atsuko", "fdrl")


@pytest.fixture(scope="module", params=target_names())
def rows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What `export_fusion.py` measured for one target, in a process of its own as in a conversion."""
    folder = tmp_path_factory.mktemp(request.param)
    script = Path(__file__).with_name("export_fusion.py")
    done = subprocess.run(
        [sys.executable, str(script), request.param, str(folder), *MODELS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    measured: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return measured


def test_fusion_graphs_agree_with_torch(rows: dict[str, dict[str, Any]]) -> None:
    assert set(rows) == {f"{model} {scheme}" for model in MODELS for scheme in ("fp32", "fp16")}
    for name, row in rows.items():
        half = name.endswith("fp16")
        assert row["range"] > 0.1, "logits that are all near 0 would agree with anything"
        assert row["logits"] <= (5e-3 if half else 1e-4), (name, row)
        assert row["reliance"] <= (5e-3 if half else 1e-4), (name, row)
        if half:
            assert row["logits"] > 0, "a scheme that changes nothing was not applied"


def test_graphs_are_small(rows: dict[str, dict[str, Any]]) -> None:
    for name, row in rows.items():
        assert row["bytes"] < (700_000 if name.endswith("fp32") else 450_000), (name, row)
