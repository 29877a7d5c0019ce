"""A Core ML package holds nothing of the day that it was converted on."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
import torch

from mer_converters.targets import ExportJob, find_target
from mer_quantization.schemes import SCHEMES
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec


class _Later(datetime.date):
    @classmethod
    def today(cls) -> datetime.date:
        return datetime.date(2031, 7, 30)


def _written(folder: Path, scheme: str) -> dict[str, bytes]:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 80), torch.nn.ReLU(), torch.nn.Linear(80, 2)).eval()
    spec = GraphSpec("tiny.mlpackage", scheme, (TensorSpec("x", (1, 4)),), (TensorSpec("y", (1, 2)),))
    path = folder / "tiny.mlpackage"
    folder.mkdir()
    find_target("coreml").export(ExportJob(module, (torch.zeros(1, 4),), spec, SCHEMES[scheme]), path)
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("scheme", ["fp32", "w8"])
def test_the_same_bytes_on_another_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    today = _written(tmp_path / "today", scheme)
    entry = pytest.importorskip("coremltools.converters._converters_entry")
    monkeypatch.setattr(entry, "date", _Later)
    later = _written(tmp_path / "later", scheme)
    assert len(today) >= 3
    assert later == today
    assert not any(b"2031-07-30" in content for content in later.values())
