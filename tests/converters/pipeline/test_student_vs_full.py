"""The sentence about student and full-precision model is the card's, or nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mer_converters.pipeline.bundle_files import student_vs_full
from mer_fusion.checkpoint import load_checkpoint


def test_what_the_card_says(student: Path) -> None:
    card = load_checkpoint(student).card
    assert student_vs_full(replace(card, distillation=None)) == ""
    assert student_vs_full(card) == (
        "student against the full-precision model: the same label on 88% of 16 answers, log-probabilities 0.05 "
        "apart on average; measured once, clips made by a test"
    )
