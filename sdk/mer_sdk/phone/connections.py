"""The open connections of a server: how many, and for how long, so that one client cannot stop another."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ConnectionLimits:
    """What a server grants.

    Attributes:
        most: connections at once. Where there are so many, the oldest that has not shown the token makes room.
        per_address: of one address. A browser opens six.
        stranger_seconds: until a connection has shown the token, its TLS handshake included.
        request_seconds: from one request with the token to the end of the next, however slowly its bytes come.
    """

    most: int = 64
    per_address: int = 16
    stranger_seconds: float = 10.0
    request_seconds: float = 180.0


@dataclass(eq=False)
class _Connection:
    address: str
    until: float
    stranger: bool = True


@dataclass(eq=False)
class Connections:
    """The connections of a server, by their sockets; all of it under one lock.

    A connection that is cut is shut down, which wakes the thread that waits for it.
    """

    limits: ConnectionLimits
    _open: dict[socket.socket, _Connection] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, client: socket.socket, address: str) -> bool:
        """Take a new connection; False where there is no room for it."""
        with self._lock:
            if sum(one.address == address for one in self._open.values()) >= self.limits.per_address:
                return False
            if len(self._open) >= self.limits.most:
                oldest = next((known for known, one in self._open.items() if one.stranger), None)
                if oldest is None:
                    return False
                self._cut(oldest)
            self._open[client] = _Connection(address, time.monotonic() + self.limits.stranger_seconds)
            return True

    def wrap(self, client: socket.socket, wrapped: socket.socket) -> None:
        """A connection goes on as another socket: the one that TLS put around it."""
        with self._lock:
            if (found := self._open.pop(client, None)) is not None:
                self._open[wrapped] = found

    def proven(self, client: socket.socket) -> None:
        """A connection has shown the token, with a request that begins now."""
        with self._lock:
            if (found := self._open.get(client)) is not None:
                found.stranger, found.until = False, time.monotonic() + self.limits.request_seconds

    def ended(self, client: socket.socket) -> None:
        """A connection was closed."""
        with self._lock:
            self._open.pop(client, None)

    def cut_late(self) -> None:
        """Cut every connection whose time is over."""
        with self._lock:
            now = time.monotonic()
            for client in [known for known, one in self._open.items() if one.until <= now]:
                self._cut(client)

    def _cut(self, client: socket.socket) -> None:
        del self._open[client]
        # Not the method of a TLS socket, which takes its state away from the thread that reads it.
        with suppress(OSError):
            socket.socket.shutdown(client, socket.SHUT_RDWR)
