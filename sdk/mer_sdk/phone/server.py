"""The server of `mer phone-check`: one page, one bundle and one report a phone, on the local network.

Every address holds a token that is made for one run. The first phones that begin, as many as were asked for, get a
session each (a cookie); from then on the token opens nothing to anybody else, and it is void once the command ends.
Whoever has no token gets a sentence and is closed; how many connections there may be, and for how long, is in
`mer_sdk.phone.connections`.
"""

from __future__ import annotations

import queue
import secrets
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

from mer_sdk.errors import OptionError, reason_of
from mer_sdk.phone.connections import ConnectionLimits, Connections
from mer_sdk.phone.handler import QUIET, Handler, Host
from mer_sdk.phone.session import Advanced, CheckSession, Event, Refused, Service

# Of what strangers do, and of how far a phone is, no more waits to be shown.
MOST_WAITING = 200


class PhoneServer:
    """Serves until it is closed; a context manager.

    Args:
        service: what is served.
        host: address of this computer to listen on.
        port: 0 takes a free one.
        context: for HTTPS; None serves plain HTTP, which browsers trust on loopback alone.
        limits: of its connections.

    Attributes:
        address: what a phone opens.
        events: what happens, in order.

    Raises:
        OptionError: the address cannot be listened on, or the page was not built.
    """

    def __init__(
        self,
        service: Service,
        host: str,
        port: int = 0,
        context: ssl.SSLContext | None = None,
        limits: ConnectionLimits = ConnectionLimits(),
    ) -> None:
        if not (service.page / "index.html").is_file():
            raise OptionError(
                f"the page of the phone check is not in {service.page}: install its wheel, mer_edge_phone_page-*.whl, "
                "which `make wheel-phone` writes into dist/, or build it in a checkout with `make web`"
            )
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.token = secrets.token_urlsafe(16)
        try:
            self._http = _Server((host, port), service, self.token, self.events, context, limits)
        except OSError as error:
            raise OptionError(
                f"cannot listen on {host}, port {port or 'any'} ({reason_of(error)}); give --host an address of this "
                "computer, and --port one that is free"
            ) from error
        self.address = f"{self._http.origin}/{self.token}/"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    def __enter__(self) -> PhoneServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def next_event(self, seconds: float) -> Event | None:
        """The next thing that happens; None where nothing does for so long."""
        try:
            return self.events.get(timeout=seconds)
        except queue.Empty:
            return None

    def silence(self) -> dict[int, float]:
        """Phone -> seconds since it was last heard of, of those that began and have not reported."""
        return self._http.check_session.silence()


class _Server(Host):
    daemon_threads = True
    # Nobody waits for the others: the threads of clients end with the program.
    block_on_close = False

    def __init__(
        self,
        address: tuple[str, int],
        service: Service,
        token: str,
        events: queue.SimpleQueue[Event],
        context: ssl.SSLContext | None,
        limits: ConnectionLimits,
    ) -> None:
        self.service, self.token, self._events, self._context = service, token, events, context
        self.check_session, self.connections = CheckSession(service.phones), Connections(limits)
        self.page = _files(service.page)
        host = address[0]
        if ":" in host:
            self.address_family, host = socket.AF_INET6, f"[{host}]"
        super().__init__(address, Handler)
        port, usual = self.server_address[1], 443 if context else 80
        self.origin = f"{'https' if context else 'http'}://{host}" + ("" if port == usual else f":{port}")

    def tell(self, event: Event) -> None:
        """See `Host.tell`."""
        if not isinstance(event, Refused | Advanced) or self._events.qsize() < MOST_WAITING:
            self._events.put(event)

    def service_actions(self) -> None:
        """Ten times a second."""
        self.connections.cut_late()

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for each connection that is admitted."""
        if self.connections.admit(request, client_address[0]):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread, so that a silent one does not hold up the others."""
        request.settimeout(QUIET)
        if self._context is not None:
            try:
                wrapped = self._context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
            except (OSError, ssl.SSLError):
                self.shutdown_request(request)
                return
            self.connections.wrap(request, wrapped)
            request = wrapped
            try:
                wrapped.do_handshake()
            except (OSError, ValueError):
                # A browser that does not trust the certificate yet hangs up here, and comes again.
                self.shutdown_request(wrapped)
                return
        super().process_request_thread(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Every connection ends here."""
        self.connections.ended(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A phone that goes away is no error of this program."""


def _files(folder: Path) -> dict[str, Path]:
    """Every file of the page by its address: nothing that a client says is ever made into a path."""
    root = folder.resolve()
    found = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    return {name: path for name, path in found.items() if path.resolve() == path}


def local_address() -> str:
    """This computer's address on the local network; loopback where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: connecting a datagram socket only chooses the way out. 192.0.2.1 is nobody's (RFC 5737).
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
