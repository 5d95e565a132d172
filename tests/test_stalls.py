"""An event loop that stands still."""

import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from structlog.testing import capture_logs

from musterd.runtimes.base import Context
from musterd.runtimes.coroutine import CoroutineRuntime
from musterd.stalls import LoopClock, Stalls
from tests.support.contexts import make_context
from tests.support.fixtures import StartDaemon
from tests.support.wait import wait_until

THRESHOLD = 0.2


@pytest.fixture
async def lines() -> AsyncIterator[list[Any]]:
    """What is logged while the loop is watched."""
    with capture_logs() as lines:
        async with anyio.create_task_group() as group:
            group.start_soon(Stalls(LoopClock(), THRESHOLD, 60.0, anyio.Event().set).run)
            await anyio.lowlevel.checkpoint()
            yield lines
            group.cancel_scope.cancel()


async def blocks(context: Context) -> None:
    """Do not give way for as long as the context says."""
    time.sleep(context.context)  # noqa: ASYNC251, that is what is watched


async def test_an_agent_that_blocks_is_named(lines: list[Any]) -> None:
    """While it lasts, with the place; and when it is over, with the time that it took."""
    await CoroutineRuntime(blocks).run(make_context(context=1.0))
    await wait_until(lambda: len(lines) == 2)
    during, after = lines
    assert during["event"] == "event loop is blocked"
    assert (during["task_id"], during["agent_id"]) == ("t1", "t1.1")
    assert during["at"][0].startswith("blocks (test_stalls.py:")
    assert THRESHOLD <= during["seconds"] < 0.9
    assert after["event"] == "event loop was blocked"
    assert 0.9 < after["seconds"] < 3


async def test_somebody_else_who_blocks_has_a_place(lines: list[Any]) -> None:
    """Where no agent can be told, the place is."""
    time.sleep(1.0)  # noqa: ASYNC251, that is what is watched
    await wait_until(lambda: len(lines) == 2)
    assert "agent_id" not in lines[0]
    assert lines[0]["at"][0].startswith("test_somebody_else")


async def test_each_time_is_told_once(lines: list[Any]) -> None:
    """Two blocks are two pairs of lines, however long they last."""
    for _ in range(2):
        before = len(lines)
        await blocks(make_context(context=0.8))
        await wait_until(lambda: len(lines) == before + 2)  # noqa: B023, waited for at once
    assert len(lines) == 4


async def test_a_loop_that_moves_is_not_told_of(lines: list[Any]) -> None:
    """Many short steps are no stall."""
    for _ in range(60):
        await blocks(make_context(context=0.01))
        await anyio.lowlevel.checkpoint()
    assert lines == []


async def test_a_daemon_that_was_stopped_names_nobody(start_daemon: StartDaemon) -> None:
    """SIGSTOP holds the thread that looks on as well: that the loop stood still is all it says."""
    daemon = await start_daemon(MUSTERD_HEARTBEAT_TTL="6")
    daemon.stop()
    until = time.monotonic() + 2
    await wait_until(lambda: time.monotonic() > until)
    daemon.cont()
    await wait_until(lambda: "event loop was blocked" in daemon.log_text())
    assert "event loop is blocked" not in daemon.log_text()
