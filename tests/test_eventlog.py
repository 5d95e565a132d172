"""Reading the event log: every event once, or told that some are gone."""

from datetime import UTC, datetime

import anyio
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from musterd import eventlog
from musterd.errors import EventsTrimmedError
from musterd.keys import Keys
from tests.support.wait import wait_until


@pytest.fixture
def keys(prefix: str) -> Keys:
    """Of the test's prefix."""
    return Keys(prefix)


async def tell(redis: Redis, keys: Keys, *names: str) -> list[str]:
    """Append events of these types; their places."""
    return [await redis.xadd(keys.events_log, {"event": f'{{"type":"{name}"}}'}) for name in names]  # type: ignore[misc]  # XADD answers text here


async def types(redis: Redis, keys: Keys, place: str) -> list[str]:
    """The types of the events after a place."""
    return [event.type async for event in eventlog.read(redis, keys, place, follow=False)]


async def test_all_from_the_start(redis: Redis, keys: Keys) -> None:
    """In their order; over more than one page."""
    names = [f"e{number}" for number in range(2500)]
    async with redis.pipeline() as pipe:
        for name in names:
            pipe.xadd(keys.events_log, {"event": f'{{"type":"{name}"}}'})
        await pipe.execute()
    assert await types(redis, keys, eventlog.START) == names


async def test_empty_log(redis: Redis, keys: Keys) -> None:
    """Has no events and a place to start from."""
    assert await types(redis, keys, eventlog.START) == []
    assert await eventlog.last_place(redis, keys) == eventlog.START


async def test_resume_after_any_event(redis: Redis, keys: Keys) -> None:
    """What was seen is not told again, and nothing is left out."""
    places = await tell(redis, keys, "a", "b", "c")
    assert [await types(redis, keys, place) for place in places] == [["b", "c"], ["c"], []]
    assert await eventlog.last_place(redis, keys) == places[-1]


async def test_follow_brings_what_comes(redis: Redis, keys: Keys) -> None:
    """After what was there; each with the place to resume from."""
    await tell(redis, keys, "a")
    seen: list[tuple[str, str]] = []

    async def follow() -> None:
        async for event in eventlog.read(redis, keys, eventlog.START, follow=True):
            seen.append((event.place, event.type))  # noqa: PERF401 - each at once, as it comes

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        await wait_until(lambda: len(seen) == 1)
        places = await tell(redis, keys, "b", "c")
        await wait_until(lambda: len(seen) == 3)
        tasks.cancel_scope.cancel()
    assert seen[1:] == [(places[0], "b"), (places[1], "c")]


async def test_gap_is_told_with_what_is_left(redis: Redis, keys: Keys) -> None:
    """Never skipped in silence."""
    places = await tell(redis, keys, "a", "b", "c", "d")
    await redis.xtrim(keys.events_log, maxlen=1, approximate=False)
    with pytest.raises(EventsTrimmedError) as caught:
        await types(redis, keys, places[0])
    assert (caught.value.place, caught.value.first_left) == (places[0], places[3])
    assert await types(redis, keys, eventlog.START) == ["d"]


async def test_log_that_is_gone_is_a_gap(redis: Redis, keys: Keys) -> None:
    """Somebody deleted it, or the server lost it."""
    (place,) = await tell(redis, keys, "a")
    await redis.delete(keys.events_log)
    with pytest.raises(EventsTrimmedError, match="none are left"):
        await types(redis, keys, place)


async def test_gap_while_the_reader_was_slow(redis: Redis, keys: Keys) -> None:
    """It is looked for with every page, also in the middle of following."""
    await tell(redis, keys, "a")
    reader = eventlog.read(redis, keys, eventlog.START, follow=True)
    assert (await anext(reader)).type == "a"
    await tell(redis, keys, "b", "c")
    await redis.xtrim(keys.events_log, maxlen=1, approximate=False)
    with pytest.raises(EventsTrimmedError):
        await anext(reader)


async def test_gap_while_the_reader_waited(redis: Redis, keys: Keys) -> None:
    """Events come and go in one moment: what wakes the reader is not the first that it missed."""
    (place,) = await tell(redis, keys, "a")
    caught: list[EventsTrimmedError] = []

    async def follow() -> None:
        try:
            async for _ in eventlog.read(redis, keys, place, follow=True):
                pass
        except EventsTrimmedError as error:
            caught.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        await wait_until(lambda: waits(redis))
        async with redis.pipeline(transaction=True) as pipe:
            for name in "bcd":
                pipe.xadd(keys.events_log, {"event": f'{{"type":"{name}"}}'})
            pipe.xtrim(keys.events_log, maxlen=1, approximate=False)
            await pipe.execute()
    assert caught


async def waits(redis: Redis) -> bool:
    """Whether some client is blocked."""
    return int((await redis.info("clients"))["blocked_clients"]) > 0


async def test_broken_entry_is_skipped_aloud(redis: Redis, keys: Keys) -> None:
    """It is not ours; the events around it are read, and a warning names its place."""
    await tell(redis, keys, "a")
    broken = [
        await redis.xadd(keys.events_log, {"event": "{"}),
        await redis.xadd(keys.events_log, {"event": "[]"}),
        await redis.xadd(keys.events_log, {"other": "{}"}),
    ]
    await tell(redis, keys, "b")
    with capture_logs() as logged:
        assert await types(redis, keys, eventlog.START) == ["a", "b"]
    assert [line["place"] for line in logged] == broken
    assert {line["log_level"] for line in logged} == {"warning"}


async def test_broken_entry_at_the_end_is_passed_once(redis: Redis, keys: Keys) -> None:
    """A follower does not warn of it again and again."""
    await redis.xadd(keys.events_log, {"event": "{"})
    reader = eventlog.read(redis, keys, eventlog.START, follow=True)
    with capture_logs() as logged:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tell_when_waited_for, redis, keys)
            assert (await anext(reader)).type == "b"
    assert len(logged) == 1
    await reader.aclose()  # type: ignore[attr-defined]  # it is a generator


async def tell_when_waited_for(redis: Redis, keys: Keys) -> None:
    """Append an event as soon as somebody waits for it."""
    await wait_until(lambda: waits(redis))
    await tell(redis, keys, "b")


async def test_latest(redis: Redis, keys: Keys) -> None:
    """The newest, oldest first; none that was seen before."""
    places = await tell(redis, keys, "a", "b", "c", "d")
    assert [event.type for event in await eventlog.latest(redis, keys, 2)] == ["c", "d"]
    assert [event.type for event in await eventlog.latest(redis, keys, 9, places[1])] == ["c", "d"]
    assert await eventlog.latest(redis, keys, 9, places[-1]) == []


async def test_at_times(redis: Redis, keys: Keys) -> None:
    """What was told in some milliseconds, each once and in order; nothing of those beside them."""
    for place in ("1000-0", "1001-0", "1001-1", "1002-0", "2000-0"):
        await redis.xadd(keys.events_log, {"event": f'{{"type":"{place}"}}'}, id=place)
    times = [datetime.fromtimestamp(at, UTC) for at in (2.0, 1.001, 1.001)]
    found = [event.type for event in await eventlog.at(redis, keys, times)]
    assert found == ["1001-0", "1001-1", "2000-0"]
    assert await eventlog.at(redis, keys, []) == []


async def test_hear(redis: Redis, keys: Keys) -> None:
    """True as soon as something is told, false after a time without."""
    await tell(redis, keys, "before")
    assert not await eventlog.hear(redis, keys, 0.01)
    heard = []

    async def listen() -> None:
        heard.append(await eventlog.hear(redis, keys, 3))

    async def is_blocked() -> bool:
        return int((await redis.info("clients"))["blocked_clients"]) > 0

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await wait_until(is_blocked)
        await tell(redis, keys, "now")
    assert heard == [True]
