"""The server of `mer phone-check`: one page, one bundle and one report a phone, on the local network.

Every address holds a token that is made for one run. The first phones that begin, as many as were asked for, get a
session each (a cookie); from then on the token opens nothing to anybody else, and it is void once the command ends.
"""

from __future__ import annotations

import queue
import secrets
import socket
import ssl
import threading
from typing import Any

from mer_sdk.errors import OptionError
from mer_sdk.phone.handler import QUIET, Handler, Host
from mer_sdk.phone.session import CheckSession, Event, Service


class PhoneServer:
    """Serves until it is closed; a context manager.

    Args:
        service: what is served.
        host: address of this computer to listen on.
        port: 0 takes a free one.
        context: for HTTPS; None serves plain HTTP, which browsers trust on loopback alone.

    Attributes:
        address: what a phone opens.
        events: what happens, in order.

    Raises:
        OptionError: the address cannot be listened on, or the page was not built.
    """

    def __init__(self, service: Service, host: str, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        if not (service.page / "index.html").is_file():
            raise OptionError(
                f"the page of the phone check is not in {service.page}: install its wheel, mer_edge_phone_page-*.whl, "
                "which `make wheel-phone` writes into dist/, or build it in a checkout with `make web`"
            )
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.token = secrets.token_urlsafe(16)
        try:
            self._http = _Server((host, port), service, self.token, self.events, context)
        except OSError as error:
            raise OptionError(
                f"cannot listen on {host}, port {port or 'any'} ({error}); give --host an address of this computer, "
                "and --port one that is free"
            ) from error
        shown = f"[{host}]" if ":" in host else host
        scheme = "https" if context else "http"
        self.address = f"{scheme}://{shown}:{self._http.server_address[1]}/{self.token}/"
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

    def __init__(
        self,
        address: tuple[str, int],
        service: Service,
        token: str,
        events: queue.SimpleQueue[Event],
        context: ssl.SSLContext | None,
    ) -> None:
        self.service, self.token, self.events, self._context = service, token, events, context
        self.check_session = CheckSession(service.phones)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread, so that a silent one does not hold up the others."""
        request.settimeout(QUIET)
        if self._context is not None:
            try:
                request = self._context.wrap_socket(request, server_side=True)
            except (OSError, ssl.SSLError):
                # A browser that does not trust the certificate yet hangs up here, and comes again.
                self.shutdown_request(request)
                return
        super().process_request_thread(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A phone that goes away is no error of this program."""


def local_address() -> str:
    """This computer's address on the local network; loopback where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: connecting a datagram socket only chooses the way out. 192.0.2.1 is nobody's (RFC 5737).
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
