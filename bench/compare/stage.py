"""Where a peer plays: a server of its own, its producer and its worker.

The server listens on loopback and writes its append-only file.
"""

import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

import anyio
import redis
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

from bench.compare.peers import Peer
from bench.compare.told import Told
from tests.support.leash import leashed
from tests.support.server import Server

PATIENCE: Final = 300.0
"""Seconds after which a program that does not answer has failed."""

_LONGEST: Final = 2**24
_TAIL: Final = 1500
_PASSED_ON: Final = ("PATH", "HOME", "LANG", "TMPDIR")


class PeerError(Exception):
    """A program of a peer has ended, or says nothing.

    Args:
        what: it did not do.
        log: what it wrote.
    """

    def __init__(self, what: str, log: Path) -> None:
        super().__init__(f"{what}; it said:\n{log.read_text(errors='replace')[-_TAIL:]}")


class Producer:
    """A peer's process that submits and kills; see `drivers/peer.py` for its orders."""

    def __init__(self, process: Process, log: Path) -> None:
        self._orders = cast("ByteSendStream", process.stdin)  # both are pipes
        self._replies = BufferedByteReceiveStream(cast("ByteReceiveStream", process.stdout))
        self._log = log

    async def ask(self, do: str, **fields: float) -> Any:
        """Have an order carried out; its reply.

        Raises:
            PeerError: there was none.
        """
        await self._orders.send(json.dumps({"do": do, **fields}).encode() + b"\n")
        try:
            with anyio.fail_after(PATIENCE):
                return json.loads(await self._replies.receive_until(b"\n", _LONGEST))
        except (anyio.IncompleteRead, TimeoutError) as error:
            raise PeerError(f"the producer did not answer {do!r}", self._log) from error


class Stage:
    """One measurement's.

    Attributes:
        peer: who plays.
        url: the server's.
        redis: a blocking client of the server.
        told: what the peer's jobs tell.
        producer: submits and kills.
    """

    def __init__(self, peer: Peer, folder: Path, server: Server, cache: Path) -> None:
        self.peer = peer
        self.url = server.url
        self.told = Told(folder / "told")
        self.producer: Producer
        self.redis: Any = redis.Redis.from_url(server.url, decode_responses=True)
        self._folder = folder
        self._command, settings = peer.command(cache)
        self._environment = {
            **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            **settings,
            "COMPARE_URL": server.url,
            "COMPARE_TOLD": str(self.told.path),
            "MUSTERD_STATE_DIR": str(folder / "state"),
            "PYTHONWARNINGS": "ignore",
            "VALKEY_URL": server.url,
        }

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[None]:
        """The producer is there while the block runs."""
        log = self._folder / "producer.log"
        with log.open("wb") as said:
            process = await anyio.open_process(
                leashed([*self._command, "produce"]),
                cwd=self._folder,
                env=self._environment,
                stderr=said,
            )
        try:
            self.producer = Producer(process, log)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
                process.kill()
            with anyio.CancelScope(shield=True):
                await process.aclose()

    @contextmanager
    def worker(self, concurrency: int, jobs: int = 0) -> Iterator[int]:
        """A worker while the block runs, as its process id; jobs tell when so many have begun."""
        with (self._folder / "worker.log").open("wb") as said:
            process = subprocess.Popen(
                leashed([*self._command, "work"]),
                cwd=self._folder,
                env={
                    **self._environment,
                    "COMPARE_CONCURRENCY": str(concurrency),
                    "COMPARE_JOBS": str(jobs),
                },
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        try:
            yield process.pid
        except AssertionError as error:
            raise PeerError(str(error), self._folder / "worker.log") from error
        finally:
            process.kill()
            process.wait()

    def ended(self) -> int:
        """How many endings the server holds, for a peer that writes them down."""
        return int(self.redis.zcard(self.peer.endings))


@asynccontextmanager
async def staged(peer: Peer, cache: Path, fsync: str) -> AsyncIterator[Stage]:
    """A fresh server with nothing on it, and the peer's producer."""
    config = {"appendonly": "yes", "appendfsync": fsync}
    with (
        TemporaryDirectory(prefix="musterd-compare-") as folder,
        Server(tcp=True, config=config) as server,
    ):
        stage = Stage(peer, Path(folder), server, cache)
        with stage.redis:
            async with stage.producing():
                yield stage
