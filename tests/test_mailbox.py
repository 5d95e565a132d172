"""Messages on their way to an agent."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from structlog.testing import capture_logs

from musterd.moves import Claim
from musterd.runtimes.base import Context
from tests.service.parts import EPOCH, Parts, make_kind, open_parts
from tests.support.fixtures import LoadSettings
from tests.support.pace import within
from tests.support.wait import wait_until


async def nothing(_: Context) -> None:
    """Never run here."""


class Correspondent:
    """An agent that runs, and whoever writes to it."""

    def __init__(self, parts: Parts, claim: Claim) -> None:
        self.parts = parts
        self.claim = claim
        self.mailbox = parts.desks.open(claim).messages

    async def send(self, *messages: Any) -> None:
        """Send some; nobody rings."""
        for number, message in enumerate(messages):
            await self.parts.notes.send(self.claim.agent_id, f"{message}.{number}", message)

    async def take(self, count: int) -> list[Any]:
        """The next messages."""
        with anyio.fail_after(within(5)):
            return [await anext(self.mailbox) for _ in range(count)]


@pytest.fixture
async def agent(settings: LoadSettings) -> AsyncIterator[Correspondent]:
    """An agent for which 500 messages may wait."""
    near = settings()
    async with open_parts(near, make_kind(nothing)) as parts:
        await parts.nodes.offer({"work": {"messages": 500}}, most=10)
        await parts.submit()
        claim = await parts.claim()
        await parts.store.start(claim.agent_id, claim.token)
        yield Correspondent(parts, claim)
        await parts.store.settle([claim.agent_id], near.node, ended=[EPOCH])


async def test_messages_come_once_in_their_order(agent: Correspondent) -> None:
    """More than one fetch brings, and of every kind of JSON."""
    messages = [None, "é", {"a": [1]}, *range(250)]
    await agent.send(*messages)
    assert await agent.take(len(messages)) == messages


async def test_bell_wakes_who_waits(agent: Correspondent) -> None:
    """Nothing is there, then it is rung; a bell for nothing brings nothing."""
    taken = list[Any]()

    async def read() -> None:
        async for message in agent.mailbox:
            taken.append(message)

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        agent.parts.desks.ring_all()
        await anyio.wait_all_tasks_blocked()
        await agent.send("hello")
        assert taken == []
        agent.parts.desks.ring(agent.claim.agent_id)
        await wait_until(lambda: taken == ["hello"])
        group.cancel_scope.cancel()


async def test_taken_once_the_next_is_asked_for(agent: Correspondent) -> None:
    """Then it is on the record, and its place in the mailbox is free."""
    await agent.send("a")
    await agent.take(1)
    key = agent.parts.keys.agent(agent.claim.agent_id)
    assert await agent.parts.redis.hget(key, "taken") is None
    await agent.send("b")
    await agent.take(1)
    ((left, _),) = await agent.parts.redis.xrange(agent.parts.keys.messages(agent.claim.agent_id))
    taken = await agent.parts.redis.hget(key, "taken")
    assert taken is not None
    assert taken < left


async def test_cancelled_wait_loses_nothing(agent: Correspondent) -> None:
    """Whoever waits with a limit gets the message with the next try."""
    await agent.send(*range(20))
    taken = list[Any]()
    for delay in range(200):
        with anyio.move_on_after(delay / 20_000):
            taken.append(await anext(agent.mailbox))
        if len(taken) == 20:
            break
    assert taken + await agent.take(20 - len(taken)) == list(range(20))


async def test_readers_share_the_messages(agent: Correspondent) -> None:
    """Each message is for one of them, and none of them sleeps on."""
    taken = list[Any]()

    async def read() -> None:
        async for message in agent.mailbox:
            taken.append(message)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        for turn in range(5):
            await agent.send(*range(turn * 10, turn * 10 + 10))
            agent.mailbox.ring()
            await wait_until(lambda turn=turn: len(taken) >= turn * 10 + 10)  # type: ignore[misc]  # mypy takes the default for a parameter
        group.cancel_scope.cancel()
    assert sorted(taken) == list(range(50))


async def test_what_is_no_message_is_skipped(agent: Correspondent) -> None:
    """Somebody wrote it by hand; it is named, and those behind it come."""
    key = agent.parts.keys.messages(agent.claim.agent_id)
    await agent.send(1)
    await agent.parts.redis.xadd(key, {"id": "x", "message": "no JSON"})
    await agent.parts.redis.xadd(key, {"strange": "entry"})
    await agent.send(2)
    with capture_logs() as lines:
        assert await agent.take(2) == [1, 2]
    assert [line["event"] for line in lines] == ["message skipped"] * 2


async def test_broken_key_is_tried_again(agent: Correspondent) -> None:
    """It is named; once it is mended the messages come."""
    key = agent.parts.keys.messages(agent.claim.agent_id)
    await agent.parts.redis.set(key, "nonsense")
    with capture_logs() as lines:
        async with anyio.create_task_group() as group:
            group.start_soon(agent.take, 1)
            await wait_until(lambda: lines)
            await agent.parts.redis.delete(key)
            await agent.send(1)
            agent.mailbox.ring()
    assert [line["event"] for line in lines] == ["messages not read"]


async def test_plain_loop_is_refused(agent: Correspondent) -> None:
    """With what to write instead."""
    with pytest.raises(TypeError, match="async for"):
        for _ in agent.mailbox:
            pass
