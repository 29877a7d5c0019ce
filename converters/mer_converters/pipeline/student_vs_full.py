"""How far a student is from its full-precision model, as it was measured on clips where it was distilled."""

from __future__ import annotations

from typing import Any

from mer_fusion.checkpoint import Card

# In a card's results, or with its training.
FIELD = "student_vs_full"
# Shares of 0-1, which are shown as percentages.
_SHARES = ("agreement", "uar", "war", "accuracy")


def student_vs_full(card: Card) -> str:
    """One sentence of what the card says of it, "" where it says nothing.

    The field is a sentence, or an object of figures such as `{"data": "ravdess_pairs fold 3", "clips": 120,
    "agreement": 0.93}`.
    """
    found = card.results.get(FIELD, card.training.get(FIELD))
    if isinstance(found, dict):
        figures = [f"{name.replace('_', ' ')} {_shown(name, value)}" for name, value in found.items() if _plain(value)]
        found = ", ".join(figures)
    return f"student against the full-precision model: {found}" if isinstance(found, str) and found else ""


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _shown(name: str, value: str | int | float) -> str:
    if isinstance(value, float):
        share = 0 <= value <= 1 and any(word in _SHARES for word in name.split("_"))
        return f"{value:.1%}" if share else f"{value:.3g}"
    return str(value)
