"""The rounds: each duty in its turn, again and again; a fault in one leaves the others alone."""

import anyio
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from musterd.errors import BrokenRecordError
from musterd.link import Link
from musterd.rounds import Rounds
from tests.service.parts import open_parts
from tests.support.fixtures import LoadSettings
from tests.support.wait import wait_until


async def test_fault_in_one_duty_leaves_the_others(settings: LoadSettings) -> None:
    """It is told once, with the name of the duty; the round goes on, and the next one comes."""
    done: list[int] = []

    async def refuse() -> None:
        raise BrokenRecordError("a key", "is nonsense")

    async def fail() -> None:
        raise ResponseError("WRONGTYPE")

    async def work() -> None:
        done.append(len(done))

    with capture_logs() as lines:
        async with open_parts(settings()) as parts, anyio.create_task_group() as group:
            duties = (refuse, fail, work)
            rounds = Rounds(0.01, parts.store, parts.link, parts.troubles, *duties)
            group.start_soon(rounds.run)
            await wait_until(lambda: len(done) >= 2)
            group.cancel_scope.cancel()
    assert [line["log_level"] for line in lines[:4]] == ["warning"] * 2 + ["debug"] * 2
    assert [line["part"].rpartition(".")[2] for line in lines[:4]] == ["refuse", "fail"] * 2


async def test_outage_is_not_told_by_each_duty(settings: LoadSettings) -> None:
    """A connection that fails is the link's to tell, until it fails a duty that is alone in it."""
    done: list[int] = []
    link = Link("v")

    async def fail() -> None:
        raise RedisConnectionError("gone")

    async def work() -> None:
        done.append(len(done))

    with capture_logs() as lines:
        async with open_parts(settings()) as parts, anyio.create_task_group() as group:
            link.failed(RedisConnectionError("gone"))
            group.start_soon(Rounds(0.01, parts.store, link, parts.troubles, fail, work).run)
            await wait_until(lambda: len(done) >= 3)
            assert lines == []
            link.answered()
            await wait_until(lambda: lines)
            group.cancel_scope.cancel()
    assert (lines[0]["log_level"], lines[0]["event"]) == ("warning", "a recurring duty failed")
