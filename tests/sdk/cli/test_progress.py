import time

from mer_sdk.cli.progress import _lines, progress_bars


def test_a_line_tells_where_a_long_step_stands_and_what_is_left(capsys):
    with _lines(0.05) as advance:
        advance("encoding", 1, 4)
        time.sleep(0.2)
        advance("encoding", 2, 4)
        time.sleep(0.2)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("encoding: 25 %")
    assert lines[-1].startswith("encoding: 50 %")


def test_nothing_is_written_where_the_work_is_short_or_done(capsys):
    with _lines(30.0) as advance:
        advance("encoding", 1, 4)
    with _lines(0.02) as advance:
        advance("encoding", 4, 4)
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_with_json_it_is_quiet(capsys, monkeypatch):
    monkeypatch.setattr("mer_sdk.cli.progress.LINE_SECONDS", 0.01)
    with progress_bars(quiet=True) as advance:
        advance("encoding", 1, 4)
        time.sleep(0.05)
    assert capsys.readouterr() == ("", "")
