"""Fixtures of the phone check: a page, and its server."""

import pytest

from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import DataError
from mer_sdk.phone.connections import ConnectionLimits
from mer_sdk.phone.server import PhoneServer
from mer_sdk.phone.session import Service


@pytest.fixture
def page(tmp_path):
    folder = tmp_path / "page"
    (folder / "ort").mkdir(parents=True)
    (folder / "index.html").write_text("<p>page</p>")
    (folder / "ort" / "run.wasm.br").write_bytes(b"packed")
    (tmp_path / "secret.txt").write_text("not served")
    return folder


@pytest.fixture
def serve(tiny_onnx, page):
    """`serve(phones=1, context=None, ...)`: a server whose reports are accepted where their text is "good"."""
    bundle, open_servers = Bundle.open(tiny_onnx), []

    def judged(text, seen):
        if text != "good":
            raise DataError("the report is refused: it is bad")
        return text

    def start(phones=1, context=None, limits=ConnectionLimits(), read=judged):
        service = Service(bundle.path, bundle.manifest, {"rounds": 5}, read, (lambda: b"clip",), phones, page)
        server = PhoneServer(service, "127.0.0.1", context=context, limits=limits)
        server.__enter__()
        open_servers.append(server)
        return server

    yield start
    for server in open_servers:
        server.__exit__()
