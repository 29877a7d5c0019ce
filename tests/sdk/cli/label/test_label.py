"""`mer label`: a page, its answers, and the table that is gone on with."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request

import pytest

from mer_sdk.cli.data.label import label
from mer_sdk.cli.data.label_server import LabelServer
from mer_sdk.cli.data.label_sheet import LabelSheet, media_files
from mer_sdk.errors import OptionError
from mer_sdk.evaluation.datasets import OwnClips

CHOICES = ("happy", "sad")


@pytest.fixture
def files(tmp_path):
    for name in ("b.wav", "a.mp4", "c.jpg", "notes.txt"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(name.encode() * 100)
    return media_files([tmp_path / "in"])


def ask(address, path, body=None, headers=None):
    data = None if body is None else json.dumps(body).encode()
    kind = {} if body is None else {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(address + path, data, {**kind, **(headers or {})})) as answer:
        return answer.status, answer.read(), answer.headers


def test_a_person_labels_in_the_page_and_goes_on_later(files, tmp_path):
    table = tmp_path / "labels.csv"
    with LabelServer(LabelSheet(table, files, "anna"), CHOICES) as server:
        assert b"<title>mer label</title>" in ask(server.address, "")[1]
        state = json.loads(ask(server.address, "state")[1])
        assert (state["files"], state["open"]) == (["in/a.mp4", "in/b.wav", "in/c.jpg"], [0, 1, 2])
        ask(server.address, "label", {"number": 0, "label": "sad"})
        ask(server.address, "label", {"number": 1, "label": "sad"})
        back = json.loads(ask(server.address, "undo", {})[1])
        assert (back["back"], back["open"]) == (1, [1, 2])
        assert not server.done.is_set()
    # Another session, and a column that somebody added.
    table.write_text(table.read_text().replace("speaker\n", "speaker,note\n").replace("anna\n", "anna,checked\n"))
    with LabelServer(LabelSheet(table, files, "anna"), CHOICES) as server:
        assert json.loads(ask(server.address, "state")[1])["open"] == [1, 2]
        for number in (1, 2):
            ask(server.address, "label", {"number": number, "label": "happy"})
        assert server.done.wait(60)  # it is set once the last answer is on its way
    found = OwnClips(table)
    assert [(clip.id, clip.label, clip.person) for clip in found.clips_all] == [
        ("in/a.mp4", "sad", "anna"), ("in/b.wav", "happy", "anna"), ("in/c.jpg", "happy", "anna"),
    ]  # fmt: skip


def test_a_table_that_is_there_keeps_what_is_in_it(files, tmp_path):
    table = tmp_path / "labels.csv"
    before = [
        "path;notes;emotion;begin;end;person;text",
        "in/b.wav;first half;happy;0;1;ben;",
        "in/b.wav;second half;sad;1;2;ben;",
        f"{tmp_path}/in/c.jpg;kept;;;;carl;hello",
        "gone.wav;too long;sad;;;;hello; again",
        "./in/../in/b.wav;short",
    ]
    table.write_text("\n".join([*before, ""]))
    sheet = LabelSheet(table, files, "anna")
    assert sheet.open == [0, 1, 2]
    for number in (1, 2, 0):
        sheet.give(number, "happy")
    answered = [
        *before[:3],
        f"{tmp_path}/in/c.jpg;kept;happy;;;carl;hello",
        before[4],
        "./in/../in/b.wav;short;happy;;;anna;",
        "in/a.mp4;;happy;;;anna;",
    ]
    assert table.read_bytes().decode().split("\n") == [*answered, ""]
    assert LabelSheet(table, files).open == []
    assert [sheet.undo() for _ in range(4)] == [0, 2, 1, None]
    assert table.read_bytes().decode().split("\n") == [*before, ""]
    assert sheet.open == [0, 1, 2]


def test_a_column_of_speakers_is_added_where_one_is_given_and_no_cell_comes_to_stand_in_it(files, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("file,label\nin/b.wav,sad\nin/c.jpg,sad,torn\n")
    LabelSheet(table, files).give(0, "happy")
    assert table.read_text() == "file,label\nin/b.wav,sad\nin/c.jpg,sad,torn\nin/a.mp4,happy\n"
    LabelSheet(table, files, "anna").give(1, "happy")
    assert table.read_text() == ("file,label,,speaker\nin/b.wav,happy,,anna\nin/c.jpg,sad,torn\nin/a.mp4,happy,,\n")


def test_of_a_file_that_is_there_twice_the_row_with_a_label_counts(files, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("file,label\nin/b.wav,\nin/b.wav,sad\nin/b.wav,happy\n")
    sheet = LabelSheet(table, files)
    assert (sheet.label(1), sheet.open) == ("sad", [0, 2])


def test_a_table_whose_only_answer_was_taken_back_is_gone_on_with(files, tmp_path):
    sheet = LabelSheet(tmp_path / "labels.csv", files)
    sheet.give(0, "sad")
    sheet.undo()
    assert LabelSheet(tmp_path / "labels.csv", files).open == [0, 1, 2]


def test_an_answer_that_cannot_be_written_is_none(files, tmp_path, monkeypatch):
    sheet = LabelSheet(tmp_path / "labels.csv", files)
    sheet.give(0, "sad")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("mer_sdk.contract.output_files.Path.replace", full)
        for refused in (lambda: sheet.give(1, "happy"), sheet.undo):
            with pytest.raises(OptionError, match=r"labels\.csv cannot be written"):
                refused()
            assert (sheet.label(0), sheet.open) == ("sad", [1, 2])
    assert (sheet.undo(), sheet.undo()) == (0, None)


def test_players_get_the_range_that_they_ask_for(files, tmp_path):
    with LabelServer(LabelSheet(tmp_path / "labels.csv", files), CHOICES) as server:
        status, content, headers = ask(server.address, "clip/0", headers={"Range": "bytes=5-9"})
        assert (status, content, headers["Content-Range"]) == (206, b"a.mp4", "bytes 5-9/500")
        assert ask(server.address, "clip/1")[2]["Content-Type"].endswith("wav")
        assert len(ask(server.address, "clip/2", headers={"Range": "bytes=nonsense"})[1]) == 500


def test_nothing_is_served_to_strangers_and_nothing_unknown_is_written(files, tmp_path):
    with LabelServer(LabelSheet(tmp_path / "labels.csv", files), CHOICES) as server:
        root = server.address.rsplit("/", 2)[0] + "/"
        bad = [
            (root, "", None, {}), (root, "wrong/state", None, {}), (server.address, "clip/9", None, {}),
            (server.address, "../../etc/passwd", None, {}),
            (server.address, "label", {"number": 9, "label": "sad"}, {}),
            (server.address, "label", {"number": 0, "label": "glad"}, {}), (server.address, "label", {"number": 0}, {}),
            (server.address, "label", {"number": 0, "label": "sad"}, {"Content-Type": "text/plain"}),
        ]  # fmt: skip
        for address, path, body, headers in bad:
            with pytest.raises(urllib.error.HTTPError) as refused:
                ask(address, path, body, headers)
            assert refused.value.code in (400, 404), path
    assert not (tmp_path / "labels.csv").exists()


def spoken(address, request):
    """The first line of the answer to a request as it goes over the wire."""
    host, port = address.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=60) as line:
        line.sendall(request)
        return line.makefile("rb").readline()


def test_what_no_browser_sends_is_answered_and_prints_nothing(files, tmp_path, capfd):
    digits = b"9" * 5000
    with LabelServer(LabelSheet(tmp_path / "labels.csv", files), CHOICES) as server:
        secret = b"/" + server.address.split("/")[3].encode() + b"/"

        def posted(body, length=None):
            head = b"POST %slabel HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n"
            return head % (secret, str(len(body)).encode() if length is None else length) + body

        for request, status in (
            (b"GET /\xff%s HTTP/1.1\r\n\r\n" % (b"x" * 40), b"404"),
            (b"GET %sclip/%s HTTP/1.1\r\n\r\n" % (secret, digits), b"404"),
            (b"GET %sclip/1 HTTP/1.1\r\nRange: bytes=%s-\r\n\r\n" % (secret, digits), b"200"),
            (posted(b"[" * 3000), b"400"),
            (posted(b"{}", digits), b"400"),
            (posted(b'{"number": true, "label": "sad"}'), b"400"),
            (posted(b'{"number": 1.0, "label": "sad"}'), b"400"),
            (posted(b"[5]"), b"400"),
            (posted(b'{"number": 1, "label": "sad"}'), b"200"),
        ):
            assert spoken(server.address, request).split()[1:2] == [status], request[:60]
    assert capfd.readouterr().err == ""
    assert LabelSheet(tmp_path / "labels.csv", files).open == [0, 2]


@pytest.mark.parametrize(("error", "told"), [(ConnectionResetError, False), (ZeroDivisionError, True)])
def test_a_browser_that_goes_away_is_no_error_of_the_program(error, told, files, tmp_path, monkeypatch, capfd):
    def gone(_):
        raise error

    monkeypatch.setattr(LabelSheet, "open", property(gone))
    with LabelServer(LabelSheet(tmp_path / "labels.csv", files), CHOICES) as server:
        secret = server.address.split("/")[3].encode()
        assert spoken(server.address, b"GET /%s/state HTTP/1.1\r\n\r\n" % secret) == b""
    assert ("Traceback" in capfd.readouterr().err) == told


def test_the_command_ends_once_every_clip_has_a_label(files, tmp_path, capsys):
    table = tmp_path / "labels.csv"

    def person():
        # The address is printed once the page is there.
        while "http://" not in (said := capsys.readouterr().out):
            pass
        address = next(word for word in said.split() if word.startswith("http://"))
        for number in range(3):
            ask(address, "label", {"number": number, "label": "sad"})

    someone = threading.Thread(target=person, daemon=True)
    someone.start()
    given = {"choices": "happy,sad", "speaker": "", "browser": False, "port": 0}
    label([tmp_path / "in"], out=table, **given)
    someone.join()
    assert "3 of 3 clips have a label" in capsys.readouterr().out
    label([tmp_path / "in"], out=table, **given)
    assert "all 3 clips have a label" in capsys.readouterr().out


def test_who_stops_before_the_first_label_is_sent_to_no_file(files, tmp_path, capsys, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("mer_sdk.cli.data.label._label_in_page", stopped)
    table = tmp_path / "labels.csv"
    label([tmp_path / "in"], out=table, choices="happy,sad", speaker="", browser=False, port=0)
    out = capsys.readouterr().out
    assert f"no clip has a label yet, and {table} was not written" in out
    assert "Next" not in out


def test_bad_options_are_one_sentence(files, tmp_path):
    given = {"choices": "happy,sad", "speaker": "", "browser": False, "port": 0, "out": tmp_path / "l.csv"}
    for change, message in (
        ({"choices": "happy"}, "is no choice"),
        ({"out": tmp_path / "l.txt"}, r"must end in \.csv"),
        ({"out": tmp_path / "none" / "l.csv"}, "does not exist"),
    ):
        with pytest.raises(OptionError, match=message):
            label([tmp_path / "in"], **{**given, **change})
    with pytest.raises(OptionError, match="does not exist; give sound"):
        label([tmp_path / "nothing"], **given)
    (tmp_path / "empty").mkdir()
    with pytest.raises(OptionError, match="holds no sound, video or picture"):
        label([tmp_path / "empty"], **given)
