"""Many files: the rows of `mer run FILE`, in any number of processes, whatever is killed on the way."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from mer_sdk.batch.clips import find_clips
from mer_sdk.batch.estimating import BatchPlan, content_sha256, fingerprint
from mer_sdk.batch.journal import Journal, journal_path
from mer_sdk.batch.run import check_out, run_batch
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.estimate import LiveState
from mer_sdk.errors import BundleError, JobError, OptionError
from mer_sdk.frontends.face_tracks import FaceOptions
from mer_sdk.jobs import LocalWorkers
from mer_sdk.window.sensor import EmotionSensor
from mer_sdk.window.smoothing import Smoothing


def nothing(what: str, done: float, total: float) -> None:
    pass


class Here:
    """Workers that are this process: what other processes change is for the tests that have them."""

    ahead = 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, function, *arguments):
        future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def run(plan: BatchPlan, bundle: Bundle, out: Path, jobs: int = 0, progress=nothing, **options):
    with LocalWorkers(jobs, tries=3) if jobs else Here() as workers:
        return run_batch(plan, bundle.manifest, find_clips(["clips"])[0], out, workers, progress, **options)


def test_rows_are_those_of_each_file_by_itself(folder, plan, bundle, tmp_path) -> None:
    result = run(plan, bundle, tmp_path / "all.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    expected = []
    with EmotionSensor.open(bundle) as sensor:
        for name in [clip.name for clip in find_clips(["clips"])[0] if clip.name[-5].isdigit()]:
            for estimate in sensor.stream(name):
                row = estimate.to_json()
                del row["latency_ms"], row["live"]
                expected.append({"file": name, **json.loads(json.dumps(row))})
    assert rows == expected
    assert (result.files, result.failed, result.steps) == (10, 2, len(expected))
    assert not journal_path(tmp_path / "all.jsonl").exists()
    files = {row["file"]: row for row in map(json.loads, (tmp_path / "all-files.jsonl").read_text().splitlines())}
    assert len(files) == 10
    assert files["clips/empty.wav"]["error"].startswith("clips/empty.wav is empty (0 bytes)")
    assert "cannot be read as audio or video" in files["clips/bad.wav"]["error"]
    first, steps = files["clips/0.wav"], [row for row in expected if row["file"] == "clips/0.wav"]
    assert (first["error"], first["steps"], first["seconds"]) == (None, len(steps), steps[-1]["time"])
    assert first["valence"] == pytest.approx(sum(row["valence"] for row in steps) / len(steps))
    said = [row["emotion"] for row in steps]
    assert first["shares"] == {label: said.count(label) / len(said) for label in (*bundle.manifest.labels, "unknown")}
    assert first["shares"][first["emotion"]] == max(first["shares"].values())


def test_tables_hold_the_same_whatever_their_format(folder, plan, bundle, tmp_path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    plan = replace(plan, smoothing=Smoothing(1.0))
    for suffix in ("csv", "jsonl", "parquet"):
        run(plan, bundle, tmp_path / f"t.{suffix}")
    for table in ("t", "t-files"):
        typed = parquet.read_table(tmp_path / f"{table}.parquet").to_pylist()
        with (tmp_path / f"{table}.csv").open(newline="") as file:
            plain = list(csv.DictReader(file))
        lines = [json.loads(line) for line in (tmp_path / f"{table}.jsonl").read_text().splitlines()]
        assert len(typed) == len(plain) == len(lines) > 0
        for row, cells, full in zip(typed, plain, lines, strict=True):
            assert list(row) == list(cells)
            assert {name: "" if value is None else str(value) for name, value in row.items()} == cells
            assert all(row[name] == full[name] for name in ("file", "emotion", "valence", "arousal"))
            for label, value in full["probabilities"].items():
                assert row[f"p_{label}"] == value
    assert any(row["p_happy"] != row["raw_p_happy"] for row in parquet.read_table(tmp_path / "t.parquet").to_pylist())


def test_nothing_of_the_machine_is_in_the_tables_nor_in_what_they_say_of_others(
    folder, plan, bundle, tmp_path, monkeypatch
) -> None:
    plan = replace(plan, faces=FaceOptions(faces=2))
    with EmotionSensor.open(bundle) as sensor:
        estimate = next(iter(sensor.stream("clips/0.wav")))
    for name, took in (("quick", 1.0), ("slow", 9.0)):
        other = replace(estimate, latency_ms=took, live=LiveState(dropped=int(took)))
        step = replace(other, others=(other,))
        monkeypatch.setattr(EmotionSensor, "stream", lambda *_, step=step: iter([step]))
        for suffix in ("csv", "jsonl"):
            run(plan, bundle, tmp_path / f"{name}.{suffix}")
    for suffix in ("csv", "jsonl"):
        assert (tmp_path / f"quick.{suffix}").read_bytes() == (tmp_path / f"slow.{suffix}").read_bytes()
    with (tmp_path / "quick.csv").open(newline="") as file:
        (other,) = json.loads(next(csv.DictReader(file))["others"])
    assert other["probabilities"] == estimate.probabilities
    assert not {"latency_ms", "live"} & set(other)


def test_two_processes_one_of_which_is_killed_write_the_same_bytes(folder, plan, bundle, tmp_path) -> None:
    run(plan, bundle, tmp_path / "one.csv")
    killed = []
    with LocalWorkers(2, tries=3) as workers:

        def kill(what: str, done: float, total: float) -> None:
            if what == "files" and done == 3:
                os.kill(workers.processes[0], signal.SIGKILL)
                killed.append(done)

        run_batch(plan, bundle.manifest, find_clips(["clips"])[0], tmp_path / "two.csv", workers, kill)
    assert killed == [3]
    for name in ("", "-files"):
        assert (tmp_path / f"one{name}.csv").read_bytes() == (tmp_path / f"two{name}.csv").read_bytes()


KILLED = """
import os, signal
from pathlib import Path
from mer_sdk.batch import journal
from mer_sdk.batch.clips import find_clips
from mer_sdk.batch.estimating import BatchPlan, fingerprint
from mer_sdk.batch.run import run_batch
from mer_sdk.contract.bundle import Bundle
from mer_sdk.jobs import LocalWorkers

journal.COMMIT_SECONDS = 0.0
bundle = Bundle.open({bundle!r})

def kill(what, done, total):
    if what == {what!r} and done == {done}:
        os.kill(os.getpid(), signal.SIGKILL)

with LocalWorkers(2) as workers:
    plan = BatchPlan(str(bundle.path), fingerprint(bundle))
    run_batch(plan, bundle.manifest, find_clips(["clips"])[0], Path("killed.csv"), workers, kill)
"""


@pytest.mark.parametrize(("what", "done", "before"), [("files", 4, 4), ("writing the tables", 5, 10)])
def test_a_killed_coordinator_loses_and_doubles_nothing(what, done, before, folder, plan, bundle, tmp_path) -> None:
    run(plan, bundle, tmp_path / "whole.csv")
    program = KILLED.format(bundle=plan.bundle, what=what, done=done)
    ended = subprocess.run([sys.executable, "-c", program], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed.csv").exists()
    result = run(plan, bundle, tmp_path / "killed.csv", jobs=2)
    assert result.before == before
    for name in ("", "-files"):
        assert (tmp_path / f"whole{name}.csv").read_bytes() == (tmp_path / f"killed{name}.csv").read_bytes()


def interrupt_after(count: int):
    def progress(what: str, done: float, total: float) -> None:
        if done == count:
            raise KeyboardInterrupt

    return progress


def test_going_on_takes_new_and_changed_files_and_keeps_those_that_are_gone(folder, plan, bundle, tmp_path) -> None:
    out = tmp_path / "t.csv"
    with pytest.raises(KeyboardInterrupt):
        run(plan, bundle, out, progress=interrupt_after(9))
    (folder / "0.wav").rename(folder / "new.wav")
    (folder / "2.wav").write_bytes((folder / "4.wav").read_bytes())
    done: list[tuple[str, float]] = []
    result = run(plan, bundle, out, progress=lambda what, count, total: done.append((what, total)))
    # 9 were done; of them one was renamed, so that it is new, and one has changed.
    assert done[0] == ("files (7 were done before)", 3)
    assert (result.files, result.failed) == (11, 2)
    with out.open(newline="") as file:
        steps: dict[str, list[list[str]]] = {}
        for name, *cells in csv.reader(file):
            steps.setdefault(name, []).append(cells)
    assert steps["clips/0.wav"] == steps["clips/new.wav"]
    assert steps["clips/2.wav"] == steps["clips/4.wav"]
    assert list(steps)[-1] == "clips/0.wav"


def test_errors_are_tried_again_where_that_is_asked_for(folder, plan, bundle, tmp_path) -> None:
    out = tmp_path / "t.csv"
    with pytest.raises(KeyboardInterrupt):
        run(plan, bundle, out, progress=interrupt_after(10))
    assert run(plan, bundle, out).before == 10
    with pytest.raises(KeyboardInterrupt):
        run(plan, bundle, out, progress=interrupt_after(10))
    assert run(plan, bundle, out, retry=True).before == 8


def test_another_plan_does_not_go_on(folder, plan, bundle, tmp_path) -> None:
    out = tmp_path / "t.csv"
    with pytest.raises(KeyboardInterrupt):
        run(plan, bundle, out, progress=interrupt_after(2))
    other = replace(plan, smoothing=Smoothing(1.0), voice=True)
    with pytest.raises(OptionError, match=r"\(smoothing, voice\); give the same, or --overwrite"):
        run(other, bundle, out)
    # The bundle may lie somewhere else.
    assert run(replace(plan, bundle=os.path.relpath(plan.bundle)), bundle, out).before >= 2
    with pytest.raises(OptionError, match=r"t.csv is there already"):
        check_out(out, overwrite=False)
    check_out(out, overwrite=True)


def test_a_profile_or_detector_of_another_content_does_not_go_on(folder, plan, bundle, tmp_path) -> None:
    out, profile = tmp_path / "t.csv", tmp_path / "me.json"
    with EmotionSensor.open(bundle) as sensor:
        sensor.baseline.save(profile)
        first = profile.read_bytes()
        sensor.baseline.observe_step("audio", sensor.baseline.mean("audio") + 1)
        sensor.baseline.save(profile)
    second = profile.read_bytes()

    def planned(path: Path = profile) -> BatchPlan:
        return replace(plan, baseline=str(path), baseline_sha256=content_sha256(str(path)))

    begun = planned()
    with pytest.raises(KeyboardInterrupt):
        run(begun, bundle, out, progress=interrupt_after(2))
    profile.write_bytes(first)
    with pytest.raises(JobError, match=r"the profile .*me\.json has changed since the run began"):
        run(begun, bundle, out, jobs=1)
    with pytest.raises(OptionError, match=r"\(baseline\); give the same, or --overwrite"):
        run(planned(), bundle, out)
    profile.write_bytes(second)
    # It may lie somewhere else.
    assert run(planned(profile.rename(tmp_path / "moved.json")), bundle, out).before >= 2
    detecting = replace(plan, detector="faces.onnx", detector_sha256="1" * 64)
    with Journal(tmp_path / "u.csv.part", detecting):
        pass
    with pytest.raises(OptionError, match=r"\(detector\); give the same, or --overwrite"):
        Journal(tmp_path / "u.csv.part", replace(detecting, detector_sha256="2" * 64))


def test_by_what_a_file_of_a_plan_is_known(bundle, tmp_path) -> None:
    assert content_sha256(None) is content_sha256(str(tmp_path / "gone.json")) is None
    assert content_sha256(str(bundle.path)) == fingerprint(bundle)
    (tmp_path / "abc").write_bytes(b"abc")
    assert content_sha256(str(tmp_path / "abc")).startswith("ba7816bf8f01cfea")


def test_what_concerns_every_file_ends_the_run_and_keeps_what_is_done(folder, plan, bundle, tmp_path) -> None:
    out = tmp_path / "t.csv"
    with pytest.raises(BundleError, match="is another bundle where a worker runs"):
        run(replace(plan, fingerprint="0" * 64), bundle, out, jobs=1)
    base = sqlite3.connect(journal_path(out))
    assert base.execute("SELECT count(*) FROM clips").fetchone() == (0,)
    base.close()
