"""Leaving out the search for patterns that no network here has changes no byte of a program."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from mer_converters.pipeline.graphs import network_graphs
from mer_converters.targets.executorch import lower
from mer_fusion.checkpoint import load_checkpoint


@pytest.mark.slow
def test_the_same_program_without_the_patterns(student: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = load_checkpoint(student)
    face = network_graphs(checkpoint.network.prepare_for_export(), checkpoint.card)[1]
    lean = lower.program_bytes(face.module, face.example)
    monkeypatch.setattr(lower, "_without_patterns", nullcontext)
    assert lower.program_bytes(face.module, face.example) == lean
