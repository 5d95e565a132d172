"""The proxy, by itself: each fault is the one it is named for."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.proxy import Proxy, Way
from tests.support.server import Server
from tests.support.wait import wait_until

PING = b"*1\r\n$4\r\nPING\r\n"
PONG = b"+PONG\r\n"


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """A proxy before the shared server."""
    with Proxy(server.url) as proxy:
        yield proxy


def connect(proxy: Proxy) -> socket.socket:
    """A bare connection; whoever reads from it waits half a second at most."""
    return socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), 0.5)


def ping(one: socket.socket) -> bytes:
    """Ask, and read what comes."""
    one.sendall(PING)
    return one.recv(100)


def test_bytes_pass_both_ways(proxy: Proxy) -> None:
    """Also more than one buffer holds; a closed connection is let go at both ends."""
    client = redis.Redis.from_url(proxy.url, retry=Retry(NoBackoff(), 0))
    with closing(client):
        value = b"x" * 1_000_000
        client.set("large", value)
        assert client.getdel("large") == value
        assert proxy.count() == 1


async def test_end_of_a_client_is_passed_on(proxy: Proxy) -> None:
    """No connection outlives its client."""
    with closing(connect(proxy)) as one:
        assert ping(one) == PONG
    await wait_until(lambda: proxy.count() == 0)


def test_cut_is_a_reset(proxy: Proxy) -> None:
    """The client sees ECONNRESET; the next connection works."""
    with closing(connect(proxy)) as one:
        ping(one)
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            one.recv(100)
    with closing(connect(proxy)) as one:
        assert ping(one) == PONG


def test_refused_until_healed(proxy: Proxy) -> None:
    """A new connection is reset before it is answered."""
    proxy.refuse()
    with pytest.raises(ConnectionError), closing(connect(proxy)) as one:
        ping(one)
    proxy.heal()
    with closing(connect(proxy)) as one:
        assert ping(one) == PONG


def test_stall_keeps_and_delivers(proxy: Proxy) -> None:
    """Nothing comes meanwhile, everything after it."""
    with closing(connect(proxy)) as one:
        ping(one)
        proxy.stall()
        with pytest.raises(TimeoutError):
            ping(one)
        proxy.heal()
        assert one.recv(100) == PONG


def test_answers_alone_are_kept(proxy: Proxy, server: Server) -> None:
    """The server acts on what is asked, and nobody hears of it."""
    with closing(connect(proxy)) as one, server.client() as client:
        ping(one)
        proxy.stall(Way.REPLIES)
        one.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n")
        with pytest.raises(TimeoutError):
            one.recv(100)
        assert client.get("a") == "1"
        proxy.heal()
        assert one.recv(100) == b"+OK\r\n"


def test_swallow_loses_for_ever(proxy: Proxy) -> None:
    """Old and new connections stay open and deaf, also when new ones work again."""
    with closing(connect(proxy)) as old:
        ping(old)
        proxy.swallow()
        with closing(connect(proxy)) as new, pytest.raises(TimeoutError):
            ping(new)
        proxy.heal()
        with pytest.raises(TimeoutError):
            ping(old)
        with closing(connect(proxy)) as new:
            assert ping(new) == PONG


async def test_half_close_ends_one_direction(proxy: Proxy, server: Server) -> None:
    """The client reads the end; what it writes still reaches the server."""
    with closing(connect(proxy)) as one, server.client() as client:
        ping(one)
        proxy.half_close()
        assert one.recv(100) == b""
        one.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nh\r\n$1\r\n1\r\n")
        await wait_until(lambda: client.getdel("h") == "1")


def test_delay_delays(proxy: Proxy) -> None:
    """A question and its answer take both their delays."""
    proxy.delay(0.1)
    with closing(connect(proxy)) as one:
        began = time.monotonic()
        assert ping(one) == PONG
        assert time.monotonic() - began >= 0.2


def test_cut_within_a_reply(proxy: Proxy) -> None:
    """A part of the answer comes, then a reset, once."""
    with closing(connect(proxy)) as one:
        ping(one)
        proxy.cut_within(3)
        assert proxy.is_armed()
        assert ping(one)[:3] == PONG[:3]
        with pytest.raises(ConnectionResetError):
            one.recv(100)
        assert not proxy.is_armed()


def test_cut_within_a_request(proxy: Proxy, server: Server) -> None:
    """The server never gets the whole command."""
    with closing(connect(proxy)) as one:
        proxy.cut_within(20, Way.REQUESTS)
        one.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n1\r\n")
        with pytest.raises(ConnectionResetError):
            one.recv(100)
    with server.client() as client:
        assert client.get("c") is None
