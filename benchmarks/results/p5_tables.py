"""Protocol P5 as Markdown: corpora that nobody learned from, and other recording conditions."""

from __future__ import annotations

from typing import Any

from benchmarks.results.result_tables import Json, percent, prose, table
from mer_sdk.evaluation.datasets.ravdess import TEST_FOLD

PROTOCOLS = ("cold", "warm")


def p5_section(result: Json) -> list[str]:
    """Both tables, in docs/results.md."""
    return ["## P5: other languages and other recordings, sound alone", "", *p5_tables(result)]


def p5_tables(result: Json) -> list[str]:
    """Corpora by language, then conditions."""
    models: Json = result["models"]
    return [
        *prose(
            "UAR in % [95 % interval over clips] of corpora that nobody learned from, four of them in other languages; "
            "the answer is the likeliest of the classes that the corpus has. *cold*: each clip starts from the "
            "population's baseline; *warm*: running baseline over the speaker's clips before. *all 7*: the answer may "
            "be any of the seven."
        ),
        *table(("corpus", "classes", "protocol", *models), _corpora(models)),
        *prose(
            "UAR in % of 7 classes, cold, on clips of five RAVDESS actors, with the recordings changed; in brackets "
            "the points lost. "
            + " ".join(_spoken_of(name, model) for name, model in models.items())
            + " So the columns compare what a change costs, not the first row."
        ),
        *table(("condition", *models), _conditions(models)),
    ]


def _spoken_of(name: str, model: Json) -> str:
    share = {1: "all clips", 2: "each second clip"}[model.get("conditions_every", model["every"])]
    known = "nothing learned from them" if model["fold"] == TEST_FOLD else "its fusion had learned from most of them"
    return f"{name}: {share} of fold {model['fold']}; {known}."


def _corpora(models: Json) -> list[tuple[str, ...]]:
    first = next(iter(models.values()))["corpora"]
    rows: list[tuple[str, ...]] = []
    for name, facts in first.items():
        for protocol in PROTOCOLS:
            figures = [one["corpora"][name][protocol] for one in models.values()]
            cells = (_closed_and_open(figure) for figure in figures)
            rows.append((f"{facts['language']} ({name})", str(facts["classes"]), protocol, *cells))
    for protocol in PROTOCOLS:
        cells = (f"**{one[f'mean_{protocol}_closed']:.1f}**" for one in models.values())
        rows.append(("mean", "", protocol, *cells))
    return rows


def _closed_and_open(figure: Json) -> str:
    closed, seven = figure["closed"], figure["open"]
    return f"{percent(closed['uar'], closed['uar_interval'])}, all 7: {seven['uar']:.1f}"


def _conditions(models: Json) -> list[tuple[str, ...]]:
    names = next(iter(models.values()))["conditions"]
    return [(name, *(_condition(one["conditions"], name) for one in models.values())) for name in names]


def _condition(conditions: dict[str, Any], name: str) -> str:
    figure, plain = conditions[name]["cold"], conditions["as recorded"]["cold"]
    shown = percent(figure["uar"], figure["uar_interval"])
    return shown if figure is plain else f"{shown} ({figure['uar'] - plain['uar']:+.1f})"
