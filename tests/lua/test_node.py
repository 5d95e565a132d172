"""register, release, offer: the daemon's own record."""

import json
from typing import Any

import pytest

from tests.support.world import World

pytestmark = pytest.mark.leaves_work("a node may own agents")


async def test_first_come_has_the_name(world: World) -> None:
    """The record is new once, then kept alive; its fields are those of the contract."""
    assert await world.register() == ["ok", 1, 0]
    assert await world.register() == ["ok", 0, 0]
    record = await world.redis.hgetall(world.keys.node("n1"))
    wanted = {"node", "epoch", "host", "pid", "version", "startedAt", "capacity", "agents", "state"}
    assert record.keys() == wanted | {"process"}
    assert 0 < await world.redis.pttl(world.keys.node("n1")) <= 60_000
    await world.check()


async def test_live_holder_keeps_the_name(world: World) -> None:
    """Another daemon learns who has it, and nothing is written."""
    await world.register()
    before = await world.dump()
    assert await world.register(epoch="e2") == ["taken", "e1", "here", "1", "p"]
    assert await world.dump() == before


async def test_name_of_a_dead_holder_is_taken_over(world: World) -> None:
    """By who knows that epoch to be dead; nothing of the old record is left."""
    await world.register()
    await world.claim()
    await world.redis.hset(world.keys.node("n1"), "old", "x")
    before = await world.dump()
    reply = await world.step("register", "e0", "host", "there", epoch="e2")
    assert reply[0] == "taken"
    assert await world.dump() == before
    assert await world.step("register", "e1", "host", "there", epoch="e2") == ["ok", 1, 0]
    record = await world.redis.hgetall(world.keys.node("n1"))
    assert record.pop("startedAt")
    assert record == {"node": "n1", "epoch": "e2", "host": "there"}


async def test_empty_field_is_taken_off(world: World) -> None:
    """A field without a value is absent, and others stay as they were."""
    await world.register()
    await world.step("register", "", "pausedKinds", '["check"]')
    assert await world.redis.hget(world.keys.node("n1"), "pausedKinds") == '["check"]'
    await world.step("register", "", "pausedKinds", "", "agents", "2")
    record = await world.redis.hgetall(world.keys.node("n1"))
    assert "pausedKinds" not in record
    assert (record["agents"], record["host"]) == ("2", "here")


async def test_expired_name_is_free(world: World) -> None:
    """And the owner that renews its record too late makes it anew."""
    await world.register()
    await world.redis.delete(world.keys.node("n1"))
    assert (await world.register(epoch="e2"))[:2] == ["ok", 1]


async def test_renewal_extends_the_life_and_keeps_the_claims(world: World) -> None:
    """The fence of the claims must outlive a heartbeat."""
    await world.running()
    await world.redis.pexpire(world.keys.node("n1"), 1000)
    assert await world.register() == ["ok", 0, 1]
    assert await world.redis.pttl(world.keys.node("n1")) > 50_000
    assert await world.redis.hmget(world.keys.node("n1"), "claim", "claimed") == ["1", "t.1"]


async def test_earlier_lives_are_remembered(world: World) -> None:
    """Those of this node alone, the present one left out, and not for ever."""
    for epoch in ("e1", "e2", "e3"):
        await world.register(epoch=epoch)
        await world.step("release", epoch=epoch)
    await world.register(node="n2", epoch="f1")
    await world.register(epoch="e3")
    assert await world.step("lives", epoch="e3") == ["ok", ["e1 p", "e2 p"]]
    assert await world.redis.pttl(world.keys.epochs("n1")) > 0


async def test_release_gives_the_name_back(world: World) -> None:
    """Twice is once; a node that owns nothing is off the list."""
    await world.register()
    assert await world.step("release") == ["ok"]
    before = await world.dump()
    assert set(before) == {world.keys.epochs("n1")}
    assert await world.step("release") == ["not_owner"]
    assert await world.dump() == before


async def test_release_leaves_agents_to_be_found(world: World) -> None:
    """The node stays listed as long as it owns some."""
    await world.running()
    await world.step("release")
    assert await world.redis.zrange(world.keys.nodes, 0, -1) == ["n1"]
    assert await world.redis.exists(world.keys.node("n1")) == 0


async def test_only_the_holder_releases(world: World) -> None:
    """An earlier life that wakes up late takes nobody's name away."""
    await world.register(epoch="e2")
    before = await world.dump()
    assert await world.step("release") == ["not_owner"]
    assert await world.dump() == before


async def test_only_the_last_lives_are_remembered(world: World) -> None:
    """For a month, whatever became of the record: processes of them may still run."""
    for number in range(40):
        await world.register(epoch=f"e{number:02}")
        await world.register(epoch=f"e{number:02}")
        await world.step("release", epoch=f"e{number:02}")
    lives = [f"e{number:02} p" for number in range(8, 40)]
    assert sorted((await world.step("lives", epoch="new"))[1]) == lives
    assert sorted((await world.step("lives", epoch="e39"))[1]) == lives[:-1]
    assert await world.step("lives", node="n2") == ["ok", []]
    assert await world.redis.ttl(world.keys.epochs("n1")) > 29 * 86_400


@pytest.mark.parametrize("defaults", [{}, {"maxAttempts": 3, "timeout": 1.5}])
async def test_offer_publishes_defaults_with_the_time(
    world: World, defaults: dict[str, Any]
) -> None:
    """JSON, whether there are defaults or not."""
    assert await world.step("offer", 10, "k", json.dumps(defaults)) == ["ok"]
    offered = json.loads(await world.redis.hget(world.keys.kinds, "k"))
    assert offered.pop("offeredAt").endswith("Z")
    assert offered == defaults


async def test_more_kinds_than_are_allowed_are_refused(world: World) -> None:
    """All of them, and nothing is written; those that are there may be renewed all the same."""
    assert await world.step("offer", 2, "a", "{}", "b", "{}") == ["ok"]
    before = await world.dump()
    assert await world.step("offer", 2, "a", "{}", "c", "{}") == ["full", "3"]
    assert await world.dump() == before
    assert await world.step("offer", 1, "a", '{"x":1}') == ["ok"]
    assert '"x":1' in await world.redis.hget(world.keys.kinds, "a")


async def test_kind_that_nobody_offers_any_more_is_forgotten(world: World) -> None:
    """Once a month has passed; but not by a daemon whose own kinds are refused."""
    old = '{"offeredAt":"2020-01-01T00:00:00.000Z"}'
    await world.redis.hset(world.keys.kinds, mapping={"old": old, "older": old})
    assert await world.step("offer", 1, "a", "{}", "b", "{}") == ["full", "2"]
    assert await world.redis.hlen(world.keys.kinds) == 2
    assert await world.step("offer", 1, "old", "{}") == ["ok"]
    assert await world.redis.hkeys(world.keys.kinds) == ["old"]
