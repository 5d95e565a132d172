"""What a server has spent on a peer, counted by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import anyio
from redis.asyncio import Redis

_IN_SCRIPT: Final = "lua"


def cpu_seconds(client: Any) -> float:
    """Seconds of CPU since the server started, by a blocking client."""
    found = client.info("cpu")
    return float(found["used_cpu_user"] + found["used_cpu_sys"])


@dataclass(slots=True)
class Commands:
    """How many commands a server got.

    Attributes:
        wire: over the wire.
        inside: called by scripts.
    """

    wire: int = 0
    inside: int = 0


@asynccontextmanager
async def counted(url: str) -> AsyncIterator[Commands]:
    """Count while the block runs. The server slows down: it shows each command (MONITOR).

    Nothing cheaper tells the two apart: a server's own counters, those of a connection among them,
    take a command that a script calls for one that was sent.
    """
    commands = Commands()

    async def count() -> None:
        async for command in monitor.listen():
            if command["client_type"] == _IN_SCRIPT:
                commands.inside += 1
            else:
                commands.wire += 1

    async with (
        Redis.from_url(url) as client,
        client.monitor() as monitor,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(count)
        yield commands
        tasks.cancel_scope.cancel()
