"""Where a measurement plays: a server, a client, and daemons, of its own.

The server listens on loopback and writes its append-only file to disk, below `TMPDIR`. A daemon is
`python -m musterd run` with default settings but its capacity; its log, JSON at `info`, goes to a
file.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from bench.listener import SOCKET, Listener
from musterd.client import Client
from musterd.settings import load
from tests.support.daemon import Daemon
from tests.support.server import Server

if TYPE_CHECKING:
    import redis

PREFIX: Final = "bench"


class Stage:
    """One measurement's.

    Attributes:
        server: the process.
        redis: a blocking client of the server.
        client: what submits and kills.
        listener: hears what agents tell.
    """

    def __init__(
        self, server: Server, redis: "redis.Redis", client: Client, listener: Listener
    ) -> None:
        self.server = server
        self.redis: Any = redis  # its stubs answer unions of all that a command may
        self.client = client
        self.listener = listener

    @asynccontextmanager
    async def daemon(
        self, capacity: int, agents: str = "bench.agents", node: str = "bench"
    ) -> AsyncIterator[Daemon]:
        """A daemon that is ready; it ends with the block."""
        env = {
            "MUSTERD_AGENTS": agents,
            "MUSTERD_CAPACITY": str(capacity),
            "MUSTERD_NODE": node,
            SOCKET: str(self.listener.path),
        }
        daemon = Daemon(self.server.url, PREFIX, env=env)
        with closing(daemon):
            daemon.start()
            await daemon.wait_ready()
            yield daemon

    def count(self, index: str) -> int:
        """How many are in an index, for example `tasks:completed`."""
        return int(self.redis.zcard(f"{PREFIX}:{index}"))


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """A fresh server with nothing on it."""
    config = {"appendonly": "yes", "appendfsync": "everysec"}
    with (
        TemporaryDirectory(prefix="musterd-bench-") as folder,
        Server(tcp=True, config=config, on_disk=True) as server,
        server.client() as blocking,
        Listener(Path(folder)) as listener,
    ):
        async with Client(load(url=server.url, prefix=PREFIX)) as client:
            yield Stage(server, blocking, client, listener)
