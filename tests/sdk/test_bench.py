"""`mer bench`: its parts on recorded trees and made times, and the whole command on tiny bundles."""

import itertools
import json
import os
import shutil
from dataclasses import replace
from importlib.metadata import EntryPoint
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
from mer_sdk.bench.result import BenchResult, BundleResult, Machine, Options, bench_schema, read_board
from mer_sdk.bench.sensors import Reading, Recorder, Sensors
from mer_sdk.bench.steps import StepInput, TimedStep
from mer_sdk.bench.sustained import Ends, Sustained, sustain
from mer_sdk.bench.timing import Quantiles, Times, blas_environment, measure, on_cores, ratio
from mer_sdk.bundle import Bundle
from mer_sdk.cli.bench import bench
from mer_sdk.codec import from_json
from mer_sdk.engine import StepEngine
from mer_sdk.errors import MediaError, MerError, MissingExtra, RuntimeUnavailable
from mer_sdk.media import MediaFile

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "docs" / "bench.schema.json"
IDLE = Machine("0.1.0", "3.11", "Linux", "x86_64", 4, "2.0", {}, "", "", None, "", 0.1)


def tree(root, files):
    """A recorded /sys below `root`."""
    for name, text in files.items():
        path = root / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


JETSON = {
    "class/thermal/thermal_zone0/type": "cpu-thermal",
    "class/thermal/thermal_zone0/temp": "48500",
    "class/thermal/thermal_zone2/type": "gpu-thermal",
    "class/thermal/thermal_zone2/temp": "-256000",
    "class/thermal/thermal_zone10/type": "tj-thermal",
    "class/thermal/thermal_zone10/temp": "51250",
    "class/hwmon/hwmon1/name": "ina3221",
    "class/hwmon/hwmon1/in1_label": "VDD_IN",
    "class/hwmon/hwmon1/in1_input": "5000",
    "class/hwmon/hwmon1/curr1_input": "1200",
    "class/hwmon/hwmon1/in7_label": "sum of shunt voltages",
    "class/hwmon/hwmon1/in7_input": "1",
    "class/hwmon/hwmon1/curr7_input": "9",
    "bus/i2c/drivers/ina3221x/1-0040/iio:device0/rail_name_0": "POM_5V_IN",
    "bus/i2c/drivers/ina3221x/1-0040/iio:device0/in_power0_input": "2875",
    "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1510400",
    "devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil",
}
LAPTOP = {
    "class/hwmon/hwmon0/name": "coretemp",
    "class/hwmon/hwmon0/temp1_input": "61000",
    "class/hwmon/hwmon0/temp1_label": "Package id 0",
    "class/hwmon/hwmon2/name": "amdgpu",
    "class/hwmon/hwmon2/power1_average": "15000000",
    "class/powercap/intel-rapl:0/name": "package-0",
    "class/powercap/intel-rapl:0/energy_uj": "1000000",
    "class/powercap/intel-rapl:0/max_energy_range_uj": "9000000",
}


def test_sensors_of_a_jetson(tmp_path):
    sensors = Sensors(tree(tmp_path, JETSON))
    assert sensors.sample() == (
        Reading("cpu-thermal", "temperature", 48.5),
        Reading("tj-thermal", "temperature", 51.25),
        Reading("ina3221 VDD_IN", "power", 6.0),
        Reading("ina3221x POM_5V_IN", "power", 2.875),
        Reading("cpu0", "frequency", 1510.4),
    )
    assert sensors.missing() == ()


def test_power_of_a_laptop_is_the_growth_of_its_energy(tmp_path):
    now = iter([10.0, 12.0, 14.0])
    sensors = Sensors(tree(tmp_path, LAPTOP), clock=lambda: next(now))
    assert sensors.sample() == (
        Reading("coretemp Package id 0", "temperature", 61.0),
        Reading("amdgpu power1", "power", 15.0),
    )
    tree(tmp_path, {"class/powercap/intel-rapl:0/energy_uj": "8000000"})
    assert sensors.sample()[-1] == Reading("RAPL package-0 (0)", "power", 3.5)
    # The counter begins again at 0 after 9 J: 1 J up to there, 2 J from there on.
    tree(tmp_path, {"class/powercap/intel-rapl:0/energy_uj": "2000000"})
    assert sensors.sample()[-1] == Reading("RAPL package-0 (0)", "power", 1.5)


def test_what_is_not_shown_is_said(tmp_path):
    said = Sensors(tmp_path).missing()
    assert [line.partition(":")[0] for line in said] == ["temperature", "power", "clock frequency"]
    # A folder in the place of the file cannot be read either, whoever asks.
    zone = tree(tmp_path, {"class/powercap/intel-rapl:0/name": "package-0"}) / "sys/class/powercap/intel-rapl:0"
    (zone / "energy_uj").mkdir()
    assert "shows it to root alone" in Sensors(tmp_path).missing()[-1]


def test_a_recorder_keeps_the_course_of_every_sensor(tmp_path):
    recorder = Recorder(Sensors(tmp_path), every=0.0)
    for value in (40000, 70000, 55000):
        tree(tmp_path, {"class/thermal/thermal_zone0/temp": value})
        recorder.sample()
    (course,) = recorder.courses()
    assert (course.name, course.unit, course.samples) == ("thermal_zone0", "C", 3)
    assert (course.first, course.last, course.highest, course.mean) == (40.0, 55.0, 70.0, 55.0)
    rare = Recorder(Sensors(tmp_path), every=3600.0)
    rare.sample()
    rare.sample()
    assert rare.courses()[0].samples == 1


def test_facts_of_the_board(tmp_path):
    tree(tmp_path, JETSON)
    (tmp_path / "proc" / "device-tree").mkdir(parents=True)
    (tmp_path / "proc" / "device-tree" / "model").write_text("NVIDIA Jetson Nano\0")
    (tmp_path / "proc" / "cpuinfo").write_text("processor\t: 0\nmodel name\t: ARMv8\n\nmodel name\t: other\n")
    (tmp_path / "proc" / "meminfo").write_text("MemTotal:        4000000 kB\nMemFree: 1 kB\n")
    (tmp_path / "proc" / "loadavg").write_text("0.42 0.3 0.2 1/100 7\n")
    board = read_board(tmp_path)
    assert (board.board, board.cpu, board.governor) == ("NVIDIA Jetson Nano", "ARMv8", "schedutil")
    assert (board.memory_mb, board.load) == (4096.0, 0.42)
    empty = read_board(tmp_path / "nothing")
    assert (empty.board, empty.cpu, empty.memory_mb, empty.load) == ("", "", None, None)


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
    assert list(step.verdict.probabilities.values()) == pytest.approx(expected.probabilities.tolist())
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
    slow = Ends(100, Quantiles(1.0, 1.0, 1.0), Quantiles(1.5, 2.0, 3.0), 1.5)
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


def test_the_committed_schema_is_current():
    fresh = json.dumps(bench_schema(), indent=2) + "\n"
    assert SCHEMA.read_text() == fresh, "write json.dumps(bench_schema(), indent=2) and a line break into the file"


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


def test_the_command_is_an_entry_point():
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    value = next(line for line in lines if line.startswith("bench = ")).split('"')[1]
    entry = EntryPoint("bench", value, "mer.commands")
    assert (entry.load(), entry.extras) == (bench, ["cli"])
