"""The page: what people look at first comes first, and what is not known is left out with a word on how to get it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mer_sdk.contract.output_files import atomic_output
from mer_sdk.errors import OptionError, counted, reason_of
from mer_sdk.evaluation.scores import EvaluationReport
from mer_sdk.report import sections, tables
from mer_sdk.report.contents import Contents, Entry, groups
from mer_sdk.report.markup import Markup, element, joined
from mer_sdk.report.own_sections import own_clips
from mer_sdk.report.style import STYLE


@dataclass(frozen=True)
class Section:
    """One part of the page. `anchor` is its id; an empty `content` is left out."""

    anchor: str
    title: str
    content: Markup


def page(contents: Contents) -> str:
    """The whole page as HTML text."""
    shown = [section for section in _sections(contents) if section.content]
    head = joined(
        [
            Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
            element("title", {}, f"mer-edge report: {', '.join(_unique(e.model for e in contents.entries))}"),
            Markup(f"<style>{STYLE}</style>"),
        ]
    )
    links = element("nav", {}, *(element("a", {"href": f"#{item.anchor}"}, item.title) for item in shown))
    body = [element("h1", {}, "mer-edge report"), element("p", {"class": "lead"}, _lead(contents.entries))]
    body += [element("p", {"class": "todo"}, *_options(said)) for said in _missing(contents)]
    body.append(links)
    for item in shown:
        body += [element("section", {"id": item.anchor}, element("h2", {}, item.title), item.content)]
    main = element("main", {}, *body)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{main}</body></html>\n'


def write_page(path: Path, contents: Contents) -> None:
    """Write the page, whole or not at all.

    Raises:
        OptionError: the file cannot be written.
    """
    try:
        with atomic_output(path) as aside:
            aside.write_text(page(contents), encoding="utf-8")
    except OSError as error:
        raise OptionError(f"--out {path} cannot be written ({reason_of(error)}); give another place") from error


def _sections(contents: Contents) -> tuple[Section, ...]:
    entries = contents.entries
    judged = [entry for entry in entries if entry.evidence.gate_state]
    proven = [entry for entry in entries if entry.evidence.proof]
    nothing = Markup("")
    return (
        Section("cost", "Accuracy, size and latency", sections.cost_and_worth(contents)),
        Section("own", "Your clips", _own(entries)),
        Section("bundles", "Bundles", joined([tables.bundle_table(contents), _bundle_note(contents)])),
        Section(
            "gate",
            "Gate",
            joined([tables.gate_table(judged), _gate_note(), tables.gate_reasons(judged)]) if judged else nothing,
        ),
        Section("devices", "On devices", contents.devices),
        Section("states", "With and without each modality", sections.states(contents)),
        Section("confusion", "Confusion", sections.confusions(contents)),
        Section("confidence", "Confidence", sections.confidence(contents)),
        Section(
            "proof", "What is in 8 bits", joined([tables.proof_table(proven), _proof_note()]) if proven else nothing
        ),
        Section("sensitivity", "Sensitivity by operation", sections.sensitivity(contents)),
        Section("size", "Size by graph", sections.sizes(contents)),
        Section("made", "Measured on", _facts(contents)),
    )


def _own(entries: Sequence[Entry]) -> Markup:
    """One's own clips as the first bundle that was measured on them sees them: a page of another one has its own."""
    found = [(entry, item, item.own) for entry in entries for item in entry.measurements if item.own is not None]
    if not found:
        return Markup("")
    entry, item, answers = found[0]
    assert answers is not None  # it was asked for
    return own_clips(entry, item, answers)


def _lead(entries: Sequence[Entry]) -> Markup:
    models, targets = _unique(e.model for e in entries), _unique(e.target for e in entries)
    said: list[str] = [
        f"{counted(len(entries), 'bundle')} of {counted(len(models), 'model')} ({', '.join(models)}) for "
        f"{', '.join(targets)}. "
    ]
    states = [entry.evidence.gate_state or entry.gate for entry in entries]
    failed = [entry.label for entry, state in zip(entries, states, strict=True) if state == "failed"]
    if failed:
        said.append(element("span", {"class": "failed"}, f"Gate FAILED: {', '.join(failed)}."))
    elif all(state == "passed" for state in states):
        said.append(element("span", {"class": "passed"}, "All passed the gate."))
    else:
        passed = sum(state == "passed" for state in states)
        said.append(f"{passed} of {len(states)} passed the gate, the others were not judged.")
    return joined(said)


def _missing(contents: Contents) -> list[str]:
    """What is not known of some bundle, and which option gives it."""
    entries, said = contents.entries, []
    unscored = [entry.label for entry in entries if not entry.measurements]
    if unscored:
        said.append(
            f"Accuracy per state, confusion and confidence are not measured for {_whom(unscored, entries)}: "
            "`--data clips:PATH` (or `ravdess_pairs:PATH`, `meld:PATH`) measures them, of a Core ML bundle on a page "
            "of its own; `--evaluation FILE.json` takes saved results."
        )
    elif not any(item.curves for entry in entries for item in entry.measurements):
        said.append("The saved results hold no confidences: `--data` draws reliability and coverage.")
    untimed = [entry.label for entry in entries if not entry.latency]
    if len(untimed) == len(entries):
        said.append("Latency is not measured: `--latency 200` times a step of each bundle on this machine.")
    return said


def _options(said: str) -> list[str]:
    """Text whose options stand between backticks, with these set as code."""
    return [element("code", {}, part) if index % 2 else part for index, part in enumerate(said.split("`"))]


def _whom(labels: Sequence[str], entries: Sequence[Entry]) -> str:
    # A backtick in a name would be taken for the beginning of an option.
    return "these bundles" if len(labels) == len(entries) else ", ".join(labels).replace("`", "'")


def _bundle_note(contents: Contents) -> Markup:
    said = ["Ratios are against fp32 of the same target and weights, where it is on this page."]
    said += [f"{group.model}: {group.test}." for group in groups(contents.entries)]
    if any(item.against for entry in contents.entries for item in entry.measurements):
        said.append(
            "Same answer: over all states and protocols; UAR difference with its paired 95 % interval, in the first "
            "condition."
        )
    if any(entry.latency for entry in contents.entries):
        said.append(
            f"Latency: {contents.latency_rounds} rounds, interleaved, one core; of a dialogue model an utterance of "
            "one step; p50 of fp32 / p50 above 1 is faster than fp32."
        )
    return element("p", {"class": "note"}, " ".join(said))


def _gate_note() -> Markup:
    return element(
        "p",
        {"class": "note"},
        "Three distances that are never mixed. Student vs full model: mean difference of log-probabilities, and on how "
        "many answers both name the same label, measured once on real clips when the student was distilled. fp32 vs "
        "torch and scheme vs fp32: largest difference of the logits over the golden cases. Measured by the converter "
        "on the machine that converted.",
    )


def _proof_note() -> Markup:
    return element(
        "p",
        {"class": "note"},
        "Read back from the written files. A multiply-accumulate counts when both its weight and its input are 8-bit "
        "integers. Whole bundle: weight bytes / multiply-accumulates.",
    )


def _facts(contents: Contents) -> Markup:
    rows = [f"This page was made on: {contents.machine}."]
    notes: dict[str, list[str]] = {}
    for entry in contents.entries:
        if entry.note:
            notes.setdefault(f"{entry.runtime}: {entry.note}", []).append(entry.label)
    rows += [f"{', '.join(labels)}: {note}." for note, labels in notes.items()]
    reports = [item.report for entry in contents.entries for item in entry.measurements]
    cautions = [report.caution for report in reports if isinstance(report, EvaluationReport) and report.caution]
    rows += [f"{said[0].upper()}{said[1:]}." for said in _unique(cautions)]
    made: dict[str, list[str]] = {}
    for entry in contents.entries:
        tools = ", ".join(f"{name} {version}" for name, version in entry.tools.items())
        weights = f"weights {entry.checkpoint[:12]}"
        data = "".join(f"; {said}" for said in (entry.evidence.calibration, entry.evidence.checked_on) if said)
        made.setdefault(f"{weights}, converted with {tools or 'tools not recorded'}{data}", []).append(entry.label)
    rows += [f"{', '.join(labels)}: {what}." for what, labels in made.items()]
    return element("ul", {"class": "facts"}, *(element("li", {}, row) for row in rows))


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
