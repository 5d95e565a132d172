"""The rounds: each duty in its turn, again and again; a fault in one leaves the others alone."""

import anyio
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from musterd.errors import BrokenRecordError
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
            group.start_soon(Rounds(0.01, parts.store, parts.troubles, refuse, fail, work).run)
            await wait_until(lambda: len(done) == 2)
            group.cancel_scope.cancel()
    assert [line["log_level"] for line in lines[:4]] == ["warning"] * 2 + ["debug"] * 2
    assert [line["part"].rpartition(".")[2] for line in lines[:4]] == ["refuse", "fail"] * 2
