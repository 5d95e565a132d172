"""Feels whether the server answers, and drops what went deaf while it did not.

A connection whose bytes were lost on the way is never closed by anybody: a call on it would wait
for its whole timeout, and a subscription for its next silence, though the server is back. So one
connection is asked again and again, with little patience; when it is answered after a silence, all
others are made anew. It never judges whether a step was taken.
"""

from typing import Final

import anyio
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from musterd.link import Link
from musterd.valkey import FAULTS, drop_connections

INTERVAL: Final = 0.25
"""Seconds between two beats."""

PATIENCE: Final = 0.5
"""Seconds in which a beat is answered; a batch keeps the server busy for a few milliseconds."""

LATE: Final = 0.1
"""Seconds after its patience at which a beat that failed says nothing: we were held up ourselves,
and its answer may lie unread."""

SPARED: Final = 0.1
"""Seconds after a silence in which what was only held up arrives by itself."""


class Probe:
    """Beats until cancelled.

    Args:
        redis: a client of its own, with one connection and `PATIENCE` as its timeout.
        link: told of a silence.
        clients: whose connections are dropped after one.
    """

    def __init__(self, redis: Redis, link: Link, *clients: Redis) -> None:
        self._redis = redis
        self._link = link
        self._clients = clients

    async def run(self) -> None:
        """Beat; see above."""
        silent = False
        while True:
            fault = await self._beat()
            if fault is None and silent:
                await anyio.sleep(SPARED)
                if not self._link.up:  # else all were closed, and are made anew already
                    self._link.interrupted()
                    for client in self._clients:
                        await drop_connections(client)
            elif fault is not None and not silent:
                self._link.failed(fault)
            silent = fault is not None
            await anyio.sleep(INTERVAL)

    async def _beat(self) -> Exception | None:
        """Ask once; what went wrong, None if there was an answer, whatever it was."""
        while True:
            began = anyio.current_time()
            try:
                await self._redis.ping()
            except ResponseError:
                return None
            except FAULTS as error:
                if anyio.current_time() - began <= PATIENCE + LATE:
                    return error
            else:
                return None
