"""What the protocol scripts measured, as Markdown: one function a protocol, each from the JSON in docs/results."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

TITLES = {
    "grjca": "GRJCA",
    "atsuko": "Atsuko",
    "fdrl": "FDRL",
    "amb_dsgdn": "AMB-DSGDN",
    "concatenation": "concatenation MLP",
}
STATES, PROTOCOLS = ("audio+face", "audio", "face"), ("cold", "warm", "enrolled")
Json = Mapping[str, Any]


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A Markdown table and an empty line."""
    names = list(header)
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def write_result(result: Json, out: Path, page: Path, markers: tuple[str, str], lines: Iterable[str]) -> str:
    """Write a result as JSON, and its lines between two markers of a page; gives the page's new block."""
    out.write_text(json.dumps(result, indent=1) + "\n")
    text = write_block(page, markers, lines)
    print(f"written: {out} and {page}", flush=True)
    return text


def write_block(page: Path, markers: tuple[str, str], lines: Iterable[str]) -> str:
    """Write lines between two markers of a page; gives the new block."""
    begin, end = markers
    before, rest = page.read_text().split(begin)
    text = "\n".join(lines).strip("\n")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest.split(end)[1]}")
    return text


def prose(text: str) -> list[str]:
    """A paragraph of lines of at most 118 characters, and an empty line."""
    return [*textwrap.wrap(text, 118, break_on_hyphens=False), ""]


def percent(value: float, interval: Iterable[float]) -> str:
    """A figure in percent with its 95 % interval."""
    low, high = interval
    return f"{value:.1f} [{low:.0f}, {high:.0f}]"


def points(figure: Json, key: str = "difference", interval: str = "interval", scale: float = 1.0) -> str:
    """A difference in points with its 95 % interval."""
    low, high = figure[interval]
    return f"{scale * figure[key]:+.1f} [{scale * low:+.1f}, {scale * high:+.1f}]"


def p1_section(result: Json) -> list[str]:
    """Protocol P1: yardsticks, full-precision fusion, students."""
    lines = [
        "## P1: sound and action units of the same takes",
        "",
        *prose(
            "RAVDESS, 20 speakers, 8 classes, speaker-disjoint folds 0-3: every clip is scored by models that never "
            "saw its speaker. WAR in % [95 % interval over clips]. *Person's mean removed*: the mean of all of the "
            "person's clips is known, unlabelled. *Warm*: that of the clips before, mean of random orders. Full "
            "precision reads published wav2vec2 scores and the action units; students read raw sound (an encoder "
            "trained in each fold) and the action units."
        ),
        *table(
            ("yardstick", "WAR", "UAR"),
            (
                (name, percent(one["war"], one["war_interval"]), percent(one["uar"], one["uar_interval"]))
                for name, one in result["yardsticks"].items()
            ),
        ),
    ]
    best = result["best_published_yardstick"]
    seeds = result["full_precision"]["seeds"]
    lines += [f"Fusion at full precision, {seeds} seeds; the difference is from *{best}*:", ""]
    lines += _p1_models(result["full_precision"]["models"], seeds, best)
    if "students" in result:
        students = result["students"]
        head = students["encoders"]["mean"]
        lines += [
            *prose(
                f"Students, {students['seeds']} seeds. Their sound encoder has {students['encoders']['parameters']:,} "
                f"parameters; alone, with its own head, UAR {head['cold']:.1f} cold and {head['warm']:.1f} warm, "
                f"mean of "
                "the folds."
            ),
            *_p1_models(students["models"], students["seeds"], None),
        ]
    return [*lines, *prose(f"Seconds of this run, pieces kept from earlier ones left out: {result['seconds']}.")]


def _p1_models(models: Json, seeds: int, against: str | None) -> list[str]:
    removed = "person's mean removed"
    header = ["model", "parameters", "cold", "warm", removed, f"{removed}, {seeds} seeds together"]
    rows = []
    for name, one in models.items():
        figures = (one["cold"], one["warm"], one[removed], one[f"{removed}, ensemble of {seeds} seeds"])
        row = [TITLES.get(name, name), f"{one['parameters']:,}"]
        row += [percent(figure["war"], figure["war_interval"]) for figure in figures]
        if against:
            row += [points(one[f"minus {against}"]), points(one[f"ensemble minus {against}"])]
        rows.append(row)
    return table([*header, "difference", "difference, together"] if against else header, rows)


def p2_intro(result: Json) -> list[str]:
    """What P2's numbers mean, before the tables."""
    report = next(iter(result["models"].values()))["rows"][0]["report"]
    options = report["options"]
    return prose(
        f"Protocol P2: {report['clips']} real audio-visual clips of RAVDESS fold 3 (actors "
        f"{', '.join(map(str, report['speakers']))}), who are in no training, tuning or calibration set; "
        f"{len(report['labels'])} classes ({', '.join(report['labels'])}; calm counts as neutral). UAR in %, "
        "[95 % interval] from a bootstrap over clips. Five actors in one studio say little about other people and "
        "other rooms. *cold*: each clip starts from the population's baseline. *warm*: running baseline over the "
        f"person's clips before, mean of {options['orders']} seeded random orders. *enrolled*: baseline from "
        f"{options['enrol_clips']} neutral clips, which are then not scored."
    )


def p2_table(result: Json) -> list[str]:
    """UAR of each model in each state and protocol."""
    rows = []
    for model, one in result["models"].items():
        for row in one["rows"]:
            role = "full precision" if row["role"] == "full" else "student"
            for protocol in PROTOCOLS:
                cells = [_uar(row["report"], state, protocol) for state in STATES]
                rows.append((f"{TITLES.get(model, model)}, {role}, {row['runs']}{_checked(row)}", protocol, *cells))
    return table(("model, runtime", "protocol", "audio+face", "audio only", "face only"), rows)


def _checked(row: Json) -> str:
    return " (spec-level check)" if row["report"]["runtime"] == "coreml-spec" else ""


def _result(report: Json, state: str, protocol: str) -> Json:
    return next(r for r in report["results"] if (r["state"], r["protocol"]) == (state, protocol))


def _uar(report: Json, state: str, protocol: str) -> str:
    one = _result(report, state, protocol)
    low, high = one["uar_interval"]["low"], one["uar_interval"]["high"]
    return percent(100 * one["uar"], (100 * low, 100 * high))


def _temperatures(card: Json) -> str:
    own = card.get("temperatures")
    return ", ".join(f"{state} {value:.2f}" for state, value in own.items()) if own else str(card["temperature"])


def p2_details(result: Json) -> list[str]:
    """WAR, F1, calibration and recall of each role's first row, and how it was trained."""
    lines = []
    for model, one in result["models"].items():
        for row in _of_roles(one["rows"]).values():
            report, card = row["report"], one["training"][row["role"]]
            lines += [f"### {TITLES.get(model, model)}, {row['role']}", ""]
            lines += [
                f"Parameters: {_counts(card['parameters'])}. Seconds of training: {_counts(card['seconds'])}, on "
                f"{card['machine']};",
                f"temperature {_temperatures(card)}; checkpoint `{card['sha256'][:12]}`.",
                "",
            ]
            people = report["speakers"]
            lines += table(
                ("state", "protocol", "clips", "WAR", "macro F1", "ECE", "NLL", *report["labels"], *map(str, people)),
                (
                    (
                        r["state"],
                        r["protocol"],
                        str(r["clips"]),
                        f"{100 * r['war']:.1f}",
                        f"{100 * r['macro_f1']:.1f}",
                        f"{100 * r['ece']:.1f}",
                        f"{r['nll']:.2f}",
                        *("-" if v is None else f"{100 * v:.0f}" for v in r["recall"].values()),
                        *(f"{100 * r['uar_by_speaker'][str(person)]:.0f}" for person in people),
                    )
                    for r in report["results"]
                ),
            )
    return ["## P2 in detail", "", "The last columns are recall in % per class, and UAR in % per person.", "", *lines]


def _of_roles(rows: Sequence[Json]) -> dict[str, Json]:
    """Role -> the first row of it, which stands for it."""
    first: dict[str, Json] = {}
    for row in rows:
        first.setdefault(row["role"], row)
    return first


def _counts(parts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:,.0f}" for name, value in parts.items())


def text_section(result: Json) -> list[str]:
    """The small text encoder against the sentence encoder, one utterance at a time."""
    rows = (
        (name, *(percent(one[key]["mean"], one[key]["interval"]) for key in ("weighted_f1", "uar", "war")))
        for name, one in result["figures"].items()
    )
    return [
        "## Text encoders on MELD, one utterance at a time",
        "",
        *prose(
            f"{result['protocol']}. {result['utterances']['train']} utterances to learn from, "
            f"{result['utterances']['dev']} scored, {len(result['seeds'])} seeds; the small encoder has "
            f"{result['parameters']:,} parameters and learned from {result['texts_taught']:,} texts that the sentence "
            "encoder labelled."
        ),
        *table(("features and classifier", "weighted F1", "UAR", "accuracy"), rows),
    ]


def p4_section(result: Json) -> list[str]:
    """Protocol P4: the dialogue graph, with the sentence encoder and with the small one, and the ablations."""
    rows = (
        (name, *(percent(one[key]["mean"], one[key]["interval"]) for key in ("weighted_f1", "war", "uar")))
        for name, one in result["figures"].items()
    )
    gains = ((f"{one['first']} minus {one['second']}", points(one, "weighted_f1")) for one in result["differences"])
    return [
        "## P4: dialogues of MELD",
        "",
        *prose(
            f"{result['protocol']}. {result['dialogues']['dev']} dialogues, {result['utterances']['dev']} utterances, "
            f"{len(result['seeds'])} seeds. {result['features']}. {' '.join(result['notes'])}"
        ),
        *table(("AMB-DSGDN", "weighted F1", "accuracy", "UAR"), rows),
        *table(("difference", "weighted F1, points"), gains),
    ]


def p4_bundles_section(result: Json) -> list[str]:
    """AMB-DSGDN through the SDK: every checkpoint and bundle, each utterance judged when it is said."""
    rows = []
    for row in result["rows"]:
        role = "full precision" if row["role"] == "full" else "student"
        for one in row["report"]["results"]:
            cells = []
            for name in ("weighted_f1", "war", "uar"):
                interval = one[f"{name}_interval"]
                cells.append(percent(100 * one[name], (100 * interval["low"], 100 * interval["high"])))
            ece = f"{100 * one['ece']:.1f}"
            rows.append((f"{role}, {row['runs']}{_checked(row)}", one["reading"], *cells, ece))
    header = ("AMB-DSGDN", "read", "weighted F1", "accuracy", "UAR", "ECE")
    return ["### Through the SDK", "", *prose(f"{result['protocol']}, intervals over dialogues."), *table(header, rows)]


def overview(measured: Mapping[str, Json]) -> list[str]:
    """One row a model and one column a protocol: full precision, then student; "-" where it was not measured."""
    models = ("grjca", "atsuko", "fdrl", "amb_dsgdn")
    rows = [
        (TITLES[name], *_p1_cells(measured, name), *_p2_cells(measured, name), _p5_cell(measured, name))
        for name in models
    ]
    cells = _p4_cells(measured)
    header = ("model", "P1 full", "P1 student", "P2 full", "P2 student", "P5 student", "P4 full", "P4 student")
    whole = [(*row, *(cells if row[0] == TITLES["amb_dsgdn"] else ("-", "-"))) for row in rows]
    return [
        *prose(
            "In %, [95 % interval]. P1: WAR of 8 emotions, 20 speakers, from sound and action units; full precision "
            "with the person's mean removed, student warm. P2: UAR of 7 emotions on real clips of five unseen actors, "
            "warm. P5: mean UAR of speech of five corpora, four of them in other languages, that were not learned "
            "from, cold. P4: weighted F1 of 7 emotions in dialogues of unseen episodes, from text. A dash: the model "
            "does not read such input, or was not measured on it."
        ),
        *table(header, whole),
    ]


def _p1_cells(measured: Mapping[str, Json], model: str) -> tuple[str, str]:
    cells = []
    for part, condition in (("full_precision", "person's mean removed"), ("students", "warm")):
        one = measured.get("p1", {}).get(part, {}).get("models", {}).get(model)
        cells.append("-" if one is None else percent(one[condition]["war"], one[condition]["war_interval"]))
    return cells[0], cells[1]


def _p2_cells(measured: Mapping[str, Json], model: str) -> tuple[str, str]:
    rows = measured.get("p2", {}).get("models", {}).get(model, {"rows": []})["rows"]
    found = {role: _uar(row["report"], "audio+face", "warm") for role, row in _of_roles(rows).items()}
    return found.get("full", "-"), found.get("student", "-")


def _p5_cell(measured: Mapping[str, Json], model: str) -> str:
    one = measured.get("p5", {}).get("models", {}).get(f"{model}-student")
    return "-" if one is None else f"{one['mean_cold_closed']:.1f}"


def _p4_cells(measured: Mapping[str, Json]) -> tuple[str, str]:
    figures = measured.get("p4", {}).get("figures", {})
    found = (figures.get(name) for name in ("dialogue graph", "small encoder, dialogue graph"))
    cells = ["-" if f is None else percent(f["weighted_f1"]["mean"], f["weighted_f1"]["interval"]) for f in found]
    return cells[0], cells[1]
