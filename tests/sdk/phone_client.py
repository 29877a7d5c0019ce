"""Clients of the phone check's server, on loopback."""

import http.client
from types import SimpleNamespace


def port_of(server):
    return int(server.address.split(":")[2].split("/")[0])


class Client:
    """A browser, as far as the server can tell."""

    def __init__(self, server, token=None, context=None, source=None):
        self._port = port_of(server)
        self._token = server.token if token is None else token
        self._context = context
        self._source = (source, 0) if source else None
        self._cookie = {}

    @property
    def cookie(self):
        return self._cookie.get("Cookie", "")

    def ask(self, method, path, body=None, headers=None):
        kind = http.client.HTTPSConnection if self._context else http.client.HTTPConnection
        more = {"context": self._context} if self._context else {}
        connection = kind("127.0.0.1", self._port, timeout=120, source_address=self._source, **more)
        sent = {**self._cookie, **(headers or {})}
        connection.request(method, f"/{self._token}/{path}", body, sent)
        answer = connection.getresponse()
        content = answer.read()
        if answer.getheader("Set-Cookie"):
            self._cookie = {"Cookie": answer.getheader("Set-Cookie").split(";")[0]}
        connection.close()
        return SimpleNamespace(status=answer.status, content=content, headers=dict(answer.getheaders()))


def events(server):
    found = []
    while (event := server.next_event(0.05)) is not None:
        found.append(event)
    return found
