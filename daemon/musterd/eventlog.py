"""Reading the event log: from a place on, without ever skipping in silence."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final

from redis.asyncio import Redis

from musterd import jsons, late_log, skipped
from musterd.errors import EventsTrimmedError
from musterd.keys import Keys
from musterd.records import Event

START: Final = "0-0"
"""The place before the first event."""

_PAGE: Final = 1000
_BLOCK_MS: Final = 1000


async def last_place(redis: Redis, keys: Keys) -> str:
    """The place of the newest event, from which a reader sees what comes after this call."""
    with _wanted(keys):
        newest = await redis.xrevrange(keys.events_log, count=1)
    return str(newest[0][0]) if newest else START


async def read(redis: Redis, keys: Keys, place: str, *, follow: bool) -> AsyncIterator[Event]:
    """The events after `place`; with `follow`, also those to come, for as long as one asks.

    Raises:
        EventsTrimmedError: events between the reader's place and the first one left are gone.
        BrokenRecordError: the log's key holds something else; so it is for all that read it.
    """
    while True:
        page = await _read_page(redis, keys, place)
        if not page and not follow:
            return
        if not page:  # only waits: what comes is read with the check for a gap before it
            with _wanted(keys):
                await redis.xread({keys.events_log: place}, count=1, block=_BLOCK_MS)
        for event in _events(page):
            yield event
        if page:
            place = page[-1][0]


async def latest(redis: Redis, keys: Keys, count: int, after: str = START) -> list[Event]:
    """The newest events, at most so many and none up to the place `after`; oldest first."""
    with _wanted(keys):
        found: Any = await redis.xrevrange(keys.events_log, min=f"({after}", count=count)
    return list(_events(reversed(found)))


async def at(redis: Redis, keys: Keys, times: Iterable[datetime]) -> list[Event]:
    """What was told in the milliseconds of these times: a record's times find its events."""
    async with redis.pipeline(transaction=False) as pipe:
        for milliseconds in sorted({round(time.timestamp() * 1000) for time in times}):
            pipe.xrange(keys.events_log, str(milliseconds), str(milliseconds), count=_PAGE)
        with _wanted(keys):
            found = await pipe.execute()
    return [event for page in found for event in _events(page)]


async def hear(redis: Redis, keys: Keys, limit: float) -> bool:
    """Whether something is told from now on within `limit` seconds; returns as soon as it is."""
    with _wanted(keys):
        return bool(await redis.xread({keys.events_log: "$"}, count=1, block=round(limit * 1000)))


async def _read_page(redis: Redis, keys: Keys, place: str) -> list[tuple[str, dict[str, str]]]:
    """The next events that are there; in one transaction with the check for a gap before them."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.xrange(keys.events_log, count=1)
        pipe.xread({keys.events_log: place}, count=_PAGE)
        with _wanted(keys):
            first, found = await pipe.execute()
    first_left = str(first[0][0]) if first else None
    if place != START and (first_left is None or _order(first_left) > _order(place)):
        raise EventsTrimmedError(place, first_left)
    return _entries(found)


def _wanted(keys: Keys) -> AbstractContextManager[None]:
    return skipped.wanted("events", keys.events_log, "stream")


def _events(entries: Iterable[tuple[str, dict[str, str]]]) -> Iterator[Event]:
    for entry, fields in entries:
        try:
            yield Event.read(entry, fields.get("event", ""))
        except jsons.JsonError as error:
            late_log.logger().warning("event skipped", place=entry, error=str(error))


def _entries(answer: Any) -> list[tuple[str, dict[str, str]]]:
    """The entries of the one stream in an XREAD answer of either protocol."""
    if not answer:
        return []
    if isinstance(answer, dict):
        (batches,) = answer.values()
        return [entry for batch in batches for entry in batch]
    return list(answer[0][1])


def _order(place: str) -> tuple[int, int]:
    milliseconds, _, number = place.partition("-")
    return int(milliseconds), int(number or 0)
