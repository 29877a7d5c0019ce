"""What benchmarks/accuracy/schemes.py, action_units/schemes.py and activation_ranges.py measured, as Markdown."""

from __future__ import annotations

from benchmarks.results.result_tables import TITLES, Json, percent, points, prose, table


def schemes_section(result: Json) -> list[str]:
    """Size, accuracy, agreement and latency of every scheme against fp32 of its own target."""
    lines = [
        "## Schemes against fp32",
        "",
        *prose(
            "Window models: UAR on protocol P2 (RAVDESS fold 3, who calibrated nothing), audio and face, warm; "
            "AMB-DSGDN: weighted F1 on MELD dev. *Same label*: share of answers, under all conditions, on which scheme "
            "and fp32 of the same target name the same label. *Difference*: in UAR, paired over clips (dialogues), "
            "points [95 %]. *MACs*: share of the multiply-accumulates with weights that are computed from 8-bit "
            "integers, read back from the artifact; the rest of an audio graph is the log-mel front end. *Step*: "
            "median ms of all graphs on one core, in one interleaved run of all bundles of a model, and how many times "
            "as fast as fp32; processors with 8-bit dot products gain more by dyn8 and int8. Core ML is a spec-level "
            "check and has no time."
        ),
    ]
    for model, one in result["models"].items():
        rows = [
            _row(target, scheme, found, one) for target, mine in one["rows"].items() for scheme, found in mine.items()
        ]
        header = ("target", "scheme", "kB", "smaller", "score", "same label", "difference", "MACs", "step", "gate")
        lines += [f"### {TITLES.get(model, model)}", ""]
        if one.get("processor"):
            lines += [f"Processor: {one['processor']}.", ""]
        lines += [*table(header, rows), *_moved(one["rows"])]
    return lines


def _row(target: str, scheme: str, found: Json, one: Json) -> tuple[str, ...]:
    interval = found["interval"]
    score = percent(100 * found["score"], (100 * interval["low"], 100 * interval["high"]))
    against = found.get("against_fp32")
    same = difference = macs = "-"
    if against:
        same = f"{100 * against['agreement']:.1f} %"
        bounds = [against["interval"]["low"], against["interval"]["high"]]
        difference = points({"difference": against["uar_difference"], "interval": bounds}, scale=100)
        macs = ", ".join(f"{name} {share:.0%}" for name, share in found["int8_mac_share"].items())
    smaller = f"{found['smaller']:.2f} x" if "smaller" in found else "-"
    gate = found["gate"]["state"]
    return (
        target,
        scheme,
        f"{found['bytes'] / 1000:.0f}",
        smaller,
        score,
        same,
        difference,
        macs,
        _step(target, scheme, one),
        gate,
    )


def _step(target: str, scheme: str, one: Json) -> str:
    def whole(which: str) -> float | None:
        found = next((times for name, times in one["latency_ms"].items() if name.endswith(f"-{target}-{which}")), None)
        return None if found is None else float((found.get("step") or found["utterance"])["p50"])

    mine, base = whole(scheme), whole("fp32")
    if mine is None or base is None:
        return "-"
    if scheme == "fp32":
        return f"{mine:.2f}"
    return f"{mine:.2f} ({base / mine:.2f} x{', slower' if mine > base else ''})"


def _moved(rows: Json) -> list[str]:
    moved = [
        f"- {target}, {scheme}: {', '.join(found['moved_to_float']['layers'])}"
        for target, mine in rows.items()
        for scheme, found in mine.items()
        if found["moved_to_float"]["layers"]
    ]
    return ["Moved to float so that the gate lets the artifact through:", "", *moved, ""] if moved else []


def p1_schemes_section(result: Json) -> list[str]:
    """P1's students in dyn8 and int8 against fp32 of the same target."""
    removed = "person's mean removed"
    lines = [
        "## Schemes against fp32 on P1",
        "",
        *prose(
            f"P1's students of seed 0, folds 0-3, {result['clips']:,} clips of 20 speakers, each scored by a model "
            "that neither learned from nor was calibrated on its speaker; sound through the audio graph, action units "
            "as features. UAR in %, audio and face, baselines as in the table of P1. *Difference*: to fp32 of the same "
            "target, paired over clips, points [95 %]. *Same label*: share of answers on which both name the same "
            "label, under that baseline; *in all*, under every question of P1: cold, three orders of warm, the "
            "person's mean removed, and each modality alone. *MACs*: as above, mean of the folds. *Gate*: in how many "
            "folds the artifact passed it, on takes of training speakers that did not calibrate it."
        ),
    ]
    header = ("target", "scheme", "kB", f"UAR, {removed}", "difference", "same label", "UAR, warm", "difference")
    header += ("same label", "in all", "MACs", "gate")
    for model, one in result["models"].items():
        targets = one["targets"]
        rows = [
            _p1_row(target, scheme, found, removed)
            for target, mine in targets.items()
            for scheme, found in mine.items()
        ]
        moved = [
            f"- {target}, {scheme}, fold {fold}: {', '.join(facts['moved_to_float'])}"
            for target, mine in targets.items()
            for scheme, found in mine.items()
            for fold, facts in found["folds"].items()
            if facts["moved_to_float"]
        ]
        again, published = one["war_in_torch"], one["war_published_of_seed_0"]
        lines += [
            f"### {TITLES.get(model, model)} on P1",
            "",
            *table(header, rows),
            *prose(
                f"In torch, WAR with the {removed} {again[removed]:.1f}, warm {again['warm']:.1f}; seed 0 of the table "
                f"of P1 has {published[removed]:.1f} and {published['warm']:.1f}."
            ),
            *(["Moved to float so that the gate lets the artifact through:", "", *moved, ""] if moved else []),
        ]
    return lines


def _p1_row(target: str, scheme: str, found: Json, removed: str) -> tuple[str, ...]:
    cells = []
    for question in (removed, "warm"):
        one = found[question]
        cells.append(percent(one["uar"], one["uar_interval"]))
        cells.append(points(one) if "difference" in one else "-")
        cells.append(f"{one['same_label']:.1f} %" if "same_label" in one else "-")
    folds = list(found["folds"].values())
    passed = sum(facts["gate"]["state"] == "passed" for facts in folds)
    in_all = f"{found['same_label']:.1f} %" if "same_label" in found else "-"
    shares = [
        f"{name} {sum(facts['int8_mac_share'][name] for facts in folds) / len(folds):.0%}"
        for name in folds[0]["int8_mac_share"]
    ]
    macs = ", ".join(shares) or "-"
    return (target, scheme, f"{found['bytes'] / 1000:.0f}", *cells, in_all, macs, f"{passed} of {len(folds)}")


def ranges_section(result: Json) -> list[str]:
    """Largest activations on real input, against what fp16 holds."""
    most = result["fp16_largest"]
    rows = [
        (
            TITLES.get(model, model),
            name,
            str(one["runs"]),
            f"{one['largest']:.1f}",
            one["where"],
            f"{most / one['largest']:.0f} x",
        )
        for model, graphs in result["models"].items()
        for name, one in graphs.items()
    ]
    return [
        "## Largest activations in fp16",
        "",
        *prose(
            f"The largest absolute value of any activation of the students' Core ML fp16 programs on {result['clips']} "
            f"calibration clips (dialogues), computed in float32. The largest fp16 number is {most:.0f}; the front "
            "end, which a logarithm ends, is float32 in the program, and its values are among these."
        ),
        *table(("model", "graph", "runs", "largest", "value of the program", "room"), rows),
    ]
