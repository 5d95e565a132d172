"""Every pair of states against the contract's table, which stands here once more."""

import pytest
from redis.asyncio import Redis

from musterd import states
from tests.support.world import TTL_MS, World

pytestmark = pytest.mark.leaves_work("a refused step leaves its record live")

TASK = {
    "pending": {"assigned", "failed"},
    "assigned": {"executing", "failed"},
    "executing": {"completed", "failed"},
    "completed": set[str](),
    "failed": {"pending"},
}
AGENT = {
    "spawning": {"running", "failed", "killed"},
    "running": {"completed", "failed", "killed"},
    "completed": set[str](),
    "failed": set[str](),
    "killed": set[str](),
}
ENDED = {"completed", "failed", "killed"}


@pytest.fixture
def world(redis: Redis, prefix: str) -> World:
    """The test's prefix on the shared server."""
    return World(redis, prefix)


def test_tables_are_those_of_the_contract() -> None:
    """Each legal step, and no other."""
    assert states.TASK_STEPS == TASK
    assert states.AGENT_STEPS == AGENT
    assert {state for state, targets in AGENT.items() if not targets} == states.AGENT_ENDED
    assert TASK.keys() == states.TASK_LIVE | states.TASK_ENDED
    assert AGENT.keys() == states.AGENT_LIVE | states.AGENT_ENDED


def test_reasons_are_those_of_the_contract() -> None:
    """And a kill and a rejection are the two that no other attempt follows."""
    reasons = {"error", "timeout", "killed", "lost", "rejected", "shutdown", "oom"}
    assert set(states.Reason) == reasons
    assert {"killed", "rejected"} == states.FINAL_REASONS


def test_lua_gets_the_same_tables() -> None:
    """What the scripts check against is made from the Python tables, not written twice."""
    source = states.lua()
    assert "pending={assigned=true,failed=true}" in source
    assert "completed={}" in source
    assert "local FINAL_REASONS = {killed=true,rejected=true}" in source


async def force(world: World, key: str, index: str, record_id: str, status: str) -> None:
    """Put a record into a state by hand, with its entry in the index."""
    before = await world.redis.hget(key, "status")
    await world.redis.hset(key, "status", status)
    await world.redis.zrem(f"{index}{before}", record_id)
    await world.redis.zadd(f"{index}{status}", {record_id: 1})
    await world.redis.pexpire(key, TTL_MS)  # as of those that have ended


@pytest.mark.parametrize("source", AGENT)
@pytest.mark.parametrize("target", ["running", "completed", "failed", "killed"])
async def test_each_step_of_an_agent(world: World, source: str, target: str) -> None:
    """A legal step is taken; an illegal one names both states and changes nothing.

    Into `spawning` leads only a claim, which makes a new agent. The same state again is the answer
    to a step whose first answer was lost.
    """
    agent_id, token = await world.spawned()
    task_status = "executing" if target == "completed" else "assigned"
    await force(world, world.keys.task("t"), world.keys.tasks(""), "t", task_status)
    await force(world, world.keys.agent(agent_id), world.keys.agents(""), agent_id, source)
    before = await world.dump()
    if target == "running":
        reply = await world.step("start", agent_id, token)
    else:
        reply = await world.finish(agent_id, token, target, reason="error")
    if target in AGENT[source]:
        assert reply[0] == "ok"
        assert (await world.agent())["status"] == target
        return
    assert await world.dump() == before
    if source == target or (source == "killed" and target in ENDED):
        assert reply[0] == "ok"
    else:
        assert reply == ["illegal", source, target]


@pytest.mark.parametrize("source", TASK)
async def test_a_task_begins_to_execute_from_assigned_alone(world: World, source: str) -> None:
    """The agent's own step would be legal; the task's decides as well."""
    agent_id, token = await world.spawned()
    await force(world, world.keys.task("t"), world.keys.tasks(""), "t", source)
    before = await world.dump()
    reply = await world.step("start", agent_id, token)
    await judge_task(world, source, "executing", reply, before)


@pytest.mark.parametrize("source", TASK)
@pytest.mark.parametrize("target", ["completed", "failed"])
async def test_each_ending_of_a_task(world: World, source: str, target: str) -> None:
    """An agent's ending is refused as a whole if its task may not end so."""
    agent_id, token = await world.running()
    await force(world, world.keys.task("t"), world.keys.tasks(""), "t", source)
    before = await world.dump()
    reply = await world.finish(agent_id, token, target, reason="rejected")
    await judge_task(world, source, target, reply, before)


@pytest.mark.parametrize("source", TASK)
async def test_each_retry_of_a_task(world: World, source: str) -> None:
    """A retry is two steps, → failed → pending, and needs both."""
    agent_id, token = await world.running(attempts=3)
    await force(world, world.keys.task("t"), world.keys.tasks(""), "t", source)
    before = await world.dump()
    reply = await world.fail(agent_id, token)
    if "failed" in TASK[source]:
        assert reply == ["ok", "failed", "pending"]
        assert (await world.task())["status"] == "pending"
    else:
        assert reply == ["illegal", source, "failed"]
        assert await world.dump() == before


@pytest.mark.parametrize("source", TASK)
async def test_only_a_pending_task_is_assigned(world: World, source: str) -> None:
    """An id in a queue whose record is in another state is put aside; the record stays as it is."""
    await world.register()
    await world.submit()
    await force(world, world.keys.task("t"), world.keys.tasks(""), "t", source)
    before = await world.task()
    reply = await world.claim_reply()
    assert await world.queue() == []
    if "assigned" in TASK[source]:
        assert (await world.task())["status"] == "executing"  # by way of `assigned`
    else:
        assert reply == ["ok", -1, ["t"], []]
        assert await world.task() == before
        assert await world.told() == ["task.pending"]


@pytest.mark.parametrize("source", TASK)
async def test_a_kill_ends_only_a_pending_task_by_itself(world: World, source: str) -> None:
    """Of a live one its agent is asked to stop; one that has ended is left alone."""
    await world.running()
    await force(world, world.keys.task("t"), world.keys.tasks(""), "t", source)
    before = await world.dump(without=[world.keys.kills])
    reply = await world.kill("t")
    if source == "pending":
        assert reply == ["ok", "failed", "t"]
        assert (await world.task())["status"] == "failed"
        return
    expected = ["ended", source] if source in ENDED else ["ok", "requested", "t.1", "n1"]
    assert reply == expected
    assert await world.dump(without=[world.keys.kills]) == before


@pytest.mark.parametrize("source", AGENT)
async def test_only_a_live_agent_is_settled(world: World, source: str) -> None:
    """Of one that has ended only what still points at it is struck off."""
    agent_id, _ = await world.running()
    await force(world, world.keys.agent(agent_id), world.keys.agents(""), agent_id, source)
    before = await world.agent()
    await world.succeed_itself()
    reply = await world.step("settle", agent_id, "n1", "e1", epoch="e2")
    if "failed" in AGENT[source]:
        assert reply == ["ok", "failed", "failed"]
    else:
        assert reply == ["ok", "", ""]
        assert await world.agent() == before
        assert not await world.redis.exists(world.keys.owned("n1"), world.keys.heartbeat(agent_id))


async def judge_task(world: World, source: str, target: str, reply: object, before: object) -> None:
    """Hold what a step answered and left to the contract's table."""
    if target in TASK[source]:
        assert (await world.task())["status"] == target
    else:
        assert reply == ["illegal", source, target]
        assert await world.dump() == before
