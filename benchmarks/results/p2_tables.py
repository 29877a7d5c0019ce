"""What benchmarks/accuracy/clips/ablations.py and benchmarks/accuracy/clips/baselines.py measured, as Markdown."""

from __future__ import annotations

from benchmarks.results.result_tables import TITLES, Json, percent, points, prose, table


def ablation_section(result: Json) -> list[str]:
    """What each paper's idea, and each choice in how windows are drawn, buys on P2."""
    lines = [
        "## What each idea buys on P2",
        "",
        *prose(
            f"Student-sized fusion over the encoders of the GRJCA student, labels alone, {len(result['seeds'])} seeds. "
            "UAR in %; in parentheses the difference from the model as published, paired over clips."
        ),
    ]
    for model, variants in result["models"].items():
        names = list(next(iter(variants.values()))["figures"])
        rows = []
        for variant, one in variants.items():
            cells = []
            for name in names:
                figure = one["figures"][name]
                cell = percent(100 * figure["uar"], (100 * v for v in figure["interval"]))
                if "difference" in figure:
                    cell += f" ({points(figure, interval='difference_interval', scale=100)})"
                cells.append(cell)
            rows.append((variant, *cells))
        lines += [f"### {TITLES.get(model, model)}", "", *table(("variant", *names), rows)]
    return lines


def baseline_section(result: Json) -> list[str]:
    """Baselines of P2, and what the fusion models gain on them."""
    measures = list(next(iter(result["baselines"].values())))

    def cell(figure: Json) -> str:
        return percent(100 * figure["uar"], (100 * v for v in figure["interval"]))

    lines = [
        "## Baselines on P2",
        "",
        *prose(
            f"The same encoders, clips and {result['epochs']} epochs as in the ablations above, {result['seeds']} "
            "seeds, labels alone. UAR in %. *Late average*: one MLP a modality, each trained alone, probabilities "
            "averaged."
        ),
        *table(
            ("baseline", *measures),
            ((name, *(cell(one[measure]) for measure in measures)) for name, one in result["baselines"].items()),
        ),
    ]
    rows = [
        (f"{TITLES.get(model, model)} minus {name}", *(_gain(one[measure]) for measure in measures))
        for model, others in result["models"].items()
        for name, one in others.items()
    ]
    return [*lines, *table(("as published, points", *measures), rows)]


def _gain(figure: Json) -> str:
    return points(figure, interval="difference_interval", scale=100)
