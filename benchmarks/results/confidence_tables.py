"""The tables of confidence, from what benchmarks/accuracy/confidence.py measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.results.result_tables import prose, table

Json = Mapping[str, Any]
NAMES = (
    "temperature",
    "unknown below",
    "ECE before",
    "ECE",
    "right of all",
    "wrong of the surest 90 / 80 / 70 %",
    "named",
    "right of the named",
)


def confidence_section(result: Json) -> list[str]:
    """Pairs of RAVDESS fold 3 and corpora in other languages, a row a model and state or corpus."""
    lines = [
        "## Confidence",
        "",
        *prose(
            "Expected calibration error (ECE, 15 bins) and errors of the surest answers, in %, on people in no "
            "training, tuning or calibration set: every step whose window is at least half full, cold and warm. "
            "Before: one temperature for all states. Named: share of the steps at or above the threshold, and how many "
            "of these are right. In brackets the 95 % interval over people. "
            "`python -m benchmarks.accuracy.confidence`."
        ),
        "Sound and faces of RAVDESS fold 3:",
        "",
        *table(("model", "state", *NAMES), _rows(result, "pairs")),
    ]
    if any(one["corpora"] for one in result["models"].values()):
        lines += ["Sound alone, languages and corpora that were not learned from:", ""]
        lines += table(("model", "corpus", *NAMES), _rows(result, "corpora"))
    return lines


def dialogue_section(result: Json) -> list[str]:
    """Dialogue models on MELD dev: plain, and each dialogue judged by what the others gave."""
    rows = []
    for model, one in result["models"].items():
        for name in ("plain", "fitted"):
            found = one[name]
            rows.append(
                (
                    model,
                    name,
                    f"{one['temperature']:.2f}" if name == "fitted" else "1.00",
                    f"{one['threshold']:.2f}" if name == "fitted" else "-",
                    f"{100 * found['ece']:.1f}",
                    f"{100 * found['accuracy']:.0f}",
                    _risks(found),
                    f"{100 * found['covered']:.0f}",
                    f"{100 * found['accuracy_covered']:.0f}",
                )
            )
    return [
        "#### Confidence in dialogues",
        "",
        *prose(
            "Temperature and threshold of the shipped student are fitted to MELD dev, from which nothing learned. In "
            "these rows each dialogue is judged by what the others gave; labels and F1 stay as they are, and the ECE "
            "above is without them. In %. "
            "`python -m benchmarks.accuracy.dialogues.confidence`."
        ),
        *table(("model", "", "temperature", "unknown below", "ECE", *NAMES[4:]), rows),
    ]


def _risks(found: Json) -> str:
    return " / ".join(f"{100 * found['risk'][key]:.0f}" for key in ("0.9", "0.8", "0.7"))


def _rows(result: Json, part: str) -> Iterable[tuple[str, ...]]:
    for model, one in result["models"].items():
        for name, found in one[part].items():
            after, (low, high) = found["after"], found["ece_interval"]
            yield (
                model,
                f"{name} ({found['language']})" if "language" in found else name,
                f"{found['temperature']:.2f}",
                f"{found['threshold']:.2f}",
                f"{100 * found['before']['ece']:.1f}",
                f"{100 * after['ece']:.1f} [{100 * low:.1f}, {100 * high:.1f}]",
                f"{100 * after['accuracy']:.0f}",
                _risks(after),
                f"{100 * after['covered']:.0f}",
                f"{100 * after['accuracy_covered']:.0f}",
            )
