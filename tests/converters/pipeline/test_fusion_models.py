"""The fusion graphs of the other window models on every target: they convert, run and agree, gaps included."""

from __future__ import annotations

from typing import Any

import pytest
from export_fusion import measured

from mer_converters.targets import target_names

pytestmark = pytest.mark.slow

MODELS, SCHEMES = ("atsuko", "fdrl"), ("fp32", "fp16")
# ExecuTorch takes as long for one of these graphs as the other targets for all: each model there in one scheme.
SLOW = {("executorch", "atsuko"): ("fp32",), ("executorch", "fdrl"): ("fp16",)}


@pytest.fixture(scope="module", params=target_names())
def rows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What `export_fusion.py` measures for one target."""
    folder = tmp_path_factory.mktemp(request.param)
    found: dict[str, dict[str, Any]] = {}
    for model in MODELS:
        found |= measured(request.param, folder, model, SLOW.get((request.param, model), SCHEMES))
    return found


def test_fusion_graphs_agree_with_torch(rows: dict[str, dict[str, Any]]) -> None:
    assert {name.split()[0] for name in rows} == set(MODELS)
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
