"""A TCP proxy between daemons and a real server, which fails as networks do.

It runs in a thread of its own, so that a test that waits or blocks does not stall it. A fault holds
for all connections, also those to come, until `heal`; what it did to a connection stays done.
"""

import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack, suppress
from enum import Enum
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

import anyio
from anyio.from_thread import start_blocking_portal

_CHUNK: Final = 65_536
_AT_ONCE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER that makes a close a reset (RST) instead of an orderly end (FIN)."""


class Way(Enum):
    """The two directions of a connection."""

    REQUESTS = "to the server"
    REPLIES = "from the server"


class Proxy:
    """Listens on a free loopback port and passes bytes on to the server at `target`, an URL."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._connections: set[_Connection] = set()
        self._stack = ExitStack()
        self.refusing = self.swallowing = False
        self.pause = 0.0
        self._bytes_left: dict[Way, int] = {}
        self._mark = b""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._stack.callback(self._listener.close)
        self._listener.settimeout(0)
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._portal = self._stack.enter_context(start_blocking_portal())
        self.flowing = self._portal.call(_flowing)
        serving = self._portal.start_task_soon(self._serve)
        self._stack.callback(serving.cancel)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every connection and the thread."""
        self._stack.close()

    def heal(self) -> None:
        """Pass on what waited and what comes; connections that lost bytes stay deaf for ever."""
        self._change(self._heal)

    def cut(self) -> None:
        """Reset every connection (RST); new ones are taken."""
        self._change(self._cut)

    def refuse(self) -> None:
        """Reset every connection, and each new one as soon as it is made."""

        def refuse() -> None:
            self.refusing = True
            self._cut()

        self._change(refuse)

    def stall(self, *ways: Way) -> None:
        """Keep every byte back, or those of one way: after `heal` all of them arrive."""
        self._change(lambda: self._stall(*ways))

    def stall_after(self, mark: bytes) -> None:
        """Keep every reply back from the moment on when a request with this text is passed on."""

        def arm() -> None:
            self._mark = mark

        self._change(arm)

    def swallow(self) -> None:
        """A black hole: every byte is lost, nothing is ever closed, new connections are taken."""

        def swallow() -> None:
            self.swallowing = True
            for connection in self._connections:
                connection.deaf = True

        self._change(swallow)

    def half_close(self) -> None:
        """Say to the daemons that nothing more will come (FIN); what they send arrives."""

        def half_close() -> None:
            for connection in self._connections:
                connection.half_close()

        self._change(half_close)

    def delay(self, seconds: float) -> None:
        """Pass each piece on only after so long."""

        def delay() -> None:
            self.pause = seconds

        self._change(delay)

    def cut_within(self, count: int, way: Way = Way.REPLIES) -> None:
        """Reset the one connection that passes the next `count` bytes, right after them."""
        self._change(lambda: self._bytes_left.update({way: count}))

    def count(self) -> int:
        """How many connections there are."""
        return self._portal.call(lambda: len(self._connections))

    def is_armed(self) -> bool:
        """Whether a cut that `cut_within` asked for has not happened yet."""
        return self._portal.call(lambda: bool(self._bytes_left))

    def look_for_mark(self, data: bytes) -> None:
        """These are a request's: no reply to it passes if it is the one that was marked."""
        if self._mark and self._mark in data:
            self._mark = b""
            self._stall(Way.REPLIES)

    def allow(self, data: bytes, way: Way) -> bytes | None:
        """What of this may pass before the connection is cut; None if all of it may."""
        if way not in self._bytes_left:
            return None
        self._bytes_left[way] -= len(data)
        left = self._bytes_left[way]
        if left > 0:
            return None
        del self._bytes_left[way]
        return data[: len(data) + left]

    def _change(self, change: Callable[[], None]) -> None:
        self._portal.call(change)

    def _cut(self) -> None:
        for connection in list(self._connections):
            connection.reset()

    def _stall(self, *ways: Way) -> None:
        for way in ways or Way:
            if self.flowing[way].is_set():
                self.flowing[way] = anyio.Event()

    def _heal(self) -> None:
        self._mark = b""
        self.refusing = self.swallowing = False
        self.pause = 0.0
        self._bytes_left.clear()
        for flowing in self.flowing.values():
            flowing.set()

    async def _serve(self) -> None:
        async with anyio.create_task_group() as serving:
            while True:
                await anyio.wait_readable(self._listener)
                with suppress(BlockingIOError, ConnectionError):
                    client, _ = self._listener.accept()
                    serving.start_soon(self._take, client)

    async def _take(self, client: socket.socket) -> None:
        server = None if self.refusing else _connect(self._target)
        if server is None:
            _reset(client)
            return
        connection = _Connection(self, client, server)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)


class _Connection:
    """One client's, and the one to the server that is its other half."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.deaf = proxy.swallowing
        self._proxy = proxy
        self._client, self._server = client, server
        self._scope = anyio.CancelScope()
        self._closed = False
        for one in (client, server):
            one.settimeout(0)

    async def run(self) -> None:
        """Pass bytes on until both sides have ended, or either was reset."""
        try:
            with self._scope:
                async with anyio.create_task_group() as ways:
                    ways.start_soon(self._pass_on, self._client, self._server, Way.REQUESTS)
                    ways.start_soon(self._pass_on, self._server, self._client, Way.REPLIES)
        finally:
            self._client.close()
            self._server.close()

    def reset(self) -> None:
        """End it without a word to either side but RST."""
        for one in (self._client, self._server):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self._scope.cancel()

    def half_close(self) -> None:
        """FIN to the client; replies that come are dropped."""
        self._closed = True
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_WR)

    async def _pass_on(self, source: socket.socket, sink: socket.socket, way: Way) -> None:
        try:
            while data := await _receive(source):
                await self._pass(data, sink, way)
            if not self.deaf:
                sink.shutdown(socket.SHUT_WR)
            elif way is Way.REQUESTS:
                self._scope.cancel()  # the one who waits for an answer has given up
        except OSError:
            self.reset()

    async def _pass(self, data: bytes, sink: socket.socket, way: Way) -> None:
        await self._proxy.flowing[way].wait()
        if self._proxy.pause:
            await anyio.sleep(self._proxy.pause)
        if self.deaf or (self._closed and way is Way.REPLIES):
            return
        if way is Way.REQUESTS:
            self._proxy.look_for_mark(data)
        allowed = self._proxy.allow(data, way)
        await _send(sink, data if allowed is None else allowed)
        if allowed is not None:
            self.reset()


async def _receive(source: socket.socket) -> bytes:
    while True:
        await anyio.wait_readable(source)
        with suppress(BlockingIOError):
            return source.recv(_CHUNK)


async def _send(sink: socket.socket, data: bytes) -> None:
    left = memoryview(data)
    while left:
        await anyio.wait_writable(sink)
        with suppress(BlockingIOError):
            left = left[sink.send(left) :]


async def _flowing() -> dict[Way, anyio.Event]:
    flowing = {way: anyio.Event() for way in Way}
    for event in flowing.values():
        event.set()
    return flowing


def _connect(target: str) -> socket.socket | None:
    """A connection to the server; None where nobody listens."""
    parts = urlsplit(target)
    is_local = parts.scheme == "unix"
    one = socket.socket(socket.AF_UNIX if is_local else socket.AF_INET)
    try:
        one.connect(str(Path(parts.path)) if is_local else (parts.hostname, parts.port))
    except OSError:
        one.close()
        return None
    return one


def _reset(one: socket.socket) -> None:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    one.close()
