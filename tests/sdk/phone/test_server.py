"""The server of the phone check over real connections on loopback, and the command's refusals."""

import http.client
import json
import shutil
import ssl
import threading
from dataclasses import replace

import pytest
import typer
from phone_client import Client, events
from typer.testing import CliRunner

from mer_sdk.cli.phone_check import phone_check
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.manifest import FinderContract
from mer_sdk.contract.manifest_file import manifest_from_text, manifest_to_text
from mer_sdk.errors import OptionError
from mer_sdk.phone import session as check_session
from mer_sdk.phone.certificate import server_context
from mer_sdk.phone.evidence import Seen
from mer_sdk.phone.server import PhoneServer
from mer_sdk.phone.session import Advanced, CheckStarted, Refused, Reported, Service, page_folder
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec


def test_one_phone_from_the_page_to_the_report(serve, tiny_onnx):
    server = serve()
    phone = Client(server)
    first = phone.ask("GET", "")
    assert (first.status, first.content) == (200, b"<p>page</p>")
    assert first.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert first.headers["Cache-Control"] == "no-store"
    assert phone.ask("GET", "bundle/audio.onnx").status == 403
    assert phone.ask("POST", "report", "good").status == 403
    assert json.loads(phone.ask("POST", "begin", "{}", {"User-Agent": "Test\x07 1"}).content) == {"phone": 1}
    assert json.loads(phone.ask("GET", "check.json").content) == {"rounds": 5}
    assert phone.ask("GET", "bundle/audio.onnx").content == (tiny_onnx / "audio.onnx").read_bytes()
    assert phone.ask("GET", "bundle/manifest.json").status == 200
    assert phone.ask("GET", "clips/0").content == b"clip"
    assert phone.ask("GET", "clips/1").status == 404
    assert phone.ask("POST", "progress", '{"what": "timing", "done": 1, "total": 2}').status == 204
    assert phone.ask("POST", "report", "bad").status == 422
    assert phone.ask("POST", "report", b"\xff").status == 422
    assert phone.ask("POST", "report", "good").status == 200
    # An answer that was lost is given again, and counts once.
    assert phone.ask("POST", "report", "good").status == 200
    found = [event for event in events(server) if not (isinstance(event, Refused) and event.phone == 0)]
    assert found == [
        CheckStarted(1, "Test 1"),
        Advanced(1, "timing", 1.0, 2.0),
        Refused(1, "the report is refused: it is bad"),
        Refused(1, "the report is refused: it is not UTF-8"),
        Reported(1, "good"),
    ]
    assert server.silence() == {}


def test_a_report_is_judged_by_the_request_that_brought_it(serve):
    seen = []
    server = serve(read=lambda text, one: seen.append(one) or text)
    phone = Client(server)
    phone.ask("POST", "begin", "{}")
    phone.ask("POST", "report", "good", {"User-Agent": "Android Mobile", "Sec-CH-UA-Mobile": "?1"})
    # Whatever it says of itself, what comes over loopback is this computer.
    assert seen == [Seen("127.0.0.1", "127.0.0.1", "Android Mobile", "?1")]
    assert seen[0].from_here


def test_nothing_but_the_page_and_the_bundle_can_be_reached(serve):
    server = serve()
    phone = Client(server)
    phone.ask("POST", "begin", "{}")
    for path in ("../secret.txt", "..%2fsecret.txt", "bundle/../secret.txt", "bundle/../../secret.txt", "ort/x", "x"):
        assert phone.ask("GET", path).status == 404
    assert phone.ask("GET", "ort/run.wasm").status == 406
    packed = phone.ask("GET", "ort/run.wasm", headers={"Accept-Encoding": "gzip, br"})
    assert (packed.content, packed.headers["Content-Encoding"]) == (b"packed", "br")
    assert packed.headers["Content-Type"] == "application/wasm"
    assert phone.ask("POST", "other", "{}").status == 404


def test_a_wrong_token_opens_nothing_and_is_told(serve):
    server = serve()
    for token in ("", "x", server.token[:-1], server.token + "x", "é"):
        stranger = Client(server, token)
        try:
            answer = stranger.ask("GET", "")
        except UnicodeEncodeError:
            continue
        assert answer.status == 404
        assert b"open the one that mer phone-check shows now" in answer.content
        assert stranger.ask("POST", "begin", "{}").status == 404
    assert {event.phone for event in events(server)} == {0}


def test_what_is_too_long_or_no_progress_is_refused(serve):
    server = serve()
    phone = Client(server)
    phone.ask("POST", "begin", "{}")
    too_long = phone.ask("POST", "report", headers={"Content-Length": "3000000"})
    assert (too_long.status, too_long.headers["Connection"]) == (413, "close")
    assert b"allowed are 2000000" in too_long.content
    assert phone.ask("POST", "report", headers={"Transfer-Encoding": "chunked"}).status == 411
    assert phone.ask("POST", "report", headers={"Content-Length": "-1"}).status == 411
    for progress in (
        "",
        "[]",
        '{"what": "x"}',
        '{"what": "x", "done": 3, "total": 2}',
        '{"what": "\\u0007", "done": 0, "total": 1}',
    ):
        assert phone.ask("POST", "progress", progress).status == 400
    told = [event.why for event in events(server) if isinstance(event, Refused)]
    assert any("3000000 bytes were sent" in why for why in told)


def test_a_second_phone_waits_for_its_place(serve, monkeypatch):
    server = serve()
    first, second = Client(server), Client(server)
    assert first.ask("POST", "begin", "{}").status == 200
    refused = second.ask("POST", "begin", "{}")
    assert refused.status == 409
    assert b"start it with --phones 2" in refused.content
    # The same phone may load the page again and go on.
    assert json.loads(first.ask("POST", "begin", "{}").content) == {"phone": 1}
    # Who was not heard of for long loses the place.
    monkeypatch.setattr(check_session, "LOST", 0.0)
    assert json.loads(second.ask("POST", "begin", "{}").content) == {"phone": 2}
    late = first.ask("POST", "report", "good")
    assert (late.status, server.silence().keys()) == (403, {2})
    assert b"another phone has taken its place" in late.content


def test_two_phones_at_once_are_told_apart(serve):
    server = serve(phones=2)
    first, second, third = Client(server), Client(server), Client(server)
    threads = [threading.Thread(target=one.ask, args=("POST", "begin", "{}")) for one in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert b"--phones 3" in third.ask("POST", "begin", "{}").content
    assert set(server.silence()) == {1, 2}
    assert second.ask("POST", "report", "good").status == first.ask("POST", "report", "good").status == 200
    assert sorted(event.phone for event in events(server) if isinstance(event, Reported)) == [1, 2]


def test_https_with_a_certificate_made_on_the_spot(serve):
    pytest.importorskip("cryptography")
    server = serve(context=server_context("127.0.0.1"))
    assert server.address.startswith("https://")
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    assert Client(server, context=trusting).ask("GET", "").status == 200
    # One that does not trust it yet, or does not speak TLS, does no harm.
    with pytest.raises(ssl.SSLCertVerificationError):
        Client(server, context=ssl.create_default_context()).ask("GET", "")
    with pytest.raises((http.client.HTTPException, OSError)):
        Client(server).ask("GET", "")
    assert Client(server, context=trusting).ask("GET", "").status == 200


def test_a_server_without_its_page_or_address_says_what_to_do(tiny_onnx, page, tmp_path):
    bundle = Bundle.open(tiny_onnx)
    service = Service(bundle.path, bundle.manifest, {}, lambda text: text, page=tmp_path / "none")
    with pytest.raises(OptionError, match="make web"):
        PhoneServer(service, "127.0.0.1")
    service = Service(bundle.path, bundle.manifest, {}, lambda text: text, page=page)
    with pytest.raises(OptionError, match="--host an address of this computer"):
        PhoneServer(service, "192.0.2.7")


@pytest.fixture
def command():
    app = typer.Typer()
    app.command()(phone_check)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def changed(bundle, path, **changes):
    """A copy of a bundle whose manifest says something else."""
    manifest = shutil.copytree(bundle, path) / "manifest.json"
    manifest.write_text(manifest_to_text(replace(manifest_from_text(manifest.read_text()), **changes)))
    return path


def test_the_command_refuses_what_no_browser_runs(command, tiny_onnx, tmp_path):
    other = changed(tiny_onnx, tmp_path / "other.mer", target="coreml")
    contract = FinderContract(height=16, width=16, threshold=0.5, overlap=0.3)
    boxes = (TensorSpec("scores", (1, 4)), TensorSpec("boxes", (1, 4, 4)))
    graphs = {"finder": GraphSpec("face.onnx", "fp32", (TensorSpec("frame", (1, 16, 16, 3)),), boxes)}
    finder = changed(tiny_onnx, tmp_path / "finder.mer", graphs=graphs, finder=contract)
    wrong = [
        (
            (other,),
            "tiny: a browser runs onnx and tflite alone: `mer-convert --model grjca --target onnx,tflite` makes both",
        ),
        ((finder,), "tiny: a face finder, whose golden frames `mer verify` proves"),
        ((tmp_path / "none.mer",), "does not exist"),
        ((tiny_onnx, "--actors", "5"), "give --data"),
        ((tiny_onnx, "--data", "meld:/nowhere"), "/nowhere does not exist"),
        ((tiny_onnx, "--plot", tmp_path / "timeline.png"), "ends in .svg"),
    ]
    for arguments, said in wrong:
        error = command(*arguments).exception
        assert said in str(error)
        assert "\n" not in str(error)


def test_the_page_is_the_checkouts_own_or_that_of_its_wheel(tmp_path, monkeypatch):
    checkout, installed = tmp_path / "mer_sdk" / "phone", tmp_path / "site" / "mer_phone_page"
    monkeypatch.setattr("mer_sdk.phone.session.__file__", str(checkout / "check_session.py"))
    monkeypatch.setattr("mer_sdk.phone.session.PAGE_PACKAGE", "no_such_package")
    assert page_folder() == checkout / "page"
    monkeypatch.undo()
    monkeypatch.setattr("mer_sdk.phone.session.__file__", str(checkout / "check_session.py"))
    (installed / "page").mkdir(parents=True)
    (installed / "__init__.py").touch()
    monkeypatch.syspath_prepend(installed.parent)
    assert page_folder() == installed / "page"
    (checkout / "page").mkdir(parents=True)
    (checkout / "page" / "index.html").touch()
    assert page_folder() == checkout / "page"


def test_the_command_ends_by_itself_where_nobody_comes(command, tiny_onnx, page, monkeypatch):
    monkeypatch.setattr("mer_sdk.cli.phone_check.Service", lambda **given: Service(**given, page=page))
    result = command(tiny_onnx, "--host", "127.0.0.1", "--wait", "0.01")
    assert result.exit_code == 1
    assert "no phone was heard of" in result.output
    assert "http://127.0.0.1:" in result.output
