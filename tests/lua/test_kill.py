"""kill: each sentence of the contract's section, and what a request may meet."""

import json

import pytest

from tests.support.wait import wait_until
from tests.support.world import KIND, World

pytestmark = pytest.mark.leaves_work("a kill is asked for")


async def test_request_before_the_ending_makes_it_killed(world: World) -> None:
    """The agent's own ending comes second, so it is not the one that counts."""
    agent_id, token = await world.running()
    assert await world.kill("t") == ["ok", "requested", agent_id, "n1"]
    assert await world.finish(agent_id, token) == ["ok", "killed", "failed"]


async def test_request_after_the_ending_is_too_late(world: World) -> None:
    """It is `already_terminal`, of the agent and of the task."""
    agent_id, token = await world.running()
    await world.finish(agent_id, token)
    before = await world.dump()
    assert await world.kill(agent_id) == ["ended", "completed"]
    assert await world.kill("t") == ["ended", "completed"]
    assert await world.dump() == before


async def test_waiting_task_fails_at_once(world: World) -> None:
    """There is no agent to ask; who killed it and why stands in record and event."""
    await world.submit()
    assert await world.kill("t", why="enough", by="me", node="", epoch="") == ["ok", "failed", "t"]
    task = await world.task()
    assert (task["status"], task["reason"], task["error"]) == ("failed", "killed", "enough")
    assert await world.queue() == []
    event = (await world.events())[-1]
    assert event.pop("timestamp") == task["updatedAt"]
    assert event == {
        "type": "task.failed",
        "taskId": "t",
        "kind": KIND,
        "attempt": 0,
        "reason": "killed",
        "error": "enough",
        "final": True,
    }
    await world.check()


@pytest.mark.parametrize("delay", [0, 60_000])
async def test_task_that_waits_for_its_retry_fails_at_once(world: World, delay: int) -> None:
    """In its queue or scheduled; the attempt that failed stays as it is."""
    agent_id, token = await world.running(attempts=3)
    await world.fail(agent_id, token, delay=delay)
    attempt = await world.agent()
    assert await world.kill("t") == ["ok", "failed", "t"]
    assert await world.agent() == attempt
    assert await world.redis.exists(world.keys.scheduled, world.keys.queue(KIND)) == 0
    assert await world.claim() == []
    await world.check()


async def test_scheduled_task_fails_at_once(world: World) -> None:
    """It never becomes due."""
    await world.submit(delay=60_000)
    assert await world.kill("t") == ["ok", "failed", "t"]
    assert await world.redis.exists(world.keys.scheduled) == 0
    await world.check()


async def test_request_is_written_for_live_agents_only(world: World) -> None:
    """And the ending removes it."""
    await world.submit()
    await world.kill("t")
    assert await world.redis.exists(world.keys.kills) == 0
    agent_id, token = await world.running("u")
    await world.kill("u")
    assert await world.redis.hkeys(world.keys.kills) == [agent_id]
    await world.finish(agent_id, token, "killed", reason="killed")
    assert await world.redis.exists(world.keys.kills) == 0


async def test_own_earlier_life_with_a_request_is_killed(world: World) -> None:
    """Its daemon, back again, has ended what was left of it, so that it may say so."""
    agent_id, _ = await world.running(attempts=3)
    await world.kill(agent_id, why="enough", by="me")
    await world.succeed_itself()
    reply = await world.step("settle", agent_id, "n1", "e0 e1", epoch="e2")
    assert reply == ["ok", "killed", "failed"]
    agent, task = await world.agent(), await world.task()
    assert (agent["reason"], task["reason"]) == ("killed", "killed")
    assert (agent["error"], agent["killedBy"]) == ("enough", "me")
    await world.check()


async def test_another_daemon_writes_lost_and_killed(world: World) -> None:
    """It cannot see whether the work has ended; the task is not retried all the same."""
    agent_id, _ = await world.running(attempts=3)
    await world.kill(agent_id, why="enough", by="me")
    await world.redis.delete(world.keys.heartbeat(agent_id), world.keys.node("n1"))
    reply = await world.step("settle", agent_id, "n1", "", node="n2")
    assert reply == ["ok", "failed", "failed"]
    agent, task = await world.agent(), await world.task()
    assert (agent["status"], agent["reason"]) == ("failed", "lost")
    assert (task["status"], task["reason"], task["error"]) == ("failed", "killed", "enough")
    assert await world.redis.exists(world.keys.kills) == 0
    await world.check()


async def test_request_holds_what_was_asked(world: World) -> None:
    """`reason`, `by`, `at` and the grace; the daemon's bell rings with the agent's id."""
    agent_id, _ = await world.running()
    async with world.redis.pubsub(ignore_subscribe_messages=True) as bell:
        await bell.subscribe(world.keys.kill_bell("n1"))
        await bell.get_message(timeout=30)
        await world.step("kill", "agent", agent_id, "", 'to "stop"', "me", "2.5")
        message = await wait_until(lambda: bell.get_message(timeout=0.01))
    assert message["data"] == agent_id
    request = json.loads(await world.redis.hget(world.keys.kills, agent_id))
    assert request.pop("at")
    assert request == {"reason": 'to "stop"', "by": "me", "grace": 2.5}
    await world.check()


async def test_first_request_stays(world: World) -> None:
    """Another one is answered as well, and rings the bell again, but changes nothing."""
    await world.running()
    await world.kill("t", why="first", by="one")
    before = await world.dump()
    assert await world.kill("t", why="second", by="two") == ["ok", "requested", "t.1", "n1"]
    assert await world.kill("t.1") == ["ok", "requested", "t.1", "n1"]
    assert await world.dump() == before


async def test_same_request_after_its_work_is_done(world: World) -> None:
    """Its first answer was lost; another's kill comes too late all the same."""
    await world.submit("waiting")
    await world.kill("waiting", by="me")
    agent_id, token = await world.running("live")
    await world.kill(agent_id, by="me")
    await world.finish(agent_id, token, "killed")
    before = await world.dump()
    for record_id in ("waiting", "live", agent_id):
        assert await world.kill(record_id, by="me") == ["ok", "ended", record_id]
        assert (await world.kill(record_id, by="you"))[0] == "ended"
        assert (await world.kill(record_id))[0] == "ended"
    assert await world.dump() == before


async def test_only_of_the_kind_that_is_meant(world: World) -> None:
    """A kill of one kind leaves the others alone."""
    await world.submit()
    before = await world.dump()
    assert await world.step("kill", "task", "t", "other", "", "", "") == ["ok", "other"]
    assert await world.dump() == before
    assert await world.step("kill", "task", "t", KIND, "", "", "") == ["ok", "failed", "t"]


async def test_nothing_there(world: World) -> None:
    """An unknown id is told as such and writes nothing."""
    assert await world.kill("t") == ["not_found"]
    assert await world.kill("t.1") == ["not_found"]
    assert await world.dump() == {}


async def test_own_earlier_life_that_may_still_run_is_not_called_killed(world: World) -> None:
    """Its process is only frozen, or on another machine: nobody saw its work end."""
    agent_id, _ = await world.running(attempts=3)
    await world.kill(agent_id)
    await world.succeed_itself()
    reply = await world.step("settle", agent_id, "n1", "e11", epoch="e2")
    assert reply == ["ok", "failed", "failed"]
    assert ((await world.agent())["reason"], (await world.task())["reason"]) == ("lost", "killed")


async def test_live_task_whose_agent_lost_its_record(world: World) -> None:
    """While it has a heartbeat its daemon is told; without one the task ends at once."""
    await world.running()
    await world.redis.delete(world.keys.agent("t.1"))
    assert await world.kill("t") == ["ok", "requested", "t.1", "n1"]
    assert await world.redis.hexists(world.keys.kills, "t.1")
    await world.redis.delete(world.keys.heartbeat("t.1"))
    assert await world.kill("t") == ["ok", "failed", "t"]
    assert (await world.task())["reason"] == "killed"
    assert not await world.redis.exists(world.keys.kills)


async def test_live_task_without_an_agent_ends_at_once(world: World) -> None:
    """Its record was damaged by hand."""
    await world.running()
    await world.redis.hdel(world.keys.task("t"), "agentId")
    assert await world.kill("t") == ["ok", "failed", "t"]
    await world.redis.delete(world.keys.agent("t.1"), world.keys.heartbeat("t.1"))


async def test_second_kill_may_only_leave_less_time(world: World) -> None:
    """Who, why and when stay those of the first."""
    await world.running()
    await world.kill("t.1", why="first", by="me", grace="30")
    first = json.loads(await world.redis.hget(world.keys.kills, "t.1"))
    await world.kill("t.1", why="second", by="you", grace="60")
    await world.kill("t.1", why="third")
    assert json.loads(await world.redis.hget(world.keys.kills, "t.1")) == first
    await world.kill("t.1", grace="0.5")
    assert json.loads(await world.redis.hget(world.keys.kills, "t.1")) == first | {"grace": 0.5}


@pytest.mark.parametrize("delay", [0, 60_000])
async def test_waiting_task_whose_queue_is_broken(world: World, delay: int) -> None:
    """Nothing is written, also where the task itself is scheduled."""
    await world.submit(delay=delay)
    await world.redis.delete(world.keys.queue(KIND))
    await world.plant(world.keys.queue(KIND))
    before = await world.dump()
    assert (await world.kill("t"))[:2] == ["broken", world.keys.queue(KIND)]
    assert await world.dump() == before
