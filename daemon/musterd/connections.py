"""A daemon's connections to Valkey: how many, and for what."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from musterd import valkey
from musterd.committer import LANES
from musterd.control import HANDLERS
from musterd.link import Link
from musterd.probe import PATIENCE

READERS: Final = 4
"""Reads under way at once; further ones wait."""


RENEWED: Final = 1.0
"""Seconds after an outage within which everybody has renewed the leases."""


@dataclass(frozen=True, slots=True)
class Connections:
    """The clients of one daemon.

    Attributes:
        link: what is known of the way to the server.
        lanes: for steps, one for each lane and nobody else: so none that met a server which is
            being restored is handed on to a step that has to wait for that.
        reader: for reads; answers text.
        listener: for the subscription and replies; answers bytes.
        prober: for the probe alone, which has little patience.
    """

    link: Link
    lanes: Redis
    reader: Redis
    listener: Redis
    prober: Redis


@asynccontextmanager
async def opened(url: str, where: str, interval: float) -> AsyncIterator[Connections]:
    """The connections to `url`, closed at the end.

    Args:
        url: of the server.
        where: its name for people.
        interval: seconds between two renewals of a lease; two of them are left when one is due.
    """
    link = Link(where, borne=max(0.0, interval - RENEWED))
    async with AsyncExitStack() as stack:
        lanes = valkey.connect(url, connections=LANES, admits=link.admits)
        reader = valkey.connect(url, connections=READERS)
        listener = valkey.connect(url, connections=HANDLERS, decode=False)
        prober = valkey.connect(url, connections=1, patience=PATIENCE)
        for client in (lanes, reader, listener, prober):
            await stack.enter_async_context(client)
        yield Connections(link, lanes, reader, listener, prober)
