"""A real Dask cluster of separate processes: the rows of one process, also where a worker is killed on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from mer_command import mer

from mer_sdk.batch.clips import find_clips
from mer_sdk.batch.estimating import BatchPlan, fingerprint
from mer_sdk.batch.run import run_batch
from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import JobError, OptionError
from mer_sdk.jobs import LocalWorkers

pytest.importorskip("distributed")
from mer_sdk.jobs.cluster import ClusterWorkers

# Nothing of a cluster of tests is seen from outside.
HERE = ["--host", "127.0.0.1", "--no-dashboard"]


@pytest.fixture
def cluster(tmp_path) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """The scheduler's file, and its processes: the scheduler, and two workers of one thread each."""
    file = tmp_path / "scheduler.json"
    options = ["--scheduler-file", str(file), *HERE]
    worker = [*options, "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path)]
    commands = [["scheduler", "--port", "0", *options], ["worker", *worker], ["worker", *worker]]
    processes = []
    with ExitStack() as stack:
        for command in commands:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *command],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "TMPDIR": str(tmp_path)},
            )
            processes.append(process)
            stack.callback(process.wait)
            stack.callback(process.kill)
            while not file.exists():
                assert process.poll() is None
                time.sleep(0.02)
        yield str(file), processes


def assert_scores_are_those_of_one_process(address: str, bundle: Path, capsys) -> None:
    """Several bundles are scored by the same executor."""
    sounds = sorted(Path("clips").rglob("*.wav"))
    lines = [f"{path},{('happy', 'sad')[number % 2]}" for number, path in enumerate(sounds)]
    Path("labels.csv").write_text("\n".join(["file,label", *lines]))
    bundles = [shutil.copytree(bundle, name) for name in ("a.mer", "b.mer")]
    command = ("evaluate", *bundles, "--data", "clips:labels.csv", "--states", "audio", "--protocol", "cold", "--json")
    reports = []
    for options in ((), ("--cluster", address)):
        capsys.readouterr()
        assert mer(*command, *options) == 0
        reports.append(json.loads(capsys.readouterr().out))
    assert reports[0] == reports[1]
    assert len(reports[1]) == 2
    for report in reports[1]:
        assert report["clips"] == 8
        left = {omitted["clip"].partition(" ")[0]: omitted["reason"] for omitted in report["left_out"]}
        assert set(left) == {"clips/bad.wav", "clips/empty.wav"}
        assert left["clips/bad.wav"].startswith("bad.wav ")


@pytest.mark.slow
def test_the_rows_are_those_of_one_process_and_a_worker_may_die(cluster, folder, tiny_onnx, tmp_path, capsys) -> None:
    address, processes = cluster
    bundle = Bundle.open(tiny_onnx)
    plan, clips = BatchPlan(str(bundle.path), fingerprint(bundle)), find_clips(["clips"])[0]
    killed: list[float] = []

    def kill(what: str, done: float, total: float) -> None:
        if what == "files" and done == 2:
            processes[1].send_signal(signal.SIGKILL)
            killed.append(done)

    with ClusterWorkers(address) as workers:
        assert workers.ahead >= 64
        while len(workers.workers()) < 2:
            time.sleep(0.02)
        result = run_batch(plan, bundle.manifest, clips, tmp_path / "many.csv", workers, kill)
    assert (killed, result.files, result.failed) == ([2], 10, 2)
    with LocalWorkers(1) as workers:
        run_batch(plan, bundle.manifest, clips, tmp_path / "one.csv", workers, lambda *_: None)
    for name in ("", "-files"):
        assert (tmp_path / f"one{name}.csv").read_bytes() == (tmp_path / f"many{name}.csv").read_bytes()
    # What the command does is the same, and a cluster that goes away is one sentence.
    assert mer("run", tiny_onnx, "clips", "--out", "command.csv", "--cluster", address, "--no-voice") == 0
    assert Path("command.csv").read_bytes() == Path("one.csv").read_bytes()
    assert_scores_are_those_of_one_process(address, tiny_onnx, capsys)
    with ClusterWorkers(address) as workers:
        waiting = workers.submit(time.sleep, 600)
        for process in processes:
            process.kill()
        with pytest.raises(JobError, match="went away"):
            waiting.result()


def test_without_a_cluster_it_says_what_to_give(monkeypatch) -> None:
    from mer_sdk.jobs import cluster

    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    for address in ("tcp://127.0.0.1:1", "nonsense://a", os.devnull, "gone.json"):
        with pytest.raises(OptionError, match="no scheduler answers at --cluster"):
            ClusterWorkers(address)
