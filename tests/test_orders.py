"""What each command does and answers, without the channel that brings it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from musterd.commands import parse
from musterd.errors import (
    AlreadyTerminalError,
    DeafError,
    ExistsError,
    MailboxFullError,
    NotFoundError,
    NotOfferedError,
    RejectedContextError,
    UnknownKindError,
)
from musterd.jsons import Json
from musterd.orders import Orders
from musterd.runtimes.base import Context
from tests.service.parts import Parts, claiming, make_kind, open_parts
from tests.support.fixtures import LoadSettings
from tests.support.wait import wait_until


async def forever(_: Context) -> None:
    """Run until stopped."""
    await anyio.sleep_forever()


class Commander:
    """Carries out commands for the parts of one daemon."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.drained = anyio.Event()
        self.orders = Orders(
            parts.store, parts.notes, parts.reads, parts.supervisor, parts.membership, self._drain
        )

    async def do(self, command: str, **fields: Any) -> dict[str, Json]:
        """Carry out one command; its result, empty if another daemon replies."""
        command_ = parse(json.dumps({"command": command} | fields))
        return await self.orders.carry_out(command_) or {}

    def _drain(self) -> None:
        self.parts.supervisor.drain()
        self.drained.set()


@pytest.fixture
async def commander(settings: LoadSettings) -> AsyncIterator[Commander]:
    """A daemon that runs agents and has no channel."""
    async with open_parts(settings(), make_kind(forever, "hold")) as parts, claiming(parts):
        await parts.nodes.offer({"hold": {"messages": 2}}, most=10)
        commander = Commander(parts)
        async with commander.orders.holding():
            yield commander


async def start(commander: Commander, task_id: str) -> str:
    """A task whose agent runs; the agent's id."""
    await commander.do("spawn", kind="hold", taskId=task_id)
    commander.parts.supervisor.wake()
    await wait_until(lambda: commander.parts.is_status(f"{task_id}.1", "running"))
    return f"{task_id}.1"


async def test_spawn_says_whether_it_made_the_task(commander: Commander) -> None:
    """The same again is no error; another context or an unknown kind is."""
    spawn = {"kind": "hold", "taskId": "t", "delay": 600}
    assert await commander.do("spawn", **spawn) == {"taskId": "t", "created": True}
    assert await commander.do("spawn", **spawn) == {"taskId": "t", "created": False}
    with pytest.raises(ExistsError):
        await commander.do("spawn", **spawn | {"context": 1})
    with pytest.raises(UnknownKindError):
        await commander.do("spawn", kind="strange", taskId="u")


async def test_spawn_of_what_the_kind_does_not_accept(commander: Commander) -> None:
    """Whoever hears it refuses it by the published schema; nothing is written."""
    await commander.parts.nodes.offer({"elsewhere": {"schema": {"required": ["url"]}}}, most=10)
    with pytest.raises(RejectedContextError) as caught:
        await commander.do("spawn", kind="elsewhere", taskId="t", context={})
    assert (caught.value.code, caught.value.field) == ("rejected", "context.url")
    with pytest.raises(NotFoundError):
        await commander.parts.task("t")


@pytest.mark.parametrize("target", ["agentId", "taskId"])
async def test_kill_of_an_agent_here_needs_no_message(commander: Commander, target: str) -> None:
    """It is written down and carried out at once, with the grace that was asked for."""
    agent_id = await start(commander, "t")
    actor = commander.parts.supervisor.crew.actors[agent_id]
    record_id = agent_id if target == "agentId" else "t"
    result = await commander.do("kill", **{target: record_id}, grace=0.125, reason="why", id=7)
    assert result == {"outcome": "requested", "id": agent_id}
    assert actor.context.grace == 0.125
    await wait_until(lambda: commander.parts.is_status("t", "failed"))
    assert (await commander.parts.task("t")).error == "why"
    assert await commander.do("kill", agentId=agent_id, id=7) == {
        "outcome": "ended",
        "id": agent_id,
    }
    with pytest.raises(AlreadyTerminalError):
        await commander.do("kill", agentId=agent_id, id=8)
    with pytest.raises(NotFoundError):
        await commander.do("kill", taskId="nobody")


async def test_kill_of_a_waiting_task_ends_it(commander: Commander) -> None:
    """There is no agent to be told."""
    await commander.do("spawn", kind="hold", taskId="t", delay=600)
    assert await commander.do("kill", taskId="t") == {"outcome": "failed", "id": "t"}


async def test_kill_of_many_counts_them(commander: Commander) -> None:
    """Live and waiting ones; none is no error."""
    await start(commander, "one")
    await commander.do("spawn", kind="hold", taskId="two", delay=600)
    assert await commander.do("kill", kind="other") == {"stopped": 0}
    assert await commander.do("kill", all=True) == {"stopped": 2}
    assert await commander.parts.redis.hkeys(commander.parts.keys.kills) == ["one.1"]
    assert (await commander.parts.task("two")).status == "failed"
    commander.parts.supervisor.crew.kill("one.1")
    await wait_until(lambda: commander.parts.is_status("one", "failed"))
    assert await commander.do("kill", all=True) == {"stopped": 0}


async def test_states_are_announced(commander: Commander) -> None:
    """Pause, resume and drain change the node's record and say what it is now."""
    node = commander.parts.keys.node(commander.parts.settings.node)
    for command, state in (("pause", "paused"), ("resume", "active"), ("drain", "draining")):
        assert await commander.do(command) == {"state": state}
        assert await commander.parts.redis.hget(node, "state") == state
        assert await commander.do("ping") == {"state": state}
    assert commander.drained.is_set()
    assert await commander.do("resume") == {"state": "draining"}


async def test_paused_kinds_are_announced(commander: Commander) -> None:
    """In the reply, in `status` and on the record; where there are none, nowhere."""
    redis, node = commander.parts.redis, commander.parts.keys.node(commander.parts.settings.node)
    told = {"state": "active", "pausedKinds": ["hold"]}
    assert await commander.do("pause", kind="hold") == told
    assert await redis.hget(node, "pausedKinds") == '["hold"]'
    assert (await commander.do("status"))["pausedKinds"] == ["hold"]
    with pytest.raises(NotOfferedError):
        await commander.do("pause", kind="strange")
    assert await commander.do("resume", kind="hold") == {"state": "active"}
    assert not await redis.hexists(node, "pausedKinds")
    assert "pausedKinds" not in await commander.do("status")


async def test_status_describes_the_daemon(commander: Commander) -> None:
    """As its record does, and how many agents of each kind are alive."""
    await start(commander, "t")
    status = await commander.do("status")
    assert (status["agents"], status["kinds"]) == (1, {"hold": 1})
    assert f"{status['node']}/{status['epoch']}" == commander.parts.owner


async def test_message_of_an_agent_here_is_kept(commander: Commander) -> None:
    """Its own daemon answers; what the agent's kind refuses, the sender is told."""
    agent_id = await start(commander, "t")
    for message in ({"a": 1}, None):
        assert await commander.do("message", agentId=agent_id, message=message) == {
            "agentId": agent_id
        }
    claim = commander.parts.supervisor.crew.actors[agent_id].claim
    kept = await commander.parts.notes.receive(agent_id, claim.token, "")
    assert [message.text for message in kept] == ['{"a":1}', "null"]
    with pytest.raises(MailboxFullError):
        await commander.do("message", agentId=agent_id, message=3)
    await commander.parts.redis.hdel(commander.parts.keys.kinds, "hold")
    with pytest.raises(DeafError):
        await commander.do("message", agentId=agent_id, message=3)


async def test_message_of_an_agent_elsewhere_is_anothers(commander: Commander) -> None:
    """Nothing is sent and nothing answered; unless there is no such agent, or it has ended."""
    agent_id = await start(commander, "t")
    actor = commander.parts.supervisor.crew.actors.pop(agent_id)
    assert await commander.do("message", agentId=agent_id, message=1) == {}
    assert not await commander.parts.redis.exists(commander.parts.keys.messages(agent_id))
    commander.parts.supervisor.crew.actors[agent_id] = actor
    await commander.do("kill", agentId=agent_id)
    await wait_until(lambda: agent_id not in commander.parts.supervisor.crew.actors)
    with pytest.raises(AlreadyTerminalError):
        await commander.do("message", agentId=agent_id, message=1)
    with pytest.raises(NotFoundError):
        await commander.do("message", agentId="strange.1", message=1)
