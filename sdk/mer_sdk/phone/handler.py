"""What a phone is answered. Nothing outside the page, the bundle's own files and the clips can be reached."""

from __future__ import annotations

import hmac
import json
import mimetypes
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from mer_sdk.contract.bundle_files import MANIFEST
from mer_sdk.errors import DataError
from mer_sdk.phone.connections import Connections
from mer_sdk.phone.evidence import Seen
from mer_sdk.phone.session import Advanced, CheckSession, CheckStarted, Event, Phone, Refused, Reported, Service

# A report of all golden cases and 100 clips has about 0.3 MB.
MOST_BYTES = 2_000_000
PROGRESS_BYTES = 2_000
# A connection that says nothing for so long is closed, seconds; likewise one that does not take a piece of an answer.
QUIET = 20.0
PIECE = 1 << 18
COOKIE = "mer_session"
HEADERS = {
    # Cross-origin isolation: without it a browser gives no threads and coarse clocks.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Host(ThreadingHTTPServer):
    """What a handler knows of its server."""

    service: Service
    token: str
    origin: str
    page: dict[str, Path]
    check_session: CheckSession
    connections: Connections

    def tell(self, event: Event) -> None:
        """Let the command know of something. Of what strangers do, what is more than it can show is left out."""
        raise NotImplementedError


class Handler(BaseHTTPRequestHandler):
    """One connection of a phone."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "mer", ""
    timeout = QUIET
    server: Host

    def log_message(self, format: str, *args: object) -> None:
        """The command shows what matters."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no request of HTTP, or of another method: the same headers as for everything else."""
        self.close_connection = True
        self._say(code, "this is no request that a browser sends here")

    def do_GET(self) -> None:
        path = self._inside()
        if path is None:
            return
        if path.startswith(("bundle/", "clips/")) or path == "check.json":
            if self._phone() is None:
                self._say(403, "this phone has not begun the check, or another phone has taken its place")
            elif path == "check.json":
                self._send(200, json.dumps(self.server.service.settings).encode(), "application/json")
            else:
                self._bundle_or_clip(path)
        else:
            self._page(path or "index.html")

    def do_POST(self) -> None:
        path = self._inside()
        if path == "begin":
            self._begin()
        elif path == "progress":
            self._progress()
        elif path == "report":
            self._report()
        elif path is not None:
            # Its body is not read, so nothing else can follow on this connection.
            self.close_connection = True
            self._say(404, "there is nothing at this address")

    def _inside(self) -> str | None:
        """The path behind the token; None, and an answer, where the token is wrong or another site asks."""
        token, _, path = self.path.split("?")[0].lstrip("/").partition("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            self.close_connection = True
            if token not in ("favicon.ico", "robots.txt"):
                self.server.tell(Refused(0, f"{self.client_address[0]} came with a wrong token"))
            self._say(404, "this address is not valid, or not any more: open the one that mer phone-check shows now")
            return None
        self.server.connections.proven(self.connection)
        why = self._foreign()
        if why:
            self.close_connection = True
            self.server.tell(Refused(0, f"{self.client_address[0]}: {why}"))
            self._say(403, f"{why}; open the address that mer phone-check shows")
            return None
        if self.command == "GET" and ("Content-Length" in self.headers or "Transfer-Encoding" in self.headers):
            self.close_connection = True
            self._say(400, "a body was sent where none is read")
            return None
        return path

    def _foreign(self) -> str:
        """Why a request comes from no page of this server, "" where it may: by another name of this computer (which is
        how a name that is bound anew reaches it), or out of another site's page."""
        origin, given = self.server.origin, self.headers
        if given.get_all("Host") != [origin.split("://")[1]]:
            return "this computer was asked for by another name"
        if given.get("Origin", origin) != origin:
            return "another site's page asked"
        # The page itself may be opened by a link.
        opened = self.command == "GET" and given.get("Sec-Fetch-Mode") == "navigate"
        if given.get("Sec-Fetch-Site", "none") not in ("same-origin", "none") and not opened:
            return "another site's page asked"
        return ""

    def _session(self) -> str:
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
        except CookieError:
            return ""
        return cookie.value if cookie else ""

    def _seen(self) -> Seen:
        """What a request tells beside its body."""
        return Seen(
            address=self.client_address[0],
            host=self.connection.getsockname()[0],
            user_agent=self.headers.get("User-Agent", ""),
            mobile=self.headers.get("Sec-CH-UA-Mobile", ""),
        )

    def _phone(self) -> Phone | None:
        return self.server.check_session.phone(self._session())

    def _begin(self) -> None:
        if self._body(PROGRESS_BYTES) is None:
            return
        found = self.server.check_session.begin(self._session())
        if found is None:
            self.server.tell(Refused(0, f"{self.client_address[0]} came while another phone is being checked"))
            places = self.server.service.phones
            self._say(
                409,
                "another phone is being checked, and this address is good for one: wait until it is done and start "
                "`mer phone-check` again, or start it with --phones 2"
                if places == 1
                else f"{places} phones are being checked, and this address is good for no more: start "
                f"`mer phone-check` with --phones {places + 1}",
            )
            return
        session, number, new = found
        if new:
            agent = self.headers.get("User-Agent", "")[:400]
            self.server.tell(CheckStarted(number, "".join(c for c in agent if c.isprintable())))
        cookie = f"{COOKIE}={session}; Path=/{self.server.token}/; HttpOnly; SameSite=Strict"
        cookie += "; Secure" if self.server.origin.startswith("https:") else ""
        self._send(200, json.dumps({"phone": number}).encode(), "application/json", {"Set-Cookie": cookie})

    def _progress(self) -> None:
        body, phone = self._body(PROGRESS_BYTES), self._phone()
        if body is None:
            return
        if phone is None:
            self._say(403, "this phone has not begun the check, or another phone has taken its place")
            return
        try:
            data = json.loads(body)
            what, done, total = str(data["what"])[:60], float(data["done"]), float(data["total"])
            if not (what.isprintable() and 0 <= done <= total < 1e9):
                raise ValueError("out of range")
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            self._say(400, "the progress is not JSON with what, done and total")
            return
        self.server.tell(Advanced(phone.number, what, done, total))
        self._send(204, b"", "text/plain")

    def _report(self) -> None:
        body, phone = self._body(MOST_BYTES), self._phone()
        if body is None:
            return
        if phone is None:
            self.server.tell(Refused(0, f"{self.client_address[0]} sent a report without having begun"))
            self._say(403, "this phone has not begun the check, or another phone has taken its place")
            return
        if phone.reported:
            # An answer that got lost is asked for again.
            self._send(200, b"{}", "application/json")
            return
        try:
            entry = self.server.service.read(body.decode("utf-8"), self._seen())
        except (DataError, UnicodeDecodeError) as error:
            why = str(error) if isinstance(error, DataError) else "the report is refused: it is not UTF-8"
            self.server.tell(Refused(phone.number, why))
            self._say(422, why)
            return
        first = self.server.check_session.report(phone)
        try:
            self._send(200, b"{}", "application/json")
        finally:
            # Last, as the command may end with it.
            if first:
                self.server.tell(Reported(phone.number, entry))

    def _body(self, most: int) -> bytes | None:
        """What was posted; None, and an answer, where it is too long or of unknown length."""
        lengths = self.headers.get_all("Content-Length", [])
        length = lengths[0] if len(lengths) == 1 and "Transfer-Encoding" not in self.headers else ""
        if not length.isascii() or not length.isdigit():
            self.close_connection = True
            self._say(411, "a length is needed")
            return None
        if len(length) > 12 or int(length) > most:
            # It is not read, so nothing else can follow on this connection.
            self.close_connection = True
            why = f"{length[:12]} bytes were sent, allowed are {most}"
            self.server.tell(Refused(0, f"{self.client_address[0]}: {why}"))
            self._say(413, why)
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return None
        return body

    def _bundle_or_clip(self, path: str) -> None:
        kind, _, name = path.partition("/")
        service = self.server.service
        if kind == "bundle" and name in {MANIFEST, *(spec.path for spec in service.manifest.files)}:
            self._send(200, (service.bundle / name).read_bytes(), "application/octet-stream")
        elif kind == "clips" and name in map(str, range(len(service.clips))):
            self._send(200, service.clips[int(name)](), "application/octet-stream")
        else:
            self._say(404, "there is no such file in the bundle")

    def _page(self, path: str) -> None:
        file, packed = self.server.page.get(path), self.server.page.get(f"{path}.br")
        name = Path(path)
        kind = mimetypes.guess_type(name.name)[0] or "application/octet-stream"
        kind = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}.get(name.suffix, kind)
        if file is not None:
            self._send(200, file.read_bytes(), kind)
        elif packed is None:
            self._say(404, "there is nothing at this address")
        elif "br" in self.headers.get("Accept-Encoding", ""):
            self._send(200, packed.read_bytes(), kind, {"Content-Encoding": "br"})
        else:
            self._say(406, "this browser does not unpack brotli, in which the runtime is kept; use a newer one")

    def _say(self, status: int, sentence: str) -> None:
        self._send(status, sentence.encode(), "text/plain; charset=utf-8")

    def _send(self, status: int, body: bytes, kind: str, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, **(more or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        # In pieces, as the time that a write may take is counted for all of it.
        for begin in range(0, len(body), PIECE):
            self.wfile.write(body[begin : begin + PIECE])
