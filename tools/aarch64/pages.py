"""The tables of docs/results/aarch64.md, from what check.py found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- aarch64: written by tools/aarch64/check.py -->", "<!-- end of aarch64 -->"
# What qemu emulates -> whose processor it is.
BOARDS = {
    "cortex-a57": "Jetson Nano",
    "cortex-a72": "Raspberry Pi 4",
    "cortex-a76": "Raspberry Pi 5; near the Jetson Orin's A78AE",
}
Json = Mapping[str, Any]


def write_page(page: Path, result: Json) -> None:
    """Replace what stands between the markers."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    text = "\n".join(section(result)).strip("\n")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


def section(result: Json) -> list[str]:
    """What was compared, a table a processor, and what was installed."""
    given, ours = result["given"], result["machines"]["x86_64"]
    versions = ", ".join(f"{name} {version}" for name, version in ours["packages"].items())
    # An install is told of once it has answered: the page is written after each, before the next has begun.
    pythons = {name.rpartition("-")[2]: found["python"] for name, found in result["machines"].items()}
    used = {extra: one for extra, one in result["installed"].items() if extra in pythons}
    lines = [
        f"x86-64: Python {ours['python']}, {versions}. Emulated ({result['emulator']}): "
        + "; ".join(_installed(extra, one, pythons[extra]) for extra, one in used.items())
        + ".",
        "",
        f"Window bundles: every step of {given['clips']} real clips of RAVDESS, decoded and encoded on each machine; "
        "the face finder: every picture of them.",
        f"Dialogue bundles: every utterance of {given['dialogues']} dialogues of MELD.",
        "",
    ]
    if result["resolved"]:
        lines += [
            "Wheels that pip finds for aarch64 with `[litert,onnx,media]`, looked up and not run but for 3.11:",
            "",
        ]
        names = list(next(iter(result["resolved"].values())))
        rows = ((python, *(found.get(name, "") for name in names)) for python, found in result["resolved"].items())
        lines += _table(("Python", *names), rows)
    for cpu, rows in result["cpus"].items():
        lines += [_summary(cpu, rows, result), ""]
        header = ("bundle", "golden cases", "max error of features", "max error of logits", "same label", "agrees")
        lines += _table(header, (_row(name, row) for name, row in rows.items()))
        lines += _margins(rows)
    for extra, found in result["commands"].items():
        lines += [_commands(extra, found), ""]
    return lines


def _installed(extra: str, one: Json, python: str) -> str:
    packages = one["packages"]
    runtime = {"litert": "ai-edge-litert", "onnx": "onnxruntime"}[extra]
    return (
        f"Python {python}, numpy {packages['numpy']}, {runtime} {packages[runtime]} "
        f"({len(packages)} packages after `{one['command']}`)"
    )


def _summary(cpu: str, rows: Mapping[str, Json], result: Json) -> str:
    """How many agree, of how many, and which were not reached."""
    asked = result["asked"][cpu]
    chosen = "" if len(asked) == len(result["bundles"]) else ", one bundle of each scheme and target"
    missing = [name for name in asked if name not in rows]
    agreeing = sum(row["agrees"] for row in rows.values())
    said = f"**{cpu}** ({BOARDS.get(cpu, 'no board')}){chosen}: {agreeing} of {len(rows)} bundles agree."
    return f"{said} Not run: {', '.join(missing)}." if missing else said


def _row(name: str, row: Json) -> tuple[str, ...]:
    golden = f"{row['golden_cases']} {'pass' if row['verified'] else 'FAIL'}, {row['golden_error']:.0e}"
    features = ", ".join(f"{modality} {error:.0e}" for modality, error in row.get("features", {}).items())
    logits = same = ""
    if "logits" in row:
        logits, same = f"{row['logits']:.0e}", f"{100 * row['same_label']:.1f} % of {row['estimates']}"
    return name, golden, features, logits, same, "yes" if row["agrees"] else "**no**"


def _margins(rows: Mapping[str, Json]) -> list[str]:
    """What stands below the table where labels differ."""
    found = {name: row["margins"] for name, row in rows.items() if row.get("margins")}
    if not found:
        return []
    each = "; ".join(f"{name} {', '.join(f'{margin:.1g}' for margin in margins)}" for name, margins in found.items())
    return [f"Where the label is another one, the two logits were so far apart on x86-64: {each}.", ""]


def _commands(extra: str, found: Json) -> str:
    verified = "passes" if found["verify"] else "FAILS"
    runtimes = ", ".join(found["doctor"]["runtimes"])
    said = f"`mer doctor` there names {runtimes}; `mer verify` of {found['bundle']} {verified}"
    if "evaluate" not in found:
        return f"mer-edge[{extra}]: {said}."
    same = "the same confusion as on x86-64" if found["evaluate"]["same"] else "ANOTHER confusion than on x86-64"
    return f"mer-edge[{extra}]: {said}; `mer evaluate` on the {found['evaluate']['clips']} clips gives {same}."


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    names = list(header)
    return [f"| {' | '.join(names)} |", "|" + "---|" * len(names), *(f"| {' | '.join(row)} |" for row in rows), ""]
