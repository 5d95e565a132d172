"""Reads `{P}:events:log` in order, and knows when it has missed something."""

from collections.abc import AsyncIterator
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from musterd.keys import Keys
from tests.checker.promises import VoidError

_BATCH = 1000


class RolledBackError(Exception):
    """Events that were read are not in the log any more: the server lost its last writes."""


class Log:
    """A reader's place in the log of one prefix; starts before the first event."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._key = Keys(prefix).events_log
        self._place = "0-0"
        self._count = 0

    async def read(self, last: str = "+") -> list[tuple[str, str]]:
        """The next entries, as id and event, a thousand at most and none after `last`.

        Raises:
            VoidError: entries after our place were trimmed away.
            RolledBackError: entries up to our place are gone, and not by trimming.
        """
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.xinfo_stream(self._key)
            pipe.xrange(self._key, self._place, self._place)
            pipe.xrange(self._key, f"({self._place}", last, count=_BATCH)
            info, here, entries = await pipe.execute(raise_on_error=False)
        if isinstance(info, ResponseError) and "no such key" in str(info):
            info = {"entries-added": 0, "length": 0}
        for answer in (info, here, entries):
            if isinstance(answer, ResponseError):
                raise answer
        self._check_place(info["entries-added"] - info["length"], is_here=bool(here))
        self._count += len(entries)
        self._place = entries[-1][0] if entries else self._place
        return _texts(entries)

    async def of_task(self, task_id: str) -> AsyncIterator[str]:
        """The task's events that the log has, as text; reads all of it."""
        start = "-"
        while entries := _texts(await self._redis.xrange(self._key, start, count=_BATCH)):
            for event_id, text in entries:
                if f'"{task_id}"' in text:
                    yield f"{event_id} {text[:300]}"
            start = f"({entries[-1][0]}"

    def _check_place(self, trimmed: int, *, is_here: bool) -> None:
        if trimmed > self._count:
            raise VoidError(
                f"{trimmed} events were trimmed away and {self._count} of them read before; "
                "follow from the start, or raise MUSTERD_EVENT_LOG_LENGTH"
            )
        if self._count > trimmed and not is_here:
            raise RolledBackError


def _texts(entries: Any) -> list[tuple[str, str]]:
    return [(event_id, fields.get("event", "")) for event_id, fields in entries]
