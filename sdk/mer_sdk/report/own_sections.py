"""The markup of one's own clips: people, level and light beside the errors, and the worst clips with a player."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mer_sdk.errors import counted
from mer_sdk.evaluation.datasets.clip import IMAGE_SUFFIXES, SOUND_SUFFIXES, LeftOut
from mer_sdk.evaluation.evaluate import EvaluationReport
from mer_sdk.report import charts
from mer_sdk.report.charts import Bar
from mer_sdk.report.colours import image_colours
from mer_sdk.report.contents import Entry
from mer_sdk.report.drawing import WIDTH, box, chart, frame, scale, target_class, text
from mer_sdk.report.evidence import NONE
from mer_sdk.report.markup import Markup, element, joined
from mer_sdk.report.own_answers import OwnAnswer, OwnAnswers
from mer_sdk.report.results import Measurement
from mer_sdk.report.tables import Column, table

# A page holds no more of the clips than this; what is larger is named and not played, bytes.
LARGEST_CLIP, LARGEST_PAGE = 4 << 20, 24 << 20
MOST_PEOPLE, MOST_ROWS = 40, 60
# Clips of one quality are parted into so many groups of one size.
GROUPS = 3
# What Python's table of types lacks, or calls otherwise than browsers do.
_TYPES = {".flac": "audio/flac", ".opus": "audio/ogg", ".m4a": "audio/mp4", ".mov": "video/mp4", ".mkv": "video/webm"}


def own_clips(entry: Entry, measurement: Measurement, answers: OwnAnswers) -> Markup:
    """Everything about one's own clips that is not of a class: confusion and confidence have sections of their own."""
    report = measurement.report
    assert isinstance(report, EvaluationReport)  # dialogues have no clips
    clips = answers.clips
    wrong = sum(not clip.right for clip in clips)
    condition = f"{answers.state}, {answers.protocol}"
    lead = (
        f"{entry.label}, {condition}: {wrong} of {counted(len(clips), 'clip')} wrong. {measurement.test}. Confusion "
        "and reliability are below."
    )
    parts = [element("p", {}, lead)]
    parts += [element("p", {"class": "note"}, f"{said}.") for said in report.omitted]
    parts += [_people(entry, report, answers), _quality(clips), _worst(clips, answers.step_seconds)]
    if report.left_out:
        parts += [element("h3", {}, f"Left out: {len(report.left_out)}"), _left_out(report.left_out)]
    return joined(parts)


def _people(entry: Entry, report: EvaluationReport, answers: OwnAnswers) -> Markup:
    result = report.result(answers.state, answers.protocol)
    counts: dict[str, int] = {}
    for clip in answers.clips:
        counts[clip.facts.speaker] = counts.get(clip.facts.speaker, 0) + 1
    rows = []
    for number, value in result.uar_by_speaker.items():
        name = report.names.get(number, "" if report.names else number)
        if name:
            said = f"{name}: UAR {100 * value:.1f} % of {counted(counts.get(name, 0), 'clip')}"
            rows.append(Bar(f"{name} ({counts.get(name, 0)})", 100 * value, target_class(entry.target), said))
    if not rows:
        return Markup("")
    rows.sort(key=lambda row: row.value)
    more = len(rows) - MOST_PEOPLE
    note = "UAR of each person's clips in %, how many in brackets, the worst first."
    note += f" {more} more do better." if more > 0 else ""
    drawn = charts.bars(rows[:MOST_PEOPLE], "%", ceiling=100.0, left=150.0)
    return joined(
        [
            element("h3", {}, "People"),
            element("div", {"class": "grid wide"}, element("figure", {}, drawn)),
            element("p", {"class": "note"}, note),
        ]
    )


def _quality(clips: Sequence[OwnAnswer]) -> Markup:
    """Probability of the right label over level and over light, and accuracy by thirds of each."""
    measures: tuple[tuple[str, str, Callable[[OwnAnswer], float | None]], ...] = (
        ("level", "dB (0 is full scale)", lambda clip: clip.facts.level),
        ("light", "of 255", lambda clip: clip.facts.light),
        ("pictures with a face", "%", lambda clip: _share(clip.facts.faces, clip.facts.looks)),
        ("length", "s", lambda clip: clip.facts.seconds or None),
    )
    figures, rows = [], []
    for name, unit, of in measures:
        known = [(value, clip) for clip in clips if (value := of(clip)) is not None]
        if len(known) < GROUPS or min(known, key=lambda k: k[0])[0] == max(known, key=lambda k: k[0])[0]:
            continue
        figures.append(element("figure", {}, element("h4", {}, name), _scatter(known, f"{name}, {unit}")))
        rows += _thirds(name, unit, known)
    if not figures:
        return Markup("")
    columns = [
        Column(title, tuple(row[place] for row in rows)) for place, title in enumerate(("clips", "number", "right"))
    ]
    note = (
        "A mark is a clip, as high as the probability of its own label; wrong answers are crosses. Below, the clips in "
        "thirds of each measure: a third that does far worse than the others says what to record again. Level: RMS of "
        "the loudest tenth of a clip's quarter seconds. Light: mean of the pictures."
    )
    return joined(
        [
            element("h3", {}, "What the clips are like, and the errors"),
            element("div", {"class": "grid"}, *figures),
            table(*columns) if rows else Markup(""),
            element("p", {"class": "note"}, note),
        ]
    )


def _share(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _scatter(known: Sequence[tuple[float, OwnAnswer]], label: str) -> Markup:
    height = 250.0
    x = scale([value for value, _ in known], 44, WIDTH - 22)
    y = scale([0.0, 100.0], height - 40, 34)
    drawn = []
    for value, clip in known:
        said = (
            f"{clip.facts.clip}: {clip.facts.label}, answer {clip.answer} {100 * clip.probability:.0f} %, {value:.4g}"
        )
        title = element("title", {}, said)
        left, top = x.at(value), y.at(100 * clip.of_label)
        if clip.right:
            drawn.append(element("circle", {"cx": left, "cy": top, "r": 4.0, "class": "right"}, title))
        else:
            cross = f"M{left - 4:.1f} {top - 4:.1f}l8 8m0 -8l-8 8"
            drawn.append(element("path", {"d": cross, "class": "wrong"}, title))
    return chart(height, f"probability of the right label over {label}", frame(x, y, label, "right label, %"), *drawn)


def _thirds(name: str, unit: str, known: Sequence[tuple[float, OwnAnswer]]) -> list[tuple[str, str, str]]:
    """Rows of (which clips, how many, how many of them right) in order of the measure; none where clips are alike."""
    if len({value for value, _ in known}) < 2 * GROUPS:
        return []
    ordered = sorted(known, key=lambda pair: pair[0])
    rows = []
    for part in np.array_split(np.arange(len(ordered)), GROUPS):
        group = [ordered[place] for place in part.tolist()]
        right = sum(clip.right for _, clip in group)
        said = f"{name} {group[0][0]:.3g} to {group[-1][0]:.3g} {unit}"
        rows.append((said, str(len(group)), f"{right} ({100 * right / len(group):.0f} %)"))
    return rows


def _worst(clips: Sequence[OwnAnswer], step: float) -> Markup:
    """Cards of the clips that were run again, with a player while the page is not too large."""
    shown = [clip for clip in clips if clip.steps]
    if not shown:
        return Markup("")
    used = sorted({label for clip in shown for label, _ in clip.steps if label} | {clip.facts.label for clip in shown})
    colours, room, cards = image_colours(used), LARGEST_PAGE, []
    for clip in shown:
        player, size = _player(clip, room)
        room -= size
        cards.append(_card(clip, player, colours, step))
    swatches = {label: element("span", {"class": "swatch", "style": f"background:{colours[label]}"}) for label in used}
    keys = [element("span", {"class": "key"}, swatches[label], label) for label in used]
    note = (
        "The clips whose own label got the least probability. Below each player the steps of the clip from a cold "
        "baseline: colour is the likeliest label, height its probability. The clips are in this file: share it as you "
        "would share them."
    )
    return joined(
        [
            element("h3", {}, "Worst clips"),
            element("p", {"class": "legend"}, *keys),
            element("div", {"class": "grid"}, *cards),
            element("p", {"class": "note"}, note),
        ]
    )


def _card(clip: OwnAnswer, player: Markup, colours: dict[str, str], step: float) -> Markup:
    facts = clip.facts
    like = [f"{facts.seconds:.1f} s"] if facts.seconds else []
    like += [f"{facts.level:.0f} dB"] if facts.level is not None else ["no sound"]
    like += (
        [f"light {facts.light:.0f}", f"face in {facts.faces} of {facts.looks}"]
        if facts.light is not None
        else ["no pictures"]
    )
    answered = f"{clip.answer} {100 * clip.probability:.0f} %"
    said = [
        element("b", {"class": "passed" if clip.right else "failed"}, answered),
        ", which is right" if clip.right else f" in place of {facts.label} ({100 * clip.of_label:.0f} %)",
    ]
    who = f" · {facts.speaker}" if facts.speaker else ""
    return element(
        "figure",
        {},
        element("h4", {}, f"{facts.clip}{who}"),
        player,
        _strip(clip, colours, step),
        element("p", {}, *said),
        element("figcaption", {}, ", ".join(like)),
    )


def _strip(clip: OwnAnswer, colours: dict[str, str], step: float) -> Markup:
    """The steps of a clip, one bar each."""
    left, right, height = 4.0, WIDTH - 4.0, 44.0
    width = (right - left) / len(clip.steps)
    parts: list[str] = []
    for place, (label, share) in enumerate(clip.steps):
        if not label:
            continue
        deep, said = 40 * share, f"{(place + 1) * step:.2f} s: {label} {100 * share:.0f} %"
        bar = box(left + place * width, 42 - deep, max(1.0, width - 1), deep, "step", said)
        parts.append(Markup(bar.replace('class="step"', f'fill="{colours[label]}"')))
    parts += [
        text(left, height + 12, "0 s", "start", "tick"),
        text(right, height + 12, f"{len(clip.steps) * step:g} s", "end", "tick"),
    ]
    return chart(height + 16, f"likeliest label of each step of {clip.facts.clip}", *parts)


def _player(clip: OwnAnswer, room: int) -> tuple[Markup, int]:
    """A player that holds the clip, and its size; a sentence where the clip is gone or too large."""
    path = Path(clip.media)
    try:
        size = path.stat().st_size
        if size > min(LARGEST_CLIP, room):
            return element("p", {}, f"{path.name} has {size / 1e6:.1f} MB and is not in this page"), 0
        content = base64.b64encode(path.read_bytes()).decode()
    except OSError:
        return element("p", {}, f"{path.name} cannot be read any more"), 0
    suffix = path.suffix.lower()
    kind = _TYPES.get(suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    part = (
        f"#t={clip.start:g},{'' if clip.end is None else f'{clip.end:g}'}".rstrip(",") if clip.start or clip.end else ""
    )
    source = f"data:{kind};base64,{content}{part}"
    if suffix in IMAGE_SUFFIXES:
        return element("img", {"src": source, "alt": clip.facts.clip}), size
    name = "audio" if suffix in SOUND_SUFFIXES else "video"
    return element(name, {"src": source, "controls": "", "preload": "metadata"}), size


def _left_out(left_out: Sequence[LeftOut]) -> Markup:
    rows = left_out[:MOST_ROWS]
    more = len(left_out) - len(rows)
    names = tuple(item.clip for item in rows) + ((f"{more} more",) if more else ())
    why = tuple(item.reason for item in rows) + ((NONE,) if more else ())
    return table(Column("clip", names, prose=True), Column("why", why, prose=True))
