"""SIGTERM in every stage of a live `mer run`, in this process: what is written, what is closed, how it ends."""

import json
import os
import signal
import threading

import numpy as np
import pytest

from mer_sdk.cli import main
from mer_sdk.cli.run import live as live_command
from mer_sdk.live import sources
from mer_sdk.live.sensor import LiveSensor
from mer_sdk.media.decode import AudioPiece
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.sensor import EmotionSensor

STEPS = 8
LONG = 120


def terminate():
    """As a service manager does; the handler runs in the main thread."""
    os.kill(os.getpid(), signal.SIGTERM)


class Microphone:
    """Gives two seconds of sound. Then it ends, or waits for a signal that the main thread sends itself: one that came
    from another thread would fall anywhere, also where the main thread takes or leaves a lock."""

    name, streams, returns, lost = "microphone", ("audio",), False, 0

    def __init__(self, stage):
        self.stage, self.given, self.closed = stage, 0, threading.Event()
        self.all_given, self.signalled = threading.Event(), threading.Event()

    def open(self):
        if self.stage == "opening":
            terminate()

    def read(self):
        if self.given < STEPS:
            self.given += 1
            pcm = np.random.default_rng(self.given).uniform(-0.5, 0.5, 4000).astype(np.float32)
            return AudioPiece(pcm, 16000, 0.25 * (self.given - 1))
        self.all_given.set()
        if self.stage == "running":
            assert self.signalled.wait(LONG)
        return None

    def close(self):
        self.closed.set()


@pytest.fixture
def run(tiny_onnx, tmp_path, monkeypatch):
    """Run until a signal in a stage; (exit code, the microphone, the file of estimates, the profile)."""

    def start(stage):
        record, profile = tmp_path / "day.jsonl", tmp_path / "anna.json"
        microphone = Microphone(stage)
        if stage == "running":
            monkeypatch.setattr(live_command, "Timeline", ended_with_the_first(live_command.Timeline, microphone))
        profile.write_text("what was there before")
        monkeypatch.setattr(sources, "named_sources", lambda *given: [microphone])
        monkeypatch.setattr(live_command, "Capture", at_zero(live_command.Capture))
        with pytest.raises(SystemExit) as ended:
            main(
                [
                    "run",
                    str(tiny_onnx),
                    "microphone",
                    "--no-voice",
                    *("--record", str(record)),
                    *("--save-baseline", str(profile)),
                ]
            )
        return ended.value.code or 0, microphone, record, profile

    # A program that was ended ignores further signals; here others come after it.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    before = {thread for thread in threading.enumerate() if thread.name.startswith("mer")}
    yield start
    for number, handler in handlers.items():
        signal.signal(number, handler)
    for thread in {one for one in threading.enumerate() if one.name.startswith("mer")} - before:
        thread.join(LONG)
        assert not thread.is_alive(), thread.name
    assert not list(tmp_path.glob(".*.part"))


def at_zero(capture):
    """The pieces' stamps count from the capture's beginning."""
    return lambda live, sources: capture(live, sources, now=lambda: 0.0)


def ended_with_the_first(timeline, microphone):
    """A timeline that gets a signal with its first estimate, once all sound was given."""

    class Ended(timeline):
        def add(self, estimate):
            super().add(estimate)
            if not microphone.signalled.is_set():
                assert microphone.all_given.wait(LONG)
                microphone.signalled.set()
                terminate()

    return Ended


def steps_in(record):
    return [json.loads(line)["time"] for line in record.read_text().splitlines()]


def test_while_a_source_is_opened(run, capsys):
    code, microphone, record, profile = run("opening")
    assert (code, microphone.given) == (130, 0)
    assert microphone.closed.is_set()  # it may have been half open
    assert steps_in(record) == []
    assert profile.read_text() == "what was there before"
    assert capsys.readouterr().err.splitlines()[-1] == "mer: interrupted"


def test_while_the_graphs_are_loaded(run, monkeypatch, capsys):
    opened = EmotionSensor.open

    def interrupted(*given, **options):
        terminate()
        return opened(*given, **options)

    monkeypatch.setattr(EmotionSensor, "open", interrupted)
    code, microphone, record, profile = run("warm-up")
    assert (code, microphone.given, record.exists()) == (130, 0, False)
    assert profile.read_text() == "what was there before"
    assert capsys.readouterr().err.splitlines()[-1] == "mer: interrupted"


def test_while_it_runs_all_that_was_heard_is_written(run, capsys):
    code, microphone, record, profile = run("running")
    assert code == 0
    assert microphone.closed.is_set()
    assert steps_in(record) == [0.25 * (step + 1) for step in range(STEPS)]
    assert json.loads(profile.read_text())["modalities"]["audio"]["steps"] == STEPS
    assert "8 steps: " in capsys.readouterr().out


def test_while_it_finishes_what_is_there_is_written(run, monkeypatch):
    finish = LiveSensor.finish

    def interrupted(live, timeout=None):
        over = finish(live, timeout)
        if threading.current_thread() is threading.main_thread():
            terminate()
        return over

    monkeypatch.setattr(LiveSensor, "finish", interrupted)
    code, microphone, record, profile = run("running")
    assert code == 0
    assert microphone.closed.is_set()
    # Each line is there or not, and of those that are the profile was saved.
    assert steps_in(record) == [0.25 * (step + 1) for step in range(len(steps_in(record)))]
    assert "mer_baseline" in profile.read_text()


def test_while_a_profile_is_written_the_old_one_stays(run, monkeypatch, capsys):
    def cut(baseline, path):
        from mer_sdk.contract.output_files import atomic_output

        with atomic_output(path) as aside:
            aside.write_text("half of")
            terminate()

    monkeypatch.setattr(PersonalBaseline, "save", cut)
    code, microphone, record, profile = run("ends by itself")
    assert code == 130
    assert microphone.closed.is_set()
    assert steps_in(record) == [0.25 * (step + 1) for step in range(STEPS)]
    assert profile.read_text() == "what was there before"
    assert capsys.readouterr().err.splitlines()[-1] == "mer: interrupted"
