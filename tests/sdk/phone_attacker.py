"""Connections that send what they like, and whether the phone check's server still serves a phone beside them."""

import contextlib
import socket

from phone_client import Client, port_of

# Long enough for a busy machine: no test waits for it where all is well.
PATIENCE = 120.0


class Raw:
    """A connection that sends what it likes; a context manager."""

    def __init__(self, server, source="127.0.0.1", context=None):
        port = port_of(server)
        self.host = f"127.0.0.1:{port}"
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))
        if context is not None:
            self.socket = context.wrap_socket(self.socket)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, line, *headers, body=b"", host=True):
        """Send one request; what comes back until the server closes."""
        lines = [line, *([f"Host: {self.host}"] if host else []), *headers, "Connection: close"]
        self.socket.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return self.rest()

    def rest(self):
        """Everything until the server closes."""
        found = b""
        with contextlib.suppress(ConnectionError):
            while piece := self.socket.recv(65536):
                found += piece
        return found


def status(answer):
    return int(answer.split()[1]) if answer else 0


def works(server, **options):
    """A phone that begins now gets in, and gets a file."""
    phone = Client(server, **options)
    return phone.ask("POST", "begin", "{}").status == 200 and phone.ask("GET", "bundle/manifest.json").status == 200
