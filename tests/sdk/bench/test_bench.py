"""`mer bench`: its parts on made times, and the whole command on tiny bundles."""

import itertools
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from mer_sdk.bench import clip as clips
from mer_sdk.bench.clip import ClipStep, FixedFace, make_clip
from mer_sdk.bench.findings import findings
from mer_sdk.bench.fresh import Task
from mer_sdk.bench.processes import cold_starts
from mer_sdk.bench.result import BenchResult, BundleResult, Machine, Options
from mer_sdk.bench.steps import StepInput, TimedStep
from mer_sdk.bench.sustained import StepDrift, Sustained, sustain
from mer_sdk.bench.timing import Quantiles, Times, blas_environment, measure, on_cores, ratio
from mer_sdk.cli.bench import bench
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import from_json
from mer_sdk.errors import MediaError, MerError, MissingExtra, RuntimeUnavailable
from mer_sdk.media.decode import MediaFile
from mer_sdk.window.engine import StepEngine

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = ROOT / "docs" / "bench.schema.json"
IDLE = Machine("0.1.0", "3.11", "Linux", "x86_64", 4, "2.0", {}, "", "", None, "", 0.1)


def test_rounds_are_interleaved_and_the_warm_up_is_apart():
    calls = []

    def runner(name):
        def run():
            calls.append(name)
            return {"audio": 1.0, "step": float(calls.count(name))}

        return run

    times = measure({"a": runner("a"), "b": runner("b")}, rounds=10, warm_up=4)
    assert all(sorted(calls[i : i + 2]) == ["a", "b"] for i in range(0, 28, 2))
    assert times["a"].warm_up["step"].tolist() == [1, 2, 3, 4]
    assert times["b"].counted["step"].tolist() == list(range(5, 15))
    assert times["a"].whole == "step"
    assert times["a"].quantiles() == {"audio": Quantiles(1.0, 1.0, 1.0), "step": Quantiles(9.5, 13.1, 13.91)}


def test_a_ratio_has_an_interval():
    values = np.random.default_rng(1).gamma(4.0, 1.0, 400)
    twice = ratio(2 * values, values)
    assert (twice.p50, twice.low, twice.high) == (2.0, 2.0, 2.0)
    same = ratio(values, np.random.default_rng(2).gamma(4.0, 1.0, 400))
    assert same.low < 1.0 < same.high
    assert ratio(np.array([3.0]), np.array([2.0])).p50 == 1.5


def test_a_process_stays_on_its_cores_and_goes_back():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system lets no process choose its cores")
    before = os.sched_getaffinity(0)
    with on_cores(1):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before
    assert blas_environment(3)["OMP_NUM_THREADS"] == "3"


def test_the_stages_of_a_step_add_up(tiny_onnx):
    bundle = Bundle.open(tiny_onnx)
    step = TimedStep(bundle, seed=5)
    found = step()
    assert list(found) == ["front_end", "audio", "face", "fusion", "sdk", "cpu", "step"]
    assert all(value > 0 for value in found.values())
    assert found["step"] == pytest.approx(found["audio"] + found["face"] + found["fusion"] + found["sdk"])
    raw = StepInput(bundle.manifest, 5).raw()
    expected = StepEngine(bundle).step(raw["audio"], raw["face"])
    assert list(step.said.probabilities.values()) == pytest.approx(expected.probabilities.tolist())
    # An estimate as an app gets it, and not only a decision.
    assert (step.said.time, step.said.state, step.said.face.id) == (0.25, "audio+face", 0)
    other = StepInput(bundle.manifest, 6).raw()
    assert not np.array_equal(raw["audio"], other["audio"])
    assert not np.array_equal(raw["face"], other["face"])


def test_an_utterance_has_the_stages_of_its_modalities(tiny_talk, tiny_senses):
    assert list(TimedStep(Bundle.open(tiny_talk))()) == ["front_end", "text", "fusion", "sdk", "cpu", "utterance"]
    found = list(TimedStep(Bundle.open(tiny_senses))())
    assert set(found) == {"front_end", "text", "audio", "face", "fusion", "sdk", "cpu", "utterance"}
    assert found[-1] == "utterance"


def test_a_clip_is_made_from_its_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(clips, "SECONDS", 1)
    said = make_clip(tmp_path / "a.mp4", 3)
    make_clip(tmp_path / "b.mp4", 3)
    make_clip(tmp_path / "c.mp4", 4)
    assert "1280x720" in said
    assert "seed 3" in said
    first, same, other = ((tmp_path / f"{name}.mp4").read_bytes() for name in "abc")
    assert first == same
    assert first != other
    with MediaFile(tmp_path / "a.mp4") as media:
        assert (media.info.audio, media.info.video) == (True, True)


def test_a_clip_is_decoded_again_and_again(write_media, tmp_path):
    step = ClipStep(write_media(tmp_path / "clip.mp4", seconds=1.0), 0.25)
    found = [step() for _ in range(10)]  # more than the clip has
    assert all(list(row) == ["decode", "detect"] and row["decode"] > 0 for row in found)
    heard = ClipStep(write_media(tmp_path / "clip.wav", seconds=1.0, video=False), 0.25)
    assert list(heard()) == ["decode"]
    with pytest.raises(MediaError, match="shorter than a step"):
        ClipStep(write_media(tmp_path / "short.wav", seconds=0.1, video=False), 0.25)


def test_a_fixed_face_searches_and_finds():
    class Detector:
        searched = 0

        def detect(self, rgb):
            self.searched += 1
            return []

    detector = Detector()
    ((*_, width, height, score),) = FixedFace(detector).detect(np.zeros((720, 1280, 3), np.uint8))
    assert (detector.searched, width > 0, height > 0, score) == (1, True, True, 1.0)


def test_a_sustained_run_compares_its_ends(monkeypatch):
    # Every look at the clock is a second later, and every step takes a millisecond longer.
    clock, steps = itertools.count(), itertools.count(1)
    monkeypatch.setattr("mer_sdk.bench.sustained.perf_counter", lambda: float(next(clock)))
    done = []
    found = sustain({"a": lambda: {"step": float(next(steps))}}, 100.0, progress=lambda now, total: done.append(now))
    ends = found.bundles["a"]
    assert (found.seconds, found.span, ends.steps) == (100.0, 50.0, 100)
    assert (ends.first.p50, ends.last.p50, ends.ratio) == (25.0, 75.5, 3.02)
    assert done == list(range(1, 101))
    clock, steps = itertools.count(), itertools.count(1)
    assert sustain({"a": lambda: {"step": float(next(steps))}}, 600.0).span == 60.0


def made(name, size, milliseconds, target="onnx"):
    """A result and its times: every step takes so long."""
    counted = {"cpu": np.full(40, milliseconds), "step": np.full(40, milliseconds)}
    stages = {"step": Quantiles(milliseconds, milliseconds, milliseconds)}
    result = BundleResult(name, name, "grjca", target, name, "onnx", size, stages, 0.1, {}, None, 0.01, None, None)
    return result, Times({}, counted)


def warned(*pairs, machine=IDLE, lasting=None):
    results = [result for result, _ in pairs]
    return findings(machine, Options(), results, {result.name: times for result, times in pairs}, lasting)


def test_a_smaller_scheme_that_is_slower_is_named():
    large, small = made("fp32", 2_000_000, 1.0), made("int8", 500_000, 1.5)
    (said,) = warned(large, small)
    assert said.startswith("int8 is smaller than fp32 (0.50 and 2.00 MB) and slower: 1.50 times a step")
    assert warned(large, made("int8", 500_000, 0.9)) == ()
    assert warned(large, made("int8", 1_990_000, 1.5)) == ()
    assert warned(large, made("int8", 500_000, 1.5, target="tflite")) == ()
    (said,) = warned(made("fp32", 400_000, 2.0), small)
    assert said.startswith("fp32 is smaller than int8")


def test_on_a_busy_machine_cpu_time_decides():
    busy = replace(IDLE, load=4.0)
    large, small = made("fp32", 2_000_000, 1.0), made("int8", 500_000, 1.0)
    small[1].counted["step"] *= 3  # put to sleep in its steps
    (said,) = warned(large, small, machine=busy)
    assert "load 4.0 on 4 CPUs" in said
    assert "slower" in warned(large, small)[0]


def test_a_bundle_that_slows_down_is_named():
    slow = StepDrift(100, Quantiles(1.0, 1.0, 1.0), Quantiles(1.5, 2.0, 3.0), 1.5)
    (said,) = warned(lasting=Sustained(600.0, 60.0, None, None, {"a": slow, "b": replace(slow, ratio=1.02)}))
    assert said.startswith("a slowed down in the sustained run: 1.50 ms in the last 60 s, 1.00 ms in the first")


def test_a_process_without_an_answer_is_an_error(tmp_path):
    with pytest.raises(MerError, match=r"ended with code 1 .*does not exist"):
        cold_starts({"a": Task(str(tmp_path / "none.mer"), None, 1, 0)}, 1)


def fits(value, schema, path="result"):
    """Checks a JSON value against the parts of JSON Schema that the committed file uses."""
    if "anyOf" in schema:
        if value is None:
            assert {"type": "null"} in schema["anyOf"], path
            return
        (schema,) = [item for item in schema["anyOf"] if item != {"type": "null"}]
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float)}
    assert isinstance(value, kinds[schema["type"]]), path
    if schema["type"] == "object":
        fields = schema.get("properties", {})
        assert set(schema.get("required", ())) <= set(value), path
        for name, item in value.items():
            more = schema["additionalProperties"]
            assert name in fields or more, f"{path}.{name}"
            fits(item, fields.get(name, more), f"{path}.{name}")
    for index, item in enumerate(value if schema["type"] == "array" else ()):
        fits(item, schema["items"], f"{path}[{index}]")


def call(*arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(bench)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "80"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_json_of_two_bundles_fits_the_schema(tiny_onnx, tiny_talk, write_media, tmp_path):
    media = write_media(tmp_path / "clip.mp4", seconds=1.0)
    options = ("--rounds", 10, "--warm-up", 2, "--starts", 1, "--minutes", 0.002, "--input", media, "--json")
    printed = call(tiny_onnx, tiny_talk, *options)
    data = json.loads(printed)
    fits(data, json.loads(SCHEMA.read_text()))
    found = from_json(BenchResult, data)
    window, talk = found.bundles
    assert (window.name, window.whole, talk.whole) == ("tiny", "step", "utterance")
    assert window.graph_bytes == sum(path.stat().st_size for path in tiny_onnx.glob("*.onnx"))
    assert set(found.media) == {"decode", "detect"}
    assert (window.ratio, set(talk.ratio)) == ({}, {"front_end", "fusion", "sdk", "cpu"})
    # An utterance has no length, and a dialogue model streams no clip.
    assert (talk.real_time_factor, talk.whole_run) == (None, None)
    assert (window.whole_run.steps, window.whole_run.seconds) == (4, 1.0)
    for bundle in found.bundles:
        cold = bundle.cold_start
        assert sum(cold.phases.values()) == pytest.approx(cold.median, abs=2e-3)
        assert list(cold.phases) == ["interpreter", "imports", "open", "load", "first_step"]
    assert found.sustained.bundles["tiny"].steps >= 1
    with pytest.raises(AssertionError, match=r"result\.clip"):
        fits({**data, "clip": 1}, json.loads(SCHEMA.read_text()))


def test_text_fits_80_columns_and_says_what_is_missing(tiny_onnx, tmp_path, monkeypatch):
    def without(*_):
        raise MissingExtra("decoding", "av", "media")

    monkeypatch.setattr("mer_sdk.bench.run.make_clip", without)
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    other = shutil.copytree(tiny_onnx, tmp_path / "apple.mer")
    manifest = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps(manifest | {"target": "coreml", "name": "apple"}))
    printed = call(tiny_onnx, tiny_onnx, other, "--rounds", 10, "--starts", 0)
    assert max(map(len, printed.splitlines())) <= 80
    words = " ".join(printed.split())
    for text in ("tiny (2)", "step (graphs + SDK)", "apple: left out", "sustained run: not asked for", "--starts 5"):
        assert text in words
    assert "decode, detect, whole run: not measured, decoding needs av" in words
    assert "lets no process choose its cores" in words
    assert "load:" not in words
    with pytest.raises(RuntimeUnavailable):
        call(other, "--rounds", 10, "--starts", 0)


def test_text_of_a_dialogue_model_needs_no_clip(tiny_talk):
    printed = call(tiny_talk, "--rounds", 10, "--starts", 0, "--warm-up", 0)
    assert max(map(len, printed.splitlines())) <= 80
    words = " ".join(printed.split())
    for text in ("utterance (graphs + SDK)", "warm-up included", "these bundles read neither sound nor faces"):
        assert text in words
    assert "clip:" not in words
    assert "x real" not in words.partition("first:")[0]
