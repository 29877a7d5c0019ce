"""Strangers who are slow, silent or many: they are closed, and a phone goes on. All on loopback, each loop bounded."""

import contextlib
import ssl
import time
from types import SimpleNamespace

import pytest
from phone_attacker import PATIENCE, Raw, status, works
from phone_client import Client

from mer_sdk.phone import certificate, connections
from mer_sdk.phone.connections import ConnectionLimits


@pytest.fixture
def clock(monkeypatch):
    """`clock(seconds)`: so much time goes by for the limits of connections."""
    now = [1000.0]
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def pass_by(seconds):
        now[0] += seconds

    return pass_by


def test_slow_and_silent_strangers_are_closed_while_a_phone_goes_on(serve, clock):
    server = serve()
    beginnings = (b"", b"G", b"GET / HTTP/1.1\r\nX: ", b"POST /x/report HTTP/1.1\r\nContent-Length: 9\r\n\r\n1")
    with contextlib.ExitStack() as stack:
        strangers = [stack.enter_context(Raw(server)) for _ in range(10)]
        for index, stranger in enumerate(strangers):
            stranger.socket.sendall(beginnings[index % len(beginnings)])
        assert works(server)
        clock(ConnectionLimits().stranger_seconds)
        for stranger in strangers:
            assert status(stranger.rest()) in (0, 404)
    assert server.silence().keys() == {1}


def test_a_request_with_the_token_that_never_ends_is_closed(serve, clock):
    server = serve()
    with Raw(server) as raw:
        head = f"POST /{server.token}/begin HTTP/1.1\r\nHost: {raw.host}\r\nContent-Length: 2\r\n\r\n"
        raw.socket.sendall(f"{head}{{".encode())
        held = server._http.connections._open
        for _ in range(int(PATIENCE / 0.01)):
            if any(not one.stranger for one in list(held.values())):
                break
            time.sleep(0.01)
        clock(ConnectionLimits().stranger_seconds)
        raw.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            raw.socket.recv(1)
        raw.socket.settimeout(PATIENCE)
        clock(ConnectionLimits().request_seconds)
        assert raw.rest() == b""
    assert Client(server).ask("GET", "").status == 200


def test_a_full_house_makes_room_by_its_oldest_stranger(serve):
    server = serve(limits=ConnectionLimits(most=4, per_address=100))
    with contextlib.ExitStack() as stack:
        strangers = [stack.enter_context(Raw(server)) for _ in range(4)]
        # The first was admitted before the last, which is why its answer is waited for.
        strangers[3].socket.sendall(b"GET /x/ HTTP/1.1\r\n\r\n")
        assert status(strangers[3].rest()) == 404
        strangers.append(stack.enter_context(Raw(server)))
        assert works(server)
        assert strangers[0].rest() == b""


def test_of_one_address_there_are_so_many_connections_and_others_come_in(serve):
    server = serve(limits=ConnectionLimits(per_address=3))
    try:
        other = Client(server, source="127.0.0.2")
        other.ask("GET", "")
    except OSError:
        pytest.skip("needs 127.0.0.2, which this system does not have")
    with contextlib.ExitStack() as stack:
        several = [stack.enter_context(Raw(server)) for _ in range(4)]
        assert several[3].rest() == b""
        assert works(server, source="127.0.0.2")


def test_a_silent_handshake_is_closed_and_does_not_hold_up_others(serve, clock):
    pytest.importorskip("cryptography")
    context = certificate.server_context("127.0.0.1")
    server = serve(context=context)
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with Raw(server) as silent, Raw(server) as noisy:
        noisy.socket.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + b"x" * 600)
        assert works(server, context=trusting)
        with Raw(server, context=trusting) as quiet:
            clock(ConnectionLimits().stranger_seconds)
            assert quiet.rest() == silent.rest() == b""
        noisy.rest()
    assert Client(server, context=trusting).ask("GET", "").status == 200
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, OSError)), Raw(server, context=old):
        pass
