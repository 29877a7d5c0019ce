"""The sentence about student and full-precision model is the card's, or nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mer_converters.pipeline.bundle_files import student_vs_full
from mer_fusion.checkpoint import load_checkpoint


def test_what_the_card_says(student: Path) -> None:
    card = load_checkpoint(student).card
    assert student_vs_full(card) == ""
    figures = {"data": "ravdess_pairs fold 3", "clips": 120, "agreement": 0.9333, "mean_log_probability": 0.2134}
    expected = (
        "student against the full-precision model: data ravdess_pairs fold 3, clips 120, agreement 93.3%, "
        "mean log probability 0.213"
    )
    assert student_vs_full(replace(card, results={"student_vs_full": figures})) == expected
    assert student_vs_full(replace(card, training={"student_vs_full": figures})) == expected
    said = replace(card, results={"student_vs_full": "the same label on 9 of 10 clips"})
    assert student_vs_full(said) == "student against the full-precision model: the same label on 9 of 10 clips"
