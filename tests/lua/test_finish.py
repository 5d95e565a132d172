"""finish: the one ending of an attempt, and what becomes of its task."""

from dataclasses import replace

import pytest

from tests.support.world import KIND, World

pytestmark = pytest.mark.leaves_work("a retried task waits")

REASONS = {
    "error": "pending",
    "timeout": "pending",
    "lost": "pending",
    "shutdown": "pending",
    "oom": "pending",
    "rejected": "failed",
    "killed": "failed",
}


async def test_completed_ends_both(world: World) -> None:
    """Both records hold the result and expire; what pointed at the agent is gone."""
    agent_id, token = await world.running()
    reply = await world.finish(agent_id, token, result='{"n":[1,2]}')
    assert reply == ["ok", "completed", "completed"]
    agent, task = await world.agent(), await world.task()
    assert agent["result"] == task["result"] == '{"n":[1,2]}'
    assert agent["completedAt"] == agent["updatedAt"] == task["updatedAt"]
    assert not {"error", "reason"} & (agent.keys() | task.keys())
    for key in (world.keys.agent(agent_id), world.keys.task("t")):
        assert 0 < await world.redis.pttl(key) <= 60_000
    gone = (world.keys.heartbeat(agent_id), world.keys.owned("n1"), world.keys.queue(KIND))
    assert await world.redis.exists(*gone) == 0
    await world.check()


@pytest.mark.parametrize("killed", [False, True])
async def test_processor_time(world: World, *, killed: bool) -> None:
    """It is the attempt's: its agent's record holds it, also where a kill decides the ending."""
    agent_id, token = await world.running()
    if killed:
        await world.kill(agent_id)
    await world.step("finish", agent_id, token, "completed", "", "", "", 0, "1.250")
    assert (await world.agent())["cpuSeconds"] == "1.250"
    assert "cpuSeconds" not in await world.task()
    await world.check()


async def test_events_of_an_ending(world: World) -> None:
    """The agent's, then the task's, of one moment; the result is JSON in JSON, not a text."""
    agent_id, token = await world.running()
    await world.finish(agent_id, token, result='{"n":1}')
    moment = (await world.agent())["completedAt"]
    told = {"taskId": "t", "agentId": agent_id, "kind": KIND, "node": "n1", "attempt": 1}
    told |= {"timestamp": moment}
    assert (await world.events())[-2:] == [
        {"type": kind, "result": {"n": 1}} | told for kind in ("agent.completed", "task.completed")
    ]


async def test_events_of_a_final_failure(world: World) -> None:
    """With error and reason; `final` is on the task's alone."""
    agent_id, token = await world.running()
    await world.finish(agent_id, token, "failed", reason="error", error='it "broke"\n/ü\x01')
    agent, task = (await world.events())[-2:]
    assert agent["error"] == task["error"] == 'it "broke"\n/ü\x01'
    assert agent["reason"] == task["reason"] == "error"
    assert ("final" in agent, task["final"]) == (False, True)
    await world.check()


@pytest.mark.parametrize("status", ["completed", "failed", "killed"])
async def test_twice_is_once(world: World, status: str) -> None:
    """The same answer, nothing written, nothing told."""
    agent_id, token = await world.running()
    first = await world.finish(agent_id, token, status, reason="killed")
    before = await world.dump()
    assert await world.finish(agent_id, token, status, reason="killed") == first
    assert await world.dump() == before


async def test_twice_is_once_after_a_retry(world: World) -> None:
    """Also while the next attempt runs."""
    agent_id, token = await world.running(attempts=2)
    assert await world.fail(agent_id, token) == ["ok", "failed", "pending"]
    await world.claim()
    before = await world.dump()
    assert await world.fail(agent_id, token) == ["ok", "failed", "executing"]
    assert await world.dump() == before


@pytest.mark.parametrize("wrong", ["node", "epoch", "token"])
async def test_only_the_owner_finishes(world: World, wrong: str) -> None:
    """Node, epoch and token must all be those of the claim."""
    agent_id, token = await world.running()
    before = await world.dump()
    given = "x" if wrong == "token" else token
    caller = {} if wrong == "token" else {wrong: "other"}
    step = ("finish", agent_id, given, "completed", "", "", "", 0)
    assert await world.step(*step, **caller) == ["not_owner"]
    assert await world.dump() == before


@pytest.mark.parametrize(("reason", "after"), REASONS.items())
async def test_each_reason_while_attempts_are_left(world: World, reason: str, after: str) -> None:
    """A kill and a rejection are final; everything else is tried again."""
    agent_id, token = await world.running(attempts=2)
    status = "killed" if reason == "killed" else "failed"
    reply = await world.finish(agent_id, token, status, reason=reason, error="it broke")
    assert reply == ["ok", status, after]
    assert (await world.task())["status"] == after
    assert ("reason" in await world.task()) == (after == "failed")
    await world.check()


async def test_failure_and_retry_are_one_script(world: World) -> None:
    """Three events in a row, of one moment; then the task waits as if it were new."""
    agent_id, token = await world.running(attempts=2)
    await world.fail(agent_id, token)
    ending = (await world.events())[-3:]
    assert [event["type"] for event in ending] == ["agent.failed", "task.failed", "task.pending"]
    assert len({event["timestamp"] for event in ending}) == 1
    assert ending[1]["final"] is False
    task = await world.task()
    assert task["status"] == "pending"
    assert not {"error", "reason", "result"} & task.keys()
    assert await world.queue() == ["t"]
    assert await world.redis.pttl(world.keys.task("t")) == -1


async def test_attempts_are_counted_to_the_end(world: World) -> None:
    """The last one's failure is final."""
    await world.register()
    await world.submit(attempts=3)
    for attempt, after in enumerate(["pending", "pending", "failed"], 1):
        (agent,) = await world.claim()
        assert (agent[0], agent[4]) == (f"t.{attempt}", str(attempt))
        assert await world.fail(agent[0], agent[1]) == ["ok", "failed", after]
    assert await world.claim() == []
    assert [(await world.agent(f"t.{n}"))["status"] for n in (1, 2, 3)] == ["failed"] * 3
    await world.check()


async def test_retry_may_wait(world: World) -> None:
    """With a delay it is scheduled, and pending all the while."""
    agent_id, token = await world.running(attempts=2)
    await world.fail(agent_id, token, delay=60_000)
    assert await world.queue() == []
    assert await world.redis.zcard(world.keys.scheduled) == 1
    await world.check()


async def test_kill_that_came_first_wins_and_keeps_the_result(world: World) -> None:
    """The server's order decides."""
    agent_id, token = await world.running(attempts=3)
    await world.kill(agent_id, why="too expensive", by="me")
    reply = await world.finish(agent_id, token, result="7")
    assert reply == ["ok", "killed", "failed"]
    for record in (await world.agent(), await world.task()):
        assert (record["reason"], record["error"]) == ("killed", "too expensive")
        assert (record["result"], record["killedBy"]) == ("7", "me")
    assert (await world.told())[-2:] == ["agent.killed", "task.failed"]
    assert await world.redis.exists(world.keys.kills) == 0
    await world.check()


async def test_failure_after_a_kill_is_not_retried(world: World) -> None:
    """Whatever the agent says it died of."""
    agent_id, token = await world.running(attempts=3)
    await world.kill(agent_id)
    assert await world.fail(agent_id, token, "shutdown") == ["ok", "killed", "failed"]


@pytest.mark.parametrize("text", ["nonsense", "[]", "null", '{"reason":{},"by":7}'])
async def test_kill_request_that_is_nonsense_is_a_kill(world: World, text: str) -> None:
    """Somebody wrote it by hand; what it asks for is plain."""
    agent_id, token = await world.running()
    await world.redis.hset(world.keys.kills, agent_id, text)
    assert await world.finish(agent_id, token) == ["ok", "killed", "failed"]
    assert not {"error", "killedBy"} & (await world.agent()).keys()


async def test_task_that_is_gone_leaves_the_agent_its_ending(world: World) -> None:
    """Somebody deleted the record: nothing is told of it any more."""
    agent_id, token = await world.running(attempts=3)
    await world.redis.delete(world.keys.task("t"))
    assert await world.fail(agent_id, token) == ["ok", "failed", ""]
    assert (await world.told())[-1] == "agent.failed"
    assert await world.redis.exists(world.keys.task("t")) == 0


async def test_task_that_has_moved_on_is_left_alone(world: World) -> None:
    """An older attempt that comes late ends itself only."""
    agent_id, token = await world.running(attempts=3)
    await world.redis.hset(world.keys.task("t"), "agentId", "t.9")
    before = await world.task()
    assert await world.finish(agent_id, token) == ["ok", "completed", ""]
    assert await world.task() == before


async def test_record_of_an_old_task_that_is_no_hash_stops_no_ending(world: World) -> None:
    """What is forgotten to make room is forgotten whatever it is."""
    world.caller = replace(world.caller, retention_count=1)
    await world.finish(*await world.running("a"))
    await world.plant(world.keys.task("a"))
    assert await world.finish(*await world.running("b")) == ["ok", "completed", "completed"]
    assert (await world.told())[-1] == "task.completed"
    assert await world.redis.exists(world.keys.task("a")) == 0
