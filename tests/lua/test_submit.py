"""submit: a new task, once."""

import json
from dataclasses import replace

import pytest

from tests.support.wait import wait_until
from tests.support.world import KIND, World

pytestmark = pytest.mark.leaves_work("a submitted task waits")


async def offer(world: World, **defaults: object) -> None:
    """A daemon offers the kind."""
    await world.step("offer", 10, KIND, json.dumps(defaults))


async def test_record_is_as_the_contract_says(world: World) -> None:
    """Each field that has a value is there; no other is."""
    reply = await world.submit(
        context='{"a":1}', priority=3, timeout="0.5", attempts=2, metadata='["m"]'
    )
    assert reply == ["ok", 1]
    record = await world.task()
    times = {record.pop("createdAt"), record.pop("updatedAt")}
    assert times == {(await world.events())[0]["timestamp"]}
    assert record == {
        "taskId": "t",
        "status": "pending",
        "kind": KIND,
        "context": '{"a":1}',
        "priority": "3",
        "attempt": "0",
        "maxAttempts": "2",
        "timeout": "0.5",
        "metadata": '["m"]',
    }
    assert await world.queue() == ["t"]
    await world.check()


async def test_field_without_a_value_is_absent(world: World) -> None:
    """Not empty."""
    await world.submit()
    absent = {"context", "maxAttempts", "timeout", "metadata", "agentId", "result"}
    assert not absent & (await world.task()).keys()


async def test_again_is_the_same_task(world: World) -> None:
    """The second answer says that it was there; nothing is written and nothing told."""
    await world.submit(context="1")
    before = await world.dump()
    assert await world.submit(context="1", priority=9, delay=5) == ["ok", 0]
    assert await world.dump() == before


@pytest.mark.parametrize("other", [{"kind": "other"}, {"context": "2"}, {"context": ""}])
async def test_same_id_for_something_else_is_refused(world: World, other: dict[str, str]) -> None:
    """Another kind, another context, or none."""
    await world.submit(context="1")
    before = await world.dump()
    assert await world.submit(**({"context": "1"} | other)) == ["exists"]
    assert await world.dump() == before


async def test_kind_that_nobody_offers_is_refused(world: World) -> None:
    """As soon as some daemon has offered kinds; before that, any may come."""
    await world.submit("first", "nobody-knows")
    await offer(world)
    before = await world.dump()
    refusal = await world.submit("second", "nobody-knows")
    assert refusal[0] == "unknown_kind"
    assert KIND in refusal[1]
    assert await world.dump() == before
    assert await world.submit("third", KIND) == ["ok", 1]


async def test_defaults_of_the_kind_are_taken_over(world: World) -> None:
    """Where the submission says nothing itself."""
    await offer(world, maxAttempts=4, timeout=86_400.5)
    await world.submit("plain")
    await world.submit("told", attempts=1, timeout="2")
    plain, told = await world.task("plain"), await world.task("told")
    assert (plain["maxAttempts"], plain["timeout"]) == ("4", "86400.5")
    assert (told["maxAttempts"], told["timeout"]) == ("1", "2")


@pytest.mark.parametrize("text", ["[", "7", '"x"', "null", '{"maxAttempts":{},"timeout":"x"}'])
async def test_nonsense_in_an_offer_is_no_default(world: World, text: str) -> None:
    """Somebody changed it by hand; the task is accepted all the same."""
    await world.redis.hset(world.keys.kinds, KIND, text)
    assert await world.submit() == ["ok", 1]
    assert not {"maxAttempts", "timeout"} & (await world.task()).keys()


async def test_queue_is_by_priority_then_first_in_first_out(world: World) -> None:
    """0 comes first, 9 last."""
    for number, priority in enumerate([9, 0, 5, 0, 9, 5]):
        await world.submit(f"p{priority}-{number}", priority=priority)
    assert await world.queue() == ["p0-1", "p0-3", "p5-2", "p5-5", "p9-0", "p9-4"]


async def test_order_holds_within_a_call(world: World) -> None:
    """Steps of one call queue one after the other, whatever comes between them."""
    await world.register()
    nothing = ("", 0, 0, "", "", "")
    other = ("renew",)
    names = ["d", "c", "b", "a"]
    first, *rest = [("submit", name, KIND, *nothing) for name in names]
    await world.steps(first, other, *rest[:2], other, rest[2])
    assert await world.queue() == names
    assert await world.redis.get(world.keys.sequence) == str(len(names))


async def test_order_holds_for_a_sequence_of_years(world: World) -> None:
    """Scores stay exact where the counter has grown, also beside the lowest priority."""
    await world.submit("old", priority=9)
    await world.redis.set(world.keys.sequence, 10**14)
    for number in range(3):
        await world.submit(f"t{number}", priority=9)
    await world.submit("first", priority=8)
    assert await world.queue() == ["first", "old", "t0", "t1", "t2"]


async def test_delay_is_from_the_servers_now(world: World) -> None:
    """A delayed task is pending, in no queue, and scheduled at its time in ms."""
    await world.submit(delay=60_000)
    due = await world.redis.zscore(world.keys.scheduled, "t")
    assert due is not None
    seconds, microseconds = await world.redis.time()
    assert 0 <= (seconds * 1000 + microseconds / 1000) - (due - 60_000) < 5000
    assert await world.queue() == []
    await world.check()


async def test_new_work_rings_the_bell_of_its_kind(world: World) -> None:
    """Once a call for each kind, not once a task."""
    async with world.redis.pubsub(ignore_subscribe_messages=True) as bell:
        await bell.subscribe(world.keys.wake)
        await bell.get_message(timeout=30)
        one = ("", 0, 0, "", "", "")
        await world.steps(*[("submit", f"t{n}", KIND, *one) for n in range(3)])
        heard = [await wait_until(lambda: bell.get_message(timeout=0.01))]
        assert [message["data"] for message in heard] == [KIND]
        assert await bell.get_message(timeout=0) is None


async def test_id_of_an_expired_task_is_as_new(world: World) -> None:
    """What the indexes still list under it is gone, so that no trim takes the new record away."""
    world.caller = replace(world.caller, retention_ms=20)
    await world.finish(*await world.running())
    await wait_until(lambda: gone(world))
    agent_id, token = await world.running()
    assert agent_id == "t.1"
    await world.step("trim", 256)
    assert (await world.task())["status"] == "executing"
    assert (await world.agent())["status"] == "running"
    assert await world.redis.zcard(world.keys.tasks("completed")) == 0
    assert await world.redis.zcard(world.keys.agents("completed")) == 0
    assert await world.finish(agent_id, token) == ["ok", "completed", "completed"]


async def gone(world: World) -> bool:
    """Whether the records have expired."""
    return not await world.redis.exists(world.keys.task("t"), world.keys.agent("t.1"))
