"""A page on this computer that plays one clip after the other and takes a key for its label."""

from __future__ import annotations

import json
import mimetypes
import secrets
import sys
import threading
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mer_sdk.cli.data.label_page import PAGE
from mer_sdk.cli.data.label_sheet import LabelSheet
from mer_sdk.errors import MerError, OptionError, reason_of

_BLOCK = 1 << 18
# Bytes of an answer, at most.
_MOST = 4096
# What Python's table lacks, or calls otherwise than browsers do.
_TYPES = {".flac": "audio/flac", ".opus": "audio/ogg", ".m4a": "audio/mp4", ".mkv": "video/webm", ".mov": "video/mp4"}


class LabelServer:
    """Serves the page on the loopback address; use it in a `with` statement.

    Args:
        sheet: is filled.
        choices: the labels, at most 9 of them have a key.
        port: 0 takes a free one.

    Attributes:
        address: what the browser opens; without its secret word nothing is served.
        done: set once no file is without a label.

    Raises:
        OptionError: the port is taken.
    """

    def __init__(self, sheet: LabelSheet, choices: Sequence[str], port: int = 0) -> None:
        self.done = threading.Event()
        token = secrets.token_urlsafe(12)
        handler = type("Handler", (_Handler,), {"sheet": sheet, "choices": tuple(choices), "token": token})
        handler.done = self.done  # type: ignore[attr-defined]  # of the class made here
        handler.lock = threading.Lock()  # type: ignore[attr-defined]
        try:
            self._server = _Server(("127.0.0.1", port), handler)
        except OSError as error:
            raise OptionError(f"--port {port} cannot be used ({reason_of(error)}); 0 takes a free one") from error
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/{token}/"

    def __enter__(self) -> LabelServer:
        self._thread = threading.Thread(target=self._server.serve_forever, name="label page", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no error of this program."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    sheet: LabelSheet
    choices: tuple[str, ...]
    token: str
    done: threading.Event
    lock: threading.Lock
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nothing is told of requests."""

    def do_GET(self) -> None:
        """The page, where things stand, and the files."""
        part = self._part()
        if part == "":
            self._send(PAGE.encode(), "text/html; charset=utf-8")
        elif part == "state":
            with self.lock:
                self._send_json(self._state())
        elif part is not None and part.startswith("clip/") and (number := _number(part[5:])) is not None:
            self._file(number)
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """A label, or the last one taken back."""
        part, length = self._part(), _number(self.headers.get("Content-Length", ""))
        # A page of another origin may send a form here, and no JSON.
        fine = self.headers.get("Content-Type", "").startswith("application/json")
        if part not in ("label", "undo") or not fine or length is None or length > _MOST:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        try:
            asked = json.loads(self.rfile.read(length) or b"{}")
            with self.lock:
                back = None
                if part == "undo":
                    back = self.sheet.undo()
                else:
                    self._take(asked)
                state = {**self._state(), "back": back}
        except (ValueError, KeyError, TypeError, RecursionError):
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        except MerError as error:
            self._send_json({"error": str(error)}, HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        self._send_json(state)
        if not state["open"]:
            self.done.set()

    def _take(self, asked: dict[str, Any]) -> None:
        number, label = asked["number"], asked["label"]
        # To Python, true is 1.
        if label not in self.choices or type(number) is not int or not 0 <= number < len(self.sheet.files):
            raise ValueError("it is no answer of the page")
        self.sheet.give(number, label)

    def _state(self) -> dict[str, Any]:
        names = [self.sheet.name(number) for number in range(len(self.sheet.files))]
        return {"choices": self.choices, "files": names, "open": self.sheet.open, "table": str(self.sheet.path)}

    def _part(self) -> str | None:
        """The path below the secret word, None without it."""
        start = f"/{self.token}/"
        # As bytes: of texts it compares those of ASCII alone.
        known = secrets.compare_digest(self.path[: len(start)].encode(), start.encode())
        return self.path[len(start) :] if known else None

    def _file(self, number: int) -> None:
        """A clip, or the range of it that a player asks for."""
        if number >= len(self.sheet.files):
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        path = self.sheet.files[number]
        kind = _TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        try:
            with path.open("rb") as file:
                size = path.stat().st_size
                first, last = _range(self.headers.get("Range", ""), size)
                partial = (first, last) != (0, size - 1)
                self.send_response(HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK)
                self.send_header("Content-Type", kind)
                self.send_header("Accept-Ranges", "bytes")
                self.send_header("Content-Length", str(last - first + 1))
                if partial:
                    self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
                self.end_headers()
                file.seek(first)
                left = last - first + 1
                while left > 0 and (block := file.read(min(_BLOCK, left))):
                    self.wfile.write(block)
                    left -= len(block)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the player went on to another place
        except OSError:
            self._refuse(HTTPStatus.NOT_FOUND)

    def _send_json(self, value: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(json.dumps(value).encode(), "application/json", status)

    def _send(self, content: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True
        self._send(b"", "text/plain", status)


def _range(asked: str, size: int) -> tuple[int, int]:
    """(first, last) byte of a Range header, the whole file where it is none that can be served."""
    unit, _, span = asked.partition("=")
    first, last = map(_number, span.partition("-")[::2])
    if unit != "bytes" or first is None or first >= size:
        return 0, size - 1
    return first, min(last, size - 1) if last is not None and last >= first else size - 1


def _number(text: str) -> int | None:
    """What a request gives as a whole number; None where it is none, or longer than any file."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else None
