"""start: the agent runs, its task executes."""

import pytest

from tests.support.world import World

pytestmark = pytest.mark.leaves_work("a started task is live")


async def test_both_records_and_both_events(world: World) -> None:
    """Of one moment, the agent's first."""
    agent_id, token = await world.spawned()
    assert await world.step("start", agent_id, token) == ["ok"]
    agent, task = await world.agent(), await world.task()
    assert (agent["status"], task["status"]) == ("running", "executing")
    assert agent["startedAt"] == agent["updatedAt"] == task["updatedAt"]
    told = {"taskId": "t", "agentId": "t.1", "kind": "check", "node": "n1", "attempt": 1}
    moment = {"timestamp": agent["startedAt"]}
    assert (await world.events())[-2:] == [
        {"type": kind} | told | moment for kind in ("agent.running", "task.executing")
    ]
    await world.check()


async def test_twice_is_once(world: World) -> None:
    """The same answer, nothing written, nothing told."""
    agent_id, token = await world.running()
    before = await world.dump()
    assert await world.step("start", agent_id, token) == ["ok"]
    assert await world.dump() == before


@pytest.mark.parametrize("wrong", ["node", "epoch", "token"])
async def test_only_the_owner_starts(world: World, wrong: str) -> None:
    """Node, epoch and token must all be those of the claim."""
    agent_id, token = await world.spawned()
    before = await world.dump()
    given = "x" if wrong == "token" else token
    caller = {} if wrong == "token" else {wrong: "other"}
    assert await world.step("start", agent_id, given, **caller) == ["not_owner"]
    assert await world.dump() == before


async def test_agent_that_is_not_there(world: World) -> None:
    """Is no agent to start."""
    assert await world.step("start", "t.1", "x") == ["not_found"]
    assert await world.dump() == {}


async def test_kill_that_came_first_forbids_the_start(world: World) -> None:
    """Nothing is written; the ending that follows is `killed`."""
    agent_id, token = await world.spawned()
    await world.kill(agent_id)
    before = await world.dump()
    assert await world.step("start", agent_id, token) == ["kill"]
    assert await world.dump() == before
    assert await world.finish(agent_id, token, "killed") == ["ok", "killed", "failed"]


async def test_task_that_is_gone_or_has_moved_on(world: World) -> None:
    """Its agent cannot start."""
    agent_id, token = await world.spawned()
    await world.redis.hset(world.keys.task("t"), "agentId", "t.2")
    before = await world.dump()
    assert (await world.step("start", agent_id, token))[0] == "broken"
    assert await world.dump() == before
    await world.redis.delete(world.keys.task("t"))
    assert (await world.step("start", agent_id, token))[0] == "broken"
