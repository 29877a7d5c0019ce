"""What phones said of bundles, beside one another: from the bundles' `device_verified` and saved checks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer_sdk.contract.device_evidence import EVIDENCE, PHONE, device_name, evidence_of, number_at
from mer_sdk.errors import OptionError, reason_of
from mer_sdk.limits import check_path
from mer_sdk.report.drawing import WIDTH, chart, frame, path, scale
from mer_sdk.report.evidence import NONE
from mer_sdk.report.markup import Markup, element, joined
from mer_sdk.report.tables import Column, table

HEIGHT = 260.0
LARGEST_FILE = 64 * 2**20
# Colours of the page that are told apart; beyond them they come again, and the tooltip says which is which.
COLOURS = ("tflite", "onnx", "executorch", "coreml", "torch")


@dataclass(frozen=True)
class DeviceResult:
    """One bundle on one device; None and "" where its check does not say.

    Attributes:
        bundle, device, date, runtime: what ran where.
        kind: a key of `EVIDENCE`.
        step_ms, step_p90_ms: a step, of a dialogue bundle the fusion, in the first run.
        minutes: of steps without a pause.
        first_ms, last_ms: median of a step in the first and the last part of them.
        course: (seconds, median of a step in ms) over them.
        battery: charge that the check took, 0-1; None also where it was charging.
        max_error: of the golden cases' logits.
        uar: on labelled clips, 0-1.
    """

    bundle: str
    device: str
    date: str
    runtime: str
    kind: str
    step_ms: float | None
    step_p90_ms: float | None
    minutes: float | None
    first_ms: float | None
    last_ms: float | None
    course: tuple[tuple[float, float], ...]
    battery: float | None
    max_error: float | None
    uar: float | None

    @property
    def slowdown(self) -> float | None:
        """Last over first: above 1 the device has become slower."""
        if self.first_ms and self.last_ms is not None:
            return self.last_ms / self.first_ms
        return None


def result_of(bundle: str, entry: Mapping[str, Any]) -> DeviceResult:
    """An entry of `device_verified`, which is free data: what is not as it should be is left out."""
    run = ("runs", 0)
    graph = "step" if number_at(entry, *run, "latency_ms", "step", "p50") is not None else "fusion"
    begin, end = (number_at(entry, "battery", key) for key in ("begin", "end"))
    battery = entry.get("battery")
    plugged = isinstance(battery, Mapping) and battery.get("charging") is True
    seconds = number_at(entry, *run, "sustained", "seconds")
    return DeviceResult(
        bundle=bundle,
        device=device_name(entry),
        date=_text(entry.get("date")),
        runtime=_text(entry.get("runtime")),
        kind=evidence_of(entry),
        step_ms=number_at(entry, *run, "latency_ms", graph, "p50"),
        step_p90_ms=number_at(entry, *run, "latency_ms", graph, "p90"),
        minutes=None if seconds is None else seconds / 60,
        first_ms=number_at(entry, *run, "sustained", "first"),
        last_ms=number_at(entry, *run, "sustained", "last"),
        course=_course(entry),
        battery=None if begin is None or end is None or plugged else begin - end,
        max_error=number_at(entry, *run, "golden", "max_abs_error"),
        uar=number_at(entry, "accuracy", "uar"),
    )


def read_devices(file: str | Path) -> list[DeviceResult]:
    """What `mer phone-check --json` wrote.

    Raises:
        OptionError: it cannot be read, or is something else.
    """
    check_path("the file of devices", file, "the path of what `mer phone-check --json` wrote")
    file = Path(file)
    what = f"--devices {file}"
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise OptionError(
                f"{what} is larger than {LARGEST_FILE >> 20} MB; give what `mer phone-check --json` wrote"
            )
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{what} cannot be read ({reason_of(error)})") from error
    except (ValueError, RecursionError) as error:
        raise OptionError(f"{what} is not JSON; give what `mer phone-check --json` wrote") from error
    if not isinstance(found, list) or not all(isinstance(one, dict) and "device" in one for one in found):
        raise OptionError(f"{what} holds no checks of devices; give what `mer phone-check --json` wrote")
    return [result_of(_text(one.get("bundle")) or file.stem, one) for one in found]


def device_section(results: Sequence[DeviceResult]) -> Markup:
    """The table, devices before what is none, and the course of each sustained run."""
    if not results:
        return Markup("")
    shown = sorted(results, key=lambda one: (one.bundle, one.kind != PHONE, one.device))
    rows = table(
        Column("device", tuple(_name(number, one) for number, one in enumerate(shown))),
        Column("bundle", tuple(one.bundle for one in shown)),
        Column("what it is", tuple(EVIDENCE[one.kind] for one in shown), prose=True),
        Column("step, ms, p50", tuple(_number(one.step_ms) for one in shown)),
        Column("p90", tuple(_number(one.step_p90_ms) for one in shown)),
        Column("minutes without a pause", tuple(_number(one.minutes, 1) for one in shown)),
        Column("step at first, ms", tuple(_number(one.first_ms) for one in shown)),
        Column("at last", tuple(_number(one.last_ms) for one in shown)),
        Column("last / first", tuple(_number(one.slowdown) for one in shown)),
        Column(
            "battery used, %", tuple(_number(None if one.battery is None else 100 * one.battery, 0) for one in shown)
        ),
        Column("largest error", tuple(NONE if one.max_error is None else f"{one.max_error:.1e}" for one in shown)),
        Column("UAR, %", tuple(_number(None if one.uar is None else 100 * one.uar, 1) for one in shown)),
        Column("runtime", tuple(one.runtime or NONE for one in shown), prose=True),
    )
    said = (
        "By `mer phone-check`, in the device's browser. Last / first above 1: the device has become slower, as when it "
        "gets warm. Battery: only where the browser tells it and nothing was charging. A desktop browser, one without "
        "a screen and one on the checking computer are no devices, and prove the bundle's numbers alone."
    ).replace("`", "")
    drawn = [(number, one) for number, one in enumerate(shown) if len(one.course) > 1]
    return joined([rows, element("p", {"class": "note"}, said), _courses(drawn) if drawn else Markup("")])


def _courses(drawn: Sequence[tuple[int, DeviceResult]]) -> Markup:
    across = scale([seconds for _, one in drawn for seconds, _ in one.course], 46.0, WIDTH - 12.0, zero=True)
    up = scale([ms for _, one in drawn for _, ms in one.course], HEIGHT - 44.0, 34.0, zero=True)
    lines = [
        path(
            [(across.at(seconds), up.at(ms)) for seconds, ms in one.course],
            f"line {_colour(number)}",
            f"{one.device}, {one.bundle}: {EVIDENCE[one.kind]}",
        )
        for number, one in drawn
    ]
    picture = chart(
        HEIGHT, "milliseconds of a step over time", frame(across, up, "seconds", "ms a step, median"), *lines
    )
    figure = element("figure", {}, element("h4", {}, "Steps without a pause"), picture)
    return element("div", {"class": "grid wide"}, figure)


def _course(entry: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    try:
        points = entry["runs"][0]["sustained"]["points"]
        pairs = [(number_at(one, "seconds"), number_at(one, "p50")) for one in points]
    except (KeyError, IndexError, TypeError):
        return ()
    return tuple((seconds, ms) for seconds, ms in pairs if seconds is not None and ms is not None and ms >= 0)


def _name(number: int, one: DeviceResult) -> Markup:
    dot = element("span", {"class": f"dot {_colour(number)}"}) if len(one.course) > 1 else Markup("")
    return joined([dot, one.device])


def _colour(number: int) -> str:
    return f"t-{COLOURS[number % len(COLOURS)]}"


def _number(value: float | None, digits: int = 2) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
