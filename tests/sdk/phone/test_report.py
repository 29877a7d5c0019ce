"""The phone's report: what is refused, what is made of it, and where it goes."""

import json
import re
import shutil
from dataclasses import replace
from xml.dom import minidom

import numpy as np
import pytest

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.golden import load_golden
from mer_sdk.contract.manifest import Decision
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets.clip import Clip
from mer_sdk.phone.clips import ClipReference, score, spread
from mer_sdk.phone.curve import BLOCKS, curve_svg, terminal_curve
from mer_sdk.phone.evidence import Seen, evidence_kind
from mer_sdk.phone.merging import describe, device_entry, merge
from mer_sdk.phone.report import (
    Battery,
    BrowserRun,
    CaseAnswer,
    ClipAnswer,
    Device,
    Latency,
    PhoneReport,
    Point,
    SustainedRun,
    read_report,
)

ANDROID = "Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 Chrome/150.0.0.0 Mobile Safari/537.36"
IPAD = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/26.0 Safari/605.1.15"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6) AppleWebKit/605.1.15 Version/26.0 Safari/604.1"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/150.0.0.0 Safari/537.36"
DEVICE = Device(ANDROID, "Chrome 150", "Pixel 9", "Android 16", True, 8, 8.0, "412 x 915", "", True, 5, False)


SEEN = Seen("192.168.1.30", "192.168.1.20", ANDROID, "?1")


@pytest.fixture
def bundle(tiny_onnx, tmp_path):
    """A copy of the tiny bundle."""
    return Bundle.open(shutil.copytree(tiny_onnx, tmp_path / tiny_onnx.name))


def report_of(bundle, **changes):
    """A good report, as the page sends it, with some fields changed."""
    names = [*bundle.manifest.graphs, "step"]
    cases = load_golden(bundle)
    run = BrowserRun(
        provider="wasm",
        threads=1,
        load_ms=40.0,
        cases=tuple(
            CaseAnswer(index, tuple(case.answer.logits.tolist()), {"audio": 1e-6, "face": 2e-6})
            for index, case in enumerate(cases)
        ),
        latency={name: Latency(3.0, 1.0, 1.5, 2.0, 50) for name in names},
        sustained=SustainedRun(4.0, 2.0, 400, 1.0, 1.5, (Point(2.0, 1.0, 1.5), Point(4.0, 1.5, 2.0))),
        hidden=False,
    )
    good = PhoneReport(
        bundle=bundle.name,
        files={spec.path: spec.sha256 for spec in bundle.manifest.files},
        runtime="onnxruntime-web 1.30.0",
        device=DEVICE,
        runs=(run,),
        clips=(),
        battery=Battery(0.8, 0.75, False),
        schema_version=2,
    )
    return replace(good, **changes)


def changed_run(bundle, **changes):
    report = report_of(bundle)
    return replace(report, runs=(replace(report.runs[0], **changes),))


def read(bundle, report, clips=0):
    text = report if isinstance(report, str) else json.dumps(to_json(report))
    return read_report(text, bundle.manifest, len(load_golden(bundle)), clips)


def test_a_good_report_passes_and_is_merged_once_a_device(bundle):
    report = read(bundle, report_of(bundle))
    entry = device_entry(report, SEEN, "fp32", load_golden(bundle))
    assert entry.passed
    assert (entry.runs[0].golden.max_abs_error, entry.runs[0].golden.sqnr_db) == (0.0, None)
    assert entry.runs[0].golden.same_label == entry.runs[0].golden.rows == 4
    assert merge(bundle.path, entry) == 1
    assert merge(bundle.path, replace(entry, date="2030-01-01T00:00:00+00:00")) == 1
    assert merge(bundle.path, replace(entry, device=replace(DEVICE, model="Pixel 8"))) == 2
    again = Bundle.open(bundle.path).manifest.device_verified
    assert [one["device"]["model"] for one in again] == ["Pixel 9", "Pixel 8"]
    assert again[0]["date"] == "2030-01-01T00:00:00+00:00"
    assert again[0]["runs"][0]["latency_ms"]["step"]["p50"] == 1.0
    assert [(one["evidence"], one["battery"]["end"]) for one in again] == [("phone", 0.75)] * 2
    assert describe(DEVICE) == "Pixel 9, Android 16, Chrome 150"
    assert sorted(path.name for path in bundle.path.iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize(
    ("seen", "device", "kind"),
    [
        ({}, {}, "phone"),
        ({"user_agent": IPHONE, "mobile": ""}, {"user_agent": IPHONE, "mobile": None}, "phone"),
        ({"user_agent": IPAD, "mobile": ""}, {"user_agent": IPAD, "mobile": None}, "phone"),
        # Chrome on an Android tablet.
        ({"mobile": "?0"}, {"mobile": False}, "phone"),
        ({"user_agent": IPAD, "mobile": ""}, {"user_agent": IPAD, "mobile": None, "touch_points": 0}, "desktop"),
        ({"user_agent": WINDOWS, "mobile": "?0"}, {"user_agent": WINDOWS, "mobile": False}, "desktop"),
        # A report that claims more than the connection that brought it, or leaves out what it was asked.
        ({"user_agent": WINDOWS}, {}, "desktop"),
        ({"user_agent": ""}, {}, "desktop"),
        ({}, {"user_agent": ""}, "desktop"),
        ({"mobile": "?0"}, {}, "desktop"),
        ({}, {"mobile": None}, "desktop"),
        ({}, {"touch_points": 0}, "desktop"),
        ({}, {"webdriver": True}, "headless"),
        ({"user_agent": ANDROID.replace("Chrome", "HeadlessChrome")}, {}, "headless"),
        ({"address": "127.0.0.1", "host": "127.0.0.1"}, {}, "loopback"),
        ({"address": "127.8.0.1"}, {"webdriver": True}, "loopback"),
        ({"address": "::1", "host": "::1"}, {}, "loopback"),
        ({"address": "::ffff:127.0.0.1"}, {}, "loopback"),
        # This computer by its address on the network.
        ({"address": "192.168.1.20"}, {}, "loopback"),
        ({"address": "fe80::1%eth0", "host": "fe80::1"}, {}, "loopback"),
        ({"address": "somewhere"}, {}, "loopback"),
    ],
)
def test_the_kind_of_device_is_the_least_that_the_facts_allow(seen, device, kind):
    assert evidence_kind(replace(SEEN, **seen), replace(DEVICE, **device)) == kind


@pytest.mark.parametrize(("error", "passes"), [(5e-4, True), (2e-3, False)])
def test_golden_cases_are_judged_by_the_logits_that_came(bundle, error, passes):
    report = report_of(bundle)
    cases = report.runs[0].cases
    moved = replace(cases[1], logits=(cases[1].logits[0] + error, *cases[1].logits[1:]))
    run = replace(report.runs[0], cases=(cases[0], moved, *cases[2:]))
    found = device_entry(replace(report, runs=(run,)), SEEN, "fp32", load_golden(bundle))
    assert found.passed is passes
    assert found.runs[0].golden.max_abs_error == pytest.approx(error, rel=1e-2)


def test_a_run_that_fails_beside_the_first_is_left_out(bundle):
    report = report_of(bundle)
    first = report.runs[0]
    wrong = replace(first.cases[0], logits=tuple(value + 1 for value in first.cases[0].logits))
    second = replace(first, provider="webgpu", cases=(wrong, *first.cases[1:]))
    entry = device_entry(replace(report, runs=(first, second)), SEEN, "fp32", load_golden(bundle))
    assert entry.passed
    merge(bundle.path, entry)
    (kept,) = Bundle.open(bundle.path).manifest.device_verified
    assert [run["provider"] for run in kept["runs"]] == ["wasm"]


def test_a_quantized_bundle_is_held_to_what_it_gave_where_it_was_made(bundle):
    cases = [replace(case, made=case.answer.logits + np.float32(0.5)) for case in load_golden(bundle)]
    report = report_of(bundle)
    assert not device_entry(report, SEEN, "int8", cases).passed
    moved = tuple(
        replace(answer, logits=tuple(value + 0.5 for value in answer.logits)) for answer in report.runs[0].cases
    )
    entry = device_entry(replace(report, runs=(replace(report.runs[0], cases=moved),)), SEEN, "int8", cases)
    assert entry.passed
    assert entry.runs[0].golden.to_torch == pytest.approx(0.5, rel=1e-3)


def test_reports_that_cannot_be_are_refused_in_one_sentence(bundle):
    good = report_of(bundle)
    plain = to_json(good)
    run, case = good.runs[0], good.runs[0].cases[0]
    nan = json.dumps(plain).replace('"load_ms": 40.0', '"load_ms": NaN')
    assert "NaN" in nan
    wrong = [
        ("{", "refused"),
        ("[" * 100000, "refused"),
        ('{"schema_version": ' + "9" * 400 + "}", "refused"),
        ("null", "an object is expected"),
        (nan, "NaN is not a number"),
        (json.dumps({**plain, "more": 1}), "unknown field 'more'"),
        (json.dumps({key: value for key, value in plain.items() if key != "runs"}), "field 'runs' is missing"),
        (replace(good, schema_version=1), "schema 1"),
        (replace(good, bundle="other"), "'other'"),
        (replace(good, files={**good.files, "audio.onnx": "0" * 64}), "another audio.onnx"),
        (replace(good, files={}), "another"),
        (replace(good, runs=()), "0 runs"),
        (replace(good, device=replace(DEVICE, model="x" * 500)), "longer than 400"),
        (replace(good, device=replace(DEVICE, model="a\x1b[31m")), "cannot be shown"),
        (replace(good, device=replace(DEVICE, touch_points=-1)), "-1 touch points"),
        (replace(good, battery=Battery(1.5, 1.0, False)), "not between 0 and 1"),
        (json.dumps({**plain, "evidence": "phone"}), "unknown field 'evidence'"),
        (json.dumps({**plain, "device": {**plain["device"], "webdriver": None}}), "webdriver"),
        (json.dumps({**plain, "device": {**plain["device"], "touch_points": "5"}}), "touch_points"),
        (replace(good, runtime=""), None),
        (changed_run(bundle, provider="magic"), "'magic'"),
        (changed_run(bundle, threads=0), "0 threads"),
        (changed_run(bundle, cases=run.cases[:-1]), "3 golden cases"),
        (changed_run(bundle, cases=(replace(case, logits=(1e300,) * 7), *run.cases[1:])), "out of its range"),
        (changed_run(bundle, latency={"audio": run.latency["audio"]}), "needed are"),
        (changed_run(bundle, latency={name: Latency(1, 3, 2, 1, 50) for name in run.latency}), "not in order"),
        (changed_run(bundle, latency={name: Latency(1, -1, 2, 3, 50) for name in run.latency}), "out of its range"),
        (changed_run(bundle, sustained=replace(run.sustained, points=())), "0 points"),
        (changed_run(bundle, sustained=replace(run.sustained, points=run.sustained.points[::-1])), "forward"),
        (replace(good, clips=(ClipAnswer(0, (0.0,) * 7, (1,)),)), "answers 1 clips, 0 were served"),
    ]
    for report, said in wrong:
        if said is None:
            read(bundle, report)
            continue
        with pytest.raises(DataError, match=re.escape(said)) as caught:
            read(bundle, report)
        assert "\n" not in str(caught.value)


def test_a_case_with_too_few_logits_is_refused(bundle):
    report = report_of(bundle)
    short = replace(report.runs[0].cases[0], logits=(0.0,))
    run = replace(report.runs[0], cases=(short, *report.runs[0].cases[1:]))
    with pytest.raises(DataError, match="1 logits, the bundle has 7"):
        device_entry(replace(report, runs=(run,)), SEEN, "fp32", load_golden(bundle))


def test_clips_are_spread_over_labels_and_scored_against_the_reference(bundle):
    clips = [Clip(f"{label}-{number}", label, 1) for label in ("happy", "sad") for number in range(3)]
    chosen = spread(clips, 4)
    assert [clip.id for clip in chosen] == ["happy-0", "sad-0", "happy-1", "sad-1"]
    with pytest.raises(DataError, match="no clips"):
        spread([], 4)
    labels = {label: label for label in bundle.manifest.labels}

    def logits(label, steps=3):
        rows = np.zeros((steps, 7), np.float32)
        rows[:, bundle.manifest.labels.index(label)] = 4.0
        return rows

    truth = ["happy", "sad", "happy", "sad"]
    held, states = np.array([1, 2, 3]), ("face", "audio+face", "audio+face")
    reference = ClipReference("here", Decision(), tuple((logits(label), held, states) for label in truth))
    said = ["happy", "sad", "happy", "angry"]
    answers = [ClipAnswer(index, tuple(logits(label).ravel().tolist()), (1, 2, 3)) for index, label in enumerate(said)]
    found = score(answers, chosen, labels, bundle.manifest, reference)
    assert (found.clips, found.steps, found.war, found.uar) == (4, 12, 0.75, 0.75)
    assert (found.reference_uar, found.same_steps, found.same_clips) == (1.0, 0.75, 0.75)
    answers[0] = ClipAnswer(0, tuple(logits("happy", 2).ravel().tolist()), (1, 2))
    with pytest.raises(DataError, match="into 2 steps, there are 3"):
        score(answers, chosen, labels, bundle.manifest, reference)
    read(bundle, report_of(bundle, clips=tuple(answers)), clips=4)
    bad = replace(answers[1], held=(1, 2, 99))
    with pytest.raises(DataError, match="more than 16 steps"):
        read(bundle, report_of(bundle, clips=(answers[0], bad, *answers[2:])), clips=4)


def test_the_course_is_drawn_from_nothing_to_the_highest():
    points = [Point(float(second + 1), 1.0 + second, 2.0 + second) for second in range(200)]
    line = terminal_curve(points)
    assert len(line) == 60
    assert (line[0], line[-1]) == (BLOCKS[0], BLOCKS[-1])
    drawing = minidom.parseString(curve_svg(points, "a <phone>"))
    assert [path.getAttribute("class") for path in drawing.getElementsByTagName("path")] == ["p90", "p50"]


def test_a_manifest_that_cannot_be_written_stays_as_it_is(bundle, monkeypatch):
    entry = device_entry(report_of(bundle), SEEN, "fp32", load_golden(bundle))
    before = (bundle.path / "manifest.json").read_bytes()

    def fail(*_):
        raise PermissionError("read-only")

    monkeypatch.setattr("mer_sdk.phone.merging.os.replace", fail)
    with pytest.raises(OptionError, match="copy the bundle where you may write"):
        merge(bundle.path, entry)
    assert (bundle.path / "manifest.json").read_bytes() == before
    assert not list(bundle.path.glob(".manifest-*"))
