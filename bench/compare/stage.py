"""Where a peer plays: a server of its own, its producer and its worker.

The server listens on loopback and writes its append-only file to disk, below `TMPDIR`.
"""

import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio
import redis

from bench.compare.peers import Peer
from bench.compare.programs import Producer, Worker
from bench.compare.told import Told
from tests.support.leash import leashed
from tests.support.server import Server

_PASSED_ON: Final = ("PATH", "HOME", "LANG", "TMPDIR")


class Stage:
    """One measurement's.

    Attributes:
        peer: who plays.
        url: the server's.
        redis: a blocking client of the server.
        producer: submits and kills.
    """

    def __init__(self, peer: Peer, folder: Path, server: Server, cache: Path) -> None:
        self.peer = peer
        self.url = server.url
        self._told = Told(folder / "told")
        self.producer: Producer
        self.redis: Any = redis.Redis.from_url(server.url, decode_responses=True)
        self._folder = folder
        self._command, settings = peer.command(cache)
        self._environment = {
            **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            **settings,
            "COMPARE_URL": server.url,
            "COMPARE_TOLD": str(self._told.path),
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
    def worker(self, concurrency: int, jobs: int = 0) -> Iterator[Worker]:
        """A worker while the block runs; its jobs tell when so many have begun."""
        log = self._folder / "worker.log"
        with log.open("wb") as said:
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
            yield Worker(process, self._told, log)
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
        Server(tcp=True, config=config, on_disk=True) as server,
    ):
        stage = Stage(peer, Path(folder), server, cache)
        with stage.redis:
            async with stage.producing():
                yield stage
