"""Processes of this machine: what they give, tell, raise, and what becomes of jobs whose process ends."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mer_sdk import errors
from mer_sdk.errors import JobError, MissingExtra, WorkerEnded
from mer_sdk.jobs import LocalWorkers, completed

# A module that the processes can import.
JOBS = """
import os, signal, sys, tempfile, time
from pathlib import Path

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")

def squared(number):
    return number * number

def own_id():
    return os.getpid()

def killed_once(marker):
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"

def crash(code):
    print("the last words", flush=True)
    os._exit(code)

def count(upto, say):
    for number in range(upto):
        print("noise of a library")
        say(number)
    return upto

def odd():
    raise Odd(1, 2)

def lacking():
    from mer_sdk.errors import MissingExtra
    raise MissingExtra("reading video", "av", "media")

def leave(name):
    path = Path(tempfile.gettempdir()) / name
    path.write_text("left")
    return str(path)

def wait_at(marker):
    Path(marker).write_text(str(os.getpid()))
    time.sleep(600)
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    (tmp_path / "jobs_of_tests.py").write_text(JOBS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    import jobs_of_tests

    yield jobs_of_tests
    del sys.modules["jobs_of_tests"]


def test_every_item_is_done_once_and_processes_are_used_again(jobs) -> None:
    with LocalWorkers(2) as workers:
        found = {item: future.result() for item, future in completed(workers, jobs.squared, range(20))}
        ids = {workers.submit(jobs.own_id).result() for _ in range(4)}
        assert ids <= set(workers.processes)
        assert len(workers.processes) <= 2
    assert found == {number: number * number for number in range(20)}


def test_a_fresh_process_for_every_job(jobs) -> None:
    with LocalWorkers(1, fresh=True) as workers:
        assert len({workers.submit(jobs.own_id).result() for _ in range(2)}) == 2


def test_a_killed_job_is_tried_again_in_another_process(jobs, tmp_path) -> None:
    with LocalWorkers(2, tries=2) as workers:
        others = [workers.submit(jobs.squared, number) for number in range(3)]
        assert workers.submit(jobs.killed_once, str(tmp_path / "marker")).result() == "done"
        assert [future.result() for future in others] == [0, 1, 4]


def test_a_job_that_always_ends_its_process_says_so_and_harms_no_other(jobs) -> None:
    with LocalWorkers(1, tries=2) as workers:
        crashed, after = workers.submit(jobs.crash, 7), workers.submit(jobs.squared, 3)
        with pytest.raises(WorkerEnded, match="ended with code 7") as caught:
            crashed.result()
        assert after.result() == 9
    assert caught.value.last_lines == ("the last words",)


def test_what_a_job_tells_arrives_in_order_and_its_noise_does_not(jobs, capfd) -> None:
    told: list[int] = []
    with LocalWorkers(1) as workers:
        assert workers.submit_telling(told.append, jobs.count, 3).result() == 3
    assert told == [0, 1, 2]
    assert capfd.readouterr() == ("", "")


def test_errors_arrive_as_they_are_or_in_words(jobs) -> None:
    with LocalWorkers(1) as workers:
        with pytest.raises(JobError, match="Odd: 1 and 2"):
            workers.submit(jobs.odd).result()
        with pytest.raises(MissingExtra, match="reading video needs av") as caught:
            workers.submit(jobs.lacking).result()
        assert caught.value.extra == "media"
        # The process goes on after an error.
        assert workers.submit(jobs.squared, 2).result() == 4


def test_temporary_files_and_processes_are_gone_at_the_end(jobs, tmp_path) -> None:
    marker = tmp_path / "marker"
    with LocalWorkers(2) as workers:
        left = Path(workers.submit(jobs.leave, "file").result())
        assert left.exists()
        waiting = workers.submit(jobs.wait_at, str(marker))
        while not (marker.exists() and marker.read_text()):
            time.sleep(0.01)
    assert isinstance(waiting.exception(), WorkerEnded)
    assert not left.parent.exists()
    assert _ended(int(marker.read_text()))


def test_processes_end_with_the_one_that_started_them_even_where_it_is_killed(jobs, tmp_path) -> None:
    marker = tmp_path / "marker"
    program = (
        "import jobs_of_tests\nfrom mer_sdk.jobs import LocalWorkers\n"
        f"LocalWorkers(1).submit(jobs_of_tests.wait_at, {str(marker)!r}).result()"
    )
    with subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "TMPDIR": str(tmp_path)}) as giver:
        while not (marker.exists() and marker.read_text()):
            assert giver.poll() is None
            time.sleep(0.01)
        giver.send_signal(signal.SIGKILL)
    assert _ended(int(marker.read_text()))
    assert not list(tmp_path.glob("mer-worker-*"))


def test_every_error_of_the_sdk_can_be_handed_over() -> None:
    made = {MissingExtra: MissingExtra("this", "that", "cli"), WorkerEnded: WorkerEnded(-9, ("last",))}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MerError)]
    assert len(kinds) > 10
    for kind in kinds:
        error = made.get(kind) or kind("words")
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (kind, str(error), vars(error))


def _ended(process: int) -> bool:
    """Whether a process ends soon."""
    for _ in range(6000):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{process}/stat").exists() and Path(f"/proc/{process}/stat").read_text().split()[2] == "Z":
            return True
        time.sleep(0.01)
    return False
