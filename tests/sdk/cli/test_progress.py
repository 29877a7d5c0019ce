import io
import os
import sys
import time

from mer_sdk.cli.progress import _lines, _own_stderr, progress_bars, with_progress
from mer_sdk.runtimes.native_log import VARIABLE, without_harmless_lines


def _wait_for(file, text):
    end = time.monotonic() + 120
    while text not in file.getvalue() and time.monotonic() < end:
        time.sleep(0.005)


def test_a_line_tells_where_a_long_step_stands_and_what_is_left():
    file = io.StringIO()
    with _lines(file, 0.01) as advance:
        advance("encoding", 1, 4)
        _wait_for(file, "encoding: 25 %")
        advance("encoding", 2, 4)
        _wait_for(file, "encoding: 50 %")
    lines = file.getvalue().splitlines()
    assert lines[0].startswith("encoding: 25 %")
    assert lines[-1].startswith("encoding: 50 %")


def test_nothing_is_written_where_the_work_is_short_or_done(capsys):
    with _lines(sys.stderr, 30.0) as advance:
        advance("encoding", 1, 4)
    with _lines(sys.stderr, 0.02) as advance:
        advance("encoding", 4, 4)
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_items_come_as_they_are_and_where_they_stand_is_told(monkeypatch, capfd):
    file = io.StringIO()
    monkeypatch.setattr("mer_sdk.cli.progress.progress_bars", lambda: _lines(file, 0.01))
    seen = []
    for item in with_progress("abcd", "reading"):
        seen.append(item)
        if item == "c":
            _wait_for(file, "reading: 50 %")
    assert seen == list("abcd")


def test_with_json_it_is_quiet(capsys, monkeypatch):
    monkeypatch.setattr("mer_sdk.cli.progress.LINE_SECONDS", 0.01)
    with progress_bars(quiet=True) as advance:
        advance("encoding", 1, 4)
        time.sleep(0.05)
    assert capsys.readouterr() == ("", "")


def test_lines_are_written_while_a_runtime_loads_a_graph(capfd, monkeypatch):
    """That takes stderr away from whoever else writes to it, for as long as ExecuTorch's 20 s of imports."""
    monkeypatch.setenv(VARIABLE, "1")
    monkeypatch.setattr(sys, "stderr", open(2, "w", closefd=False))  # noqa: SIM115
    with _own_stderr() as file, without_harmless_lines():
        print("verifying: 50 %", file=file, flush=True)
        os.write(2, b"ERROR: from the runtime\n")
        assert capfd.readouterr().err == "verifying: 50 %\n"
    assert capfd.readouterr().err == "ERROR: from the runtime\n"
