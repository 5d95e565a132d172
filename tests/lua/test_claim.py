"""claim: due tasks become agents, each once, in their order."""

import pytest

from musterd.settings import MOST_KINDS
from tests.support.wait import wait_until
from tests.support.world import KIND, World

pytestmark = pytest.mark.leaves_work("a claimed task is live")

OFFER = (KIND, 100, 1, "")
CLAIMED = ["agent.spawned", "task.assigned", "agent.running", "task.executing"]
"""What is told of an agent that is claimed, in this order."""


async def submit_each(world: World, *task_ids: str, kind: str = KIND) -> None:
    """Several tasks of one kind."""
    for task_id in task_ids:
        await world.submit(task_id, kind)


async def test_agent_and_task_are_as_the_contract_says(world: World) -> None:
    """The record, the owner, the heartbeat, the lists, and four events of one moment."""
    await world.register()
    await world.submit(context='{"a":1}', attempts=3, timeout="7", metadata='"m"')
    assert await world.claim() == [["t.1", "c1.0", "t", KIND, "1", "3", "7", '{"a":1}', ""]]
    agent = await world.agent()
    moment = agent.pop("createdAt")
    assert agent.pop("startedAt") == agent.pop("updatedAt") == moment
    assert agent == {
        "agentId": "t.1",
        "taskId": "t",
        "status": "running",
        "kind": KIND,
        "node": "n1",
        "epoch": "e1",
        "token": "c1.0",
        "attempt": "1",
        "metadata": '"m"',
    }
    task = await world.task()
    assert (task["status"], task["agentId"], task["attempt"]) == ("executing", "t.1", "1")
    assert await world.redis.get(world.keys.heartbeat("t.1")) == "n1/e1"
    assert await world.redis.smembers(world.keys.owned("n1")) == {"t.1"}
    told = {"taskId": "t", "agentId": "t.1", "kind": KIND, "node": "n1", "attempt": 1}
    assert (await world.events())[1:] == [
        {"type": kind, "timestamp": moment} | told for kind in CLAIMED
    ]
    await world.check()


async def test_defaults_of_the_claim_fill_the_record(world: World) -> None:
    """The kind's own, where the task says nothing; they stay for the retry."""
    await world.register()
    await world.submit()
    reply = await world.step("claim", 1, "s", 1, KIND, 1, 5, "2.5")
    assert reply[3] == [["t.1", "s.0", "t", KIND, "1", "5", "2.5", "", ""]]
    assert (await world.task())["maxAttempts"] == "5"


async def test_same_number_answers_what_it_took(world: World) -> None:
    """The answer was lost: the same agents and tokens again, and nothing is taken or told."""
    await world.register()
    await submit_each(world, "a", "b", "c")
    first = await world.step("claim", 1, "s", 2, *OFFER)
    before = await world.dump()
    assert await world.step("claim", 1, "another", 2, *OFFER) == first
    assert await world.dump() == before


async def test_same_number_leaves_out_what_has_ended(world: World) -> None:
    """An agent that was settled meanwhile has no token to hand out."""
    await world.register()
    await submit_each(world, "a", "b", "c")
    first = await world.step("claim", 1, "s", 3, *OFFER)
    await world.step("settle", "a.1", "n1", "e1")
    await world.redis.delete(world.keys.agent("b.1"))
    again = await world.step("claim", 1, "s", 3, *OFFER)
    assert again == ["ok", -1, [], first[3][2:]]


async def test_claim_sees_what_its_call_has_queued(world: World) -> None:
    """A claim answers when the next task is due, also one of a step before it in the same call."""
    await world.register()
    await submit_each(world, "a")
    claim = ("claim", 1, "s", 3, *OFFER)
    await world.step(*claim)
    later = ("submit", "later", KIND, "", 0, 60_000, "", "", "")
    at_once = ("submit", "at-once", KIND, "", 0, 0, "", "", "")
    _, again, _, new = await world.steps(later, claim, at_once, ("claim", 2, *claim[2:]))
    assert 0 < again[1] <= 60_000
    assert 0 < new[1] <= 60_000
    assert [agent[2] for agent in new[3]] == ["at-once"]


async def test_ghost_of_an_older_claim_takes_nothing(world: World) -> None:
    """A call that its sender had given up arrives after the next one."""
    await world.register()
    await submit_each(world, "a", "b")
    await world.step("claim", 9, "s", 1, *OFFER)
    await world.step("claim", 10, "s", 0, *OFFER)
    before = await world.dump()
    assert await world.step("claim", 9, "s", 1, *OFFER) == ["stale"]
    assert await world.dump() == before


@pytest.mark.parametrize(("node", "epoch"), [("n1", "e2"), ("n2", "e1")])
async def test_only_who_is_registered_claims(world: World, node: str, epoch: str) -> None:
    """Another life of the daemon, or a daemon that never took its name, gets nothing."""
    await world.register()
    await world.submit()
    before = await world.dump()
    assert await world.claim_reply(node=node, epoch=epoch) == ["not_owner"]
    assert await world.dump() == before


async def test_takes_no_more_than_count_and_room(world: World) -> None:
    """Of one kind its room at most, of all together the count."""
    await world.register()
    await submit_each(world, *"abcdef")
    await submit_each(world, *"uvwxyz", kind="other")
    offers = (KIND, 2, 1, "", "other", 100, 1, "")
    taken = (await world.step("claim", 1, "s", 5, *offers))[3]
    assert sorted(agent[2] for agent in taken) == ["a", "b", "u", "v", "w"]
    assert (await world.step("claim", 2, "s", 5, KIND, 0, 1, ""))[3] == []


async def test_long_queue_does_not_crowd_out_another_kind(world: World) -> None:
    """Each kind has a fair share first."""
    await world.register()
    await submit_each(world, *(f"many{n}" for n in range(50)))
    await submit_each(world, "x", "y", kind="few")
    taken = await world.claim(10, KIND, "few", "none")
    assert len(taken) == 10
    assert {"x", "y"} < {agent[2] for agent in taken}


async def test_single_slot_goes_round_the_kinds(world: World) -> None:
    """A daemon that has one slot free at a time starves no kind."""
    await world.register()
    await submit_each(world, *(f"a{n}" for n in range(4)))
    await submit_each(world, *(f"b{n}" for n in range(4)), kind="other")
    kinds = [(await world.claim(1, KIND, "other"))[0][3] for _ in range(4)]
    assert sorted(kinds) == [KIND, KIND, "other", "other"]


async def test_kind_that_is_not_offered_waits(world: World) -> None:
    """And holds up nobody."""
    await world.register()
    await world.submit("a", "foreign")
    await world.submit("b")
    assert [agent[2] for agent in await world.claim()] == ["b"]
    assert await world.queue("foreign") == ["a"]


async def test_scheduled_task_is_taken_when_due(world: World) -> None:
    """Not before; until then a claim says how long it will be."""
    await world.register()
    await world.submit(delay=60_000)
    reply = await world.claim_reply()
    assert reply[3] == []
    assert 0 < reply[1] <= 60_000
    await world.redis.zadd(world.keys.scheduled, {"t": 1})
    assert [agent[2] for agent in await world.claim()] == ["t"]
    assert await world.redis.exists(world.keys.scheduled) == 0
    await world.check()


async def test_short_delay_ends_by_itself(world: World) -> None:
    """By the server's clock alone."""
    await world.register()
    await world.submit(delay=30)
    assert await world.claim() == []
    assert await wait_until(world.claim)


async def test_promoted_task_keeps_its_priority(world: World) -> None:
    """It queues behind its equals, before those of a lower priority."""
    await world.register()
    await world.submit("late", priority=1, delay=60_000)
    await world.submit("low", priority=2)
    await world.submit("equal", priority=1)
    await world.redis.zadd(world.keys.scheduled, {"late": 1})
    assert [agent[2] for agent in await world.claim()] == ["equal", "late", "low"]


@pytest.mark.parametrize("place", ["queue", "scheduled"])
@pytest.mark.parametrize("fault", ["missing", "type", "status", "attempt"])
async def test_bad_record_in_a_queue_is_put_aside(world: World, place: str, fault: str) -> None:
    """It is named in the answer, taken out, told of nowhere, and holds up no other.

    One that is there and nonsense is looked at again in a minute, as it may be repaired.
    """
    await world.register()
    await submit_each(world, "bad", "good")
    if place == "scheduled":
        await world.redis.zrem(world.keys.queue(KIND), "bad")
        await world.redis.zadd(world.keys.scheduled, {"bad": 1})
    await spoil(world, "bad", fault)
    reply = await world.claim_reply()
    assert reply[0] == "ok"
    assert reply[2] == ["bad"]
    assert [agent[2] for agent in reply[3]] == ["good"]
    assert await world.queue() == []
    waits = await world.redis.zrange(world.keys.scheduled, 0, -1)
    assert waits == ([] if fault == "missing" else ["bad"])
    assert await world.told() == ["task.pending"] * 2 + CLAIMED


@pytest.mark.parametrize("fault", ["type", "status", "attempt"])
async def test_bad_record_that_is_repaired_is_claimed(world: World, fault: str) -> None:
    """What was accepted is not forgotten because somebody made nonsense of it for a while."""
    await world.register()
    await world.submit("bad")
    kept = await world.task("bad")
    await spoil(world, "bad", fault)
    assert await world.claim() == []
    await world.redis.delete(world.keys.task("bad"))
    await world.redis.hset(world.keys.task("bad"), mapping=kept)
    await world.redis.zadd(world.keys.scheduled, {"bad": 1})
    assert [agent[2] for agent in await world.claim()] == ["bad"]


async def test_adoption_passes_over_a_broken_task(world: World) -> None:
    """It is not adopted; the others are."""
    await world.register()
    await submit_each(world, "bad", "good")
    await world.claim()
    await spoil(world, "bad", "type")
    reply = await world.step("adopt", "bad.1", "good.1")
    assert [agent[0] for agent in reply[1]] == ["good.1"]


async def test_superseded_daemon_takes_nothing_again(world: World) -> None:
    """Its name is another's by now: what the server lost of it is the other one's to claim."""
    await world.submit()
    step = ("reclaim", "t.1", "token", "t", KIND, 1, 1, "", "")
    await world.register(epoch="e2")
    before = await world.dump()
    assert await world.step(*step) == ["not_owner"]
    assert await world.dump() == before
    assert await world.step(*step, epoch="e2") == ["ok"]
    await world.check()


async def test_later_attempt_at_a_task_that_is_gone(world: World) -> None:
    """It is left to those that had the earlier ones to say first that there was such a task."""
    step = ("reclaim", "t.2", "token", "t", KIND, 2, 3, "", "")
    assert await world.step(*step) == ["not_found"]
    assert not await world.redis.exists(world.keys.task("t"))
    assert await world.step(*step, "alone") == ["ok"]
    assert await world.redis.hget(world.keys.task("t"), "attempt") == "2"


async def test_as_many_kinds_as_a_daemon_may_offer(world: World) -> None:
    """All of them are arguments of one step, and Lua takes only so many."""
    await world.register()
    await world.submit()
    kinds = [KIND, *(f"kind{number}" for number in range(MOST_KINDS - 1))]
    offers = [part for kind in kinds for part in (kind, "{}")]
    assert await world.step("offer", MOST_KINDS, *offers) == ["ok"]
    wanted = [part for kind in kinds for part in (kind, 100, 1, "")]
    reply = await world.step("claim", 1, "s", 1, *wanted)
    assert [agent[0] for agent in reply[3]] == ["t.1"]


async def spoil(world: World, task_id: str, fault: str) -> None:
    """Make nonsense of a task's record."""
    key = world.keys.task(task_id)
    if fault in {"missing", "type"}:
        await world.redis.delete(key)
    if fault == "type":
        await world.plant(key)
    if fault in {"status", "attempt"}:
        await world.redis.hset(key, fault, "nan")
        await world.redis.pexpire(key, 60_000)


@pytest.mark.parametrize("text", ["nan", "inf", "0x10", "-1", "1e999", "many"])
@pytest.mark.parametrize("field", ["maxAttempts", "timeout", "priority"])
async def test_number_that_is_nonsense_counts_as_not_given(
    world: World, field: str, text: str
) -> None:
    """What reaches the daemon is a number or nothing, and nothing breaks on the way."""
    await world.register()
    await world.submit(delay=60_000)
    await world.redis.hset(world.keys.task("t"), field, text)
    await world.redis.zadd(world.keys.scheduled, {"t": 1})
    (agent,) = await world.claim()
    assert agent[5:7] == ["1", ""]
    assert await world.fail(agent[0], agent[1]) == ["ok", "failed", "failed"]


async def test_queue_of_another_type_is_named(world: World) -> None:
    """And the other kinds are claimed."""
    await world.register()
    await world.submit("a", "other")
    await world.plant(world.keys.queue(KIND))
    reply = await world.claim_reply(10, KIND, "other")
    assert reply[2] == [world.keys.queue(KIND)]
    assert [agent[2] for agent in reply[3]] == ["a"]
