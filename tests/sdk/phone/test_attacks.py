"""The phone check's server as an attacker on the same network sees it. All on loopback; every loop is bounded."""

import contextlib
import datetime
import re
import socket
import ssl
import threading
from pathlib import Path

import pytest
from phone_attacker import PATIENCE, Raw, status, works
from phone_client import Client, events

from mer_sdk.errors import DataError
from mer_sdk.phone import certificate, handler
from mer_sdk.phone import server as phone_server
from mer_sdk.phone.session import Refused, Reported

# fmt: off
PATHS = (
    "../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", "..\\secret.txt", "/etc/passwd", "//etc/passwd",
    "///etc/passwd", "file:///etc/passwd", "~/secret.txt", "./index.html/../../secret.txt", "ort/../../secret.txt",
    "index.html/", "ort", "ort/", "ort/run.wasm.br/..", "\0", "index.html\0.js", "link.txt", "folder/secret.txt",
    "bundle/", "bundle/..", "bundle/../manifest.json", "bundle//etc/passwd", "bundle/%2e%2e/secret.txt", "bundle/.",
    "bundle/manifest.json/", "bundle/manifest.json%00", "BUNDLE/manifest.json", "clips/", "clips/-1", "clips/1",
    "clips/00", "clips/+0", "clips/0x0", "clips/\xb2", "clips/" + "9" * 5000, "clips/ 0", "clips/0/../../secret.txt",
    "a" * 5000, "check.json/", "\xff\xfe", ".", "..", "*",
)
# fmt: on


def test_no_path_leads_out_of_the_page_and_the_bundle(serve, page, tmp_path):
    (page / "link.txt").symlink_to(tmp_path / "secret.txt")
    (page / "folder").symlink_to(tmp_path)
    server = serve()
    phone = Client(server)
    phone.ask("POST", "begin", "{}")
    cookie = f"Cookie: {phone.cookie}"
    for path in PATHS:
        with Raw(server) as raw:
            answer = raw.ask(f"GET /{server.token}/{path} HTTP/1.1", cookie)
        assert status(answer) in (400, 404), path
        assert b"not served" not in answer
        assert b"root:" not in answer
    for target in (f"http://x/{server.token}/", f"{server.token}/../../etc/passwd", "*"):
        with Raw(server) as raw:
            assert status(raw.ask(f"GET {target} HTTP/1.1", cookie)) in (400, 404), target
    assert phone.ask("GET", "bundle/manifest.json").status == 200
    assert phone.ask("GET", "").status == 200


def test_another_site_gets_nothing_even_with_the_token(serve):
    server = serve()
    phone = Client(server)
    phone.ask("POST", "begin", "{}")
    address = server.address.rsplit("/", 2)[0]
    foreign = (
        ("POST", "report", {"Origin": "https://evil.example"}),
        ("POST", "report", {"Origin": "null"}),
        ("POST", "report", {"Origin": address.replace("http:", "https:")}),
        ("POST", "progress", {"Sec-Fetch-Site": "cross-site"}),
        ("POST", "progress", {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"}),
        ("GET", "bundle/manifest.json", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
        ("GET", "", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}),
        # A name of the attacker's that now means this computer.
        ("GET", "", {"Host": "evil.example"}),
        ("GET", "bundle/manifest.json", {"Host": "evil.example:80"}),
        ("POST", "report", {"Host": "127.0.0.1"}),
    )
    for method, path, headers in foreign:
        answer = phone.ask(method, path, "good" if method == "POST" else None, headers)
        assert answer.status == 403, headers
        assert "Access-Control-Allow-Origin" not in answer.headers
    with Raw(server) as raw:
        assert status(raw.ask(f"GET /{server.token}/ HTTP/1.1", host=False)) == 403
    with Raw(server) as raw:
        assert status(raw.ask(f"GET /{server.token}/ HTTP/1.1", "Host: evil.example")) == 403
    with Raw(server) as raw:
        assert status(raw.ask(f"OPTIONS /{server.token}/report HTTP/1.1", "Origin: https://evil.example")) == 501
    assert not any(isinstance(event, Reported) for event in events(server))
    # A link in a message opens the page, and the page itself may ask.
    opened = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert phone.ask("GET", "", headers=opened).status == 200
    own = {"Origin": address, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert phone.ask("POST", "report", "good", own).status == 200


def test_bodies_that_lie_of_their_length_end_the_connection(serve):
    server = serve()
    phone = Client(server)
    phone.ask("POST", "begin", "{}")
    second = f"GET /{server.token}/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    report, progress, cookie = (
        f"POST /{server.token}/report",
        f"POST /{server.token}/progress",
        f"Cookie: {phone.cookie}",
    )
    lies = (
        (report, ("Content-Length: " + "9" * 5000,), b"", 413),
        (report, ("Content-Length: 2000001",), b"", 413),
        (report, ("Content-Length: 4", "Content-Length: 40"), b"good", 411),
        (report, ("Content-Length: 4", "Transfer-Encoding: chunked"), b"4\r\ngood\r\n0\r\n\r\n", 411),
        (report, ("Content-Length: \xb2",), b"good", 411),
        (report, ("Content-Length: +4",), b"good", 411),
        (f"POST /{server.token}/other", (f"Content-Length: {len(second)}",), second, 404),
        (f"GET /{server.token}/", (f"content-length: {len(second)}",), second, 400),
        (progress, ("Content-Length: 2000",), b"[" * 2000, 400),
        (progress, ("Content-Length: 42",), b'{"what": "x", "done": 1, "total": 1e9999}'.ljust(42), 400),
    )
    for line, headers, body, wanted in lies:
        with Raw(server) as raw:
            answer = raw.ask(f"{line} HTTP/1.1", cookie, *headers, body=body)
        assert status(answer) == wanted, headers
        assert answer.count(b"HTTP/1.1 ") == 1
    # A report that breaks off is none.
    with Raw(server) as raw:
        raw.socket.sendall(
            f"{report} HTTP/1.1\r\nHost: {raw.host}\r\n{cookie}\r\nContent-Length: 9\r\n\r\ngood".encode()
        )
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.rest() == b""
    assert not any(isinstance(event, Reported) for event in events(server))
    assert phone.ask("POST", "report", "good").status == 200


def test_two_reports_at_once_count_once_and_nothing_of_a_run_is_good_for_the_next(serve):
    both = threading.Barrier(2, timeout=PATIENCE)

    def read(text, seen):
        both.wait()
        return text

    server = serve(read=read)
    phone = Client(server)
    phone.ask("POST", "begin", "{}")
    threads = [threading.Thread(target=phone.ask, args=("POST", "report", "good")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(event, Reported) for event in events(server)) == 1
    later = serve()
    assert Client(later, server.token).ask("GET", "").status == 404
    for path in ("check.json", "bundle/manifest.json", "clips/0"):
        assert Client(later).ask("GET", path, headers={"Cookie": phone.cookie}).status == 403
    assert Client(later).ask("POST", "report", "good", {"Cookie": phone.cookie}).status == 403
    # Forged sessions are none, whatever they look like.
    for forged in (
        "mer_session=",
        "mer_session=x; mer_session=y",
        'mer_session="\\',
        "mer_session=" + "x" * 5000,
        "\xff=",
    ):
        assert Client(later).ask("POST", "report", "good", {"Cookie": forged}).status == 403


def test_a_flood_of_wrong_tokens_fills_no_memory_and_hides_no_report(serve, monkeypatch):
    monkeypatch.setattr(phone_server, "MOST_WAITING", 5)
    server = serve()
    phone = Client(server)
    phone.ask("POST", "begin", "{}")
    for _ in range(20):
        assert Client(server, "wrong").ask("GET", "").status == 404
        phone.ask("POST", "progress", '{"what": "x", "done": 0, "total": 1}')
    assert phone.ask("POST", "report", "good").status == 200
    found = events(server)
    assert len(found) <= 7
    assert isinstance(found[-1], Reported)


def test_one_phone_that_breaks_stops_no_other(serve):
    def read(text, seen):
        if text == "bad":
            raise DataError("the report is refused: it is bad")
        if text == "worse":
            raise RuntimeError("a fault of this program")
        return text

    server = serve(phones=2, read=read)
    first, second = Client(server), Client(server)
    assert first.ask("POST", "begin", "{}").status == second.ask("POST", "begin", "{}").status == 200
    for text in ("bad", "worse", "worse"):
        with contextlib.suppress(OSError, Exception):
            first.ask("POST", "report", text)
    assert second.ask("POST", "report", "good").status == 200
    assert first.ask("POST", "report", "good").status == 200
    assert sum(isinstance(event, Reported) for event in events(server)) == 2


def test_no_request_is_answered_without_the_headers_and_none_tells_of_this_computer(serve):
    server = serve()
    token = server.token
    lines = (
        *(f"GET /{path} HTTP/1.1" for path in (f"{token}/", f"{token}/x", "x/", "x" * 70000, f"{token}/ y")),
        *(f"{method} /{token}/ HTTP/1.1" for method in ("BREW", "HEAD", "CONNECT")),
        *("x", "GET", "", f"GET /{token}/ HTTP/9.9", f"GET /{token}/"),
    )
    for line in lines:
        with Raw(server) as raw:
            answer = raw.ask(line)
        if not answer:
            continue
        head, _, body = answer.partition(b"\r\n\r\n")
        for name, value in handler.HEADERS.items():
            assert f"{name}: {value}".encode() in head or not head.startswith(b"HTTP/"), line
        assert not re.search(rb"Python|Error response|/usr|/home|/root|Traceback", answer), line
        assert len(body) < 200
    with Raw(server) as raw:
        many = [f"X-{index}: x" for index in range(200)]
        assert status(raw.ask(f"GET /{token}/ HTTP/1.1", *many)) == 431
    assert works(server)


def test_every_run_has_a_certificate_of_its_own_which_lies_nowhere(serve, monkeypatch, tmp_path):
    x509 = pytest.importorskip("cryptography.x509")
    monkeypatch.setattr(certificate.tempfile, "tempdir", str(tmp_path / "kept"))
    (tmp_path / "kept").mkdir()
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    found = []
    for _ in range(2):
        server = serve(context=certificate.server_context("127.0.0.1"))
        with Raw(server, context=trusting) as raw:
            found.append(x509.load_der_x509_certificate(raw.socket.getpeercert(binary_form=True)))
        cookie = Client(server, context=trusting).ask("POST", "begin", "{}").headers["Set-Cookie"]
        assert all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=Strict", f"Path=/{server.token}/"))
    one, other = found
    assert one.public_key() != other.public_key()
    assert one.serial_number != other.serial_number
    for one in found:
        assert one.not_valid_after_utc - one.not_valid_before_utc <= datetime.timedelta(days=1)
        assert not one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not list((tmp_path / "kept").iterdir())


def test_the_content_policy_is_strict_and_stands_in_the_page_too():
    policy = handler.HEADERS["Content-Security-Policy"]
    words = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert words["default-src"] == words["base-uri"] == words["form-action"] == words["frame-ancestors"] == "'none'"
    assert not re.search(r"unsafe-inline|'unsafe-eval'|\*|https?:|blob:", policy)
    page = (Path(__file__).resolve().parents[3] / "web" / "phone" / "index.html").read_text()
    (own,) = re.findall(r'http-equiv="Content-Security-Policy"\s+content="([^"]+)"', page)
    # Of frames a page cannot speak.
    assert f"{own}; frame-ancestors 'none'" == policy
    assert not re.search(r"<script(?![^>]*src=)|<style|style=|\son\w+=", page)


def test_refusals_are_told(serve):
    server = serve()
    Client(server).ask("GET", "", headers={"Host": "evil.example"})
    (event,) = events(server)
    assert event == Refused(0, "127.0.0.1: this computer was asked for by another name")
