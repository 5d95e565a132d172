"""Feels whether the server answers, and drops what went deaf while it did not.

A connection whose bytes were lost on the way is never closed by anybody: a call on it would wait
for its whole timeout, and a subscription for its next silence, though the server is back. So one
connection is asked again and again, with little patience; when it is answered after a silence, all
others that have been silent since are made anew. It never judges whether a step was taken.
"""

import time
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
        clients: whose connections are dropped after one, where they have gone deaf.
    """

    def __init__(self, redis: Redis, link: Link, *clients: Redis) -> None:
        self._redis = redis
        self._link = link
        self._clients = clients

    async def run(self) -> None:
        """Beat; see above."""
        silent_since: float | None = None
        while True:
            began = time.monotonic()
            fault = await self._beat()
            if fault is None and silent_since is not None:
                await self._break_silence(silent_since)
                silent_since = None
            elif fault is not None:
                now = time.monotonic()
                if silent_since is None:
                    self._link.failed(fault, now - began)
                silent_since = now
            await anyio.sleep(INTERVAL)

    async def _break_silence(self, since: float) -> None:
        """Part with what went deaf; a call on one connection may long be answered on another."""
        await anyio.sleep(SPARED)
        for client in self._clients:
            await drop_connections(client, since)
        self._link.ask()

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
